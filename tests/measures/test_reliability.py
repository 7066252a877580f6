"""Reliability of confidence, by hand and on models that are calibrated."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.calibration import brier_scores
from outgrow.measures.reliability import (
    ece_by_chance,
    ece_values,
    equal_mass_bins,
    overconfidence_values,
    squared_error_values,
)

SURE = np.array([[0.5, 0.6, 0.8, 0.9]])
RIGHT = np.array([[1.0, 0.0, 1.0, 0.0]])


def test_by_hand() -> None:
    """Two bins: confidences 0.55 and 0.85 on average, accuracy 0.5 in both."""
    bins = equal_mass_bins(SURE, 2)
    assert bins.tolist() == [[0, 0, 1, 1]]
    assert overconfidence_values(SURE, RIGHT).mean() == pytest.approx(0.7 - 0.5)
    assert ece_values(SURE, RIGHT, bins).mean() == pytest.approx(0.5 * 0.05 + 0.5 * 0.35)
    assert squared_error_values(SURE, RIGHT).mean() == pytest.approx((0.25 + 0.36 + 0.04 + 0.81) / 4)
    deviations = np.sqrt([0.5 * 0.5 + 0.6 * 0.4, 0.8 * 0.2 + 0.9 * 0.1])
    assert ece_by_chance(SURE, bins) == pytest.approx(np.sqrt(2 / np.pi) * deviations.sum() / 4)


def test_a_gap_of_either_sign_counts() -> None:
    """The lower bin is right more often than sure, the upper less often: overconfidence cancels, the ECE does not."""
    right = np.array([[1.0, 1.0, 0.0, 0.0]])
    assert ece_values(SURE, right, equal_mass_bins(SURE, 2)).mean() == pytest.approx((0.45 + 0.85) / 2)


def test_answers_that_are_not_given_count_in_nothing() -> None:
    sure, right = (np.concatenate([table, [[np.nan, np.nan]]], axis=1) for table in (SURE, RIGHT))
    bins = equal_mass_bins(sure, 2)
    assert bins.tolist() == [[0, 0, 1, 1, -1, -1]]
    for own, whole in zip(
        (overconfidence_values(sure, right), ece_values(sure, right, bins), squared_error_values(sure, right)),
        (overconfidence_values(SURE, RIGHT), ece_values(SURE, RIGHT, equal_mass_bins(SURE, 2)), None),
        strict=True,
    ):
        assert whole is None or own.mean() == pytest.approx(whole.mean())
    assert ece_by_chance(sure, bins) == pytest.approx(ece_by_chance(SURE, equal_mass_bins(SURE, 2)))


def test_equal_confidences_share_a_bin() -> None:
    sure = np.array([[0.5] * 7 + [0.9] * 3])
    assert equal_mass_bins(sure, 5).tolist() == [[0] * 7 + [1] * 3]


def test_of_two_choices_the_squared_error_is_half_the_brier_score() -> None:
    yes = np.random.default_rng(0).random(50)
    truth = np.random.default_rng(1).integers(0, 2, 50)
    probs, gold = np.stack([1 - yes, yes], 1), np.eye(2)[truth]
    whole = brier_scores(probs.ravel(), np.arange(0, 101, 2), gold.ravel()).mean() / 2
    sure, right = probs.max(1), (probs.argmax(1) == truth).astype(float)
    assert squared_error_values(sure[None], right[None]).mean() == pytest.approx(whole)


def test_a_calibrated_model_has_the_error_by_chance() -> None:
    rng = np.random.default_rng(2)
    sure = rng.uniform(0.5, 1, (1, 1000))
    bins = equal_mass_bins(sure)
    found = [ece_values(sure, (rng.random(sure.shape) < sure).astype(float), bins).mean() for _ in range(200)]
    assert np.mean(found) == pytest.approx(ece_by_chance(sure, bins), rel=0.05)
