"""Calibration on ragged probabilities: golden values, properties, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.measures.calibration import (
    EPSILON,
    brier_scores,
    calibration,
    expected_calibration_error,
    log_losses,
)

# Three examples with 2, 3 and 2 choices.
PROBS = np.array([0.8, 0.2, 0.5, 0.3, 0.2, 0.1, 0.9])
OFFSETS = np.array([0, 2, 5, 7])
GOLD = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0])


def test_log_loss_and_brier_worked_by_hand() -> None:
    # −ln of the true choice's probability; (0.2² + 0.2²), (0.5² + 0.7² + 0.2²), (0.1² + 0.1²)
    assert log_losses(PROBS, OFFSETS, GOLD) == pytest.approx([-math.log(0.8), -math.log(0.3), -math.log(0.9)])
    assert brier_scores(PROBS, OFFSETS, GOLD) == pytest.approx([0.08, 0.78, 0.02])


def test_expected_calibration_error_worked_by_hand() -> None:
    # Confidences 0.8 (right), 0.5 (wrong), 0.9 (right). Two bins, (0, ½] and (½, 1]:
    # ⅓ · |0.5 − 0| + ⅔ · |0.85 − 1| = 0.16667 + 0.1
    assert expected_calibration_error(PROBS, OFFSETS, GOLD, bins=2) == pytest.approx(0.266667, abs=1e-6)
    # Ten bins, one example in each: ⅓ · (0.2 + 0.5 + 0.1)
    assert expected_calibration_error(PROBS, OFFSETS, GOLD, bins=10) == pytest.approx(0.8 / 3)


def test_soft_gold() -> None:
    # Truth 0.75 / 0.25, said 0.5 / 0.5: loss ln 2; Brier 2 · 0.25²; confidence 0.5 against 0.75
    found = calibration(np.array([0.5, 0.5]), np.array([0, 2]), np.array([0.75, 0.25]))
    assert (found.log_loss, found.brier, found.ece) == pytest.approx((math.log(2), 0.125, 0.25))


def test_a_true_choice_given_no_probability_costs_much_but_not_infinity() -> None:
    assert log_losses([0.0, 1.0], [0, 2], [1.0, 0.0]) == pytest.approx([-math.log(EPSILON)])


def test_certain_and_right_is_perfect() -> None:
    found = calibration(GOLD, OFFSETS, GOLD)
    assert (found.ece, found.log_loss, found.brier) == pytest.approx((0, 0, 0))


def test_a_forecaster_that_means_what_it_says_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(40_000)
    truth = (rng.random(40_000) < p).astype(float)
    probs, gold = np.stack([p, 1 - p], axis=1).ravel(), np.stack([truth, 1 - truth], axis=1).ravel()
    offsets = np.arange(0, 80_001, 2)
    assert expected_calibration_error(probs, offsets, gold) < 0.01
    sharp = np.stack([p > 0.5, p <= 0.5], axis=1).ravel().astype(float)  # as right as before, but always certain
    assert expected_calibration_error(sharp, offsets, gold) == pytest.approx(0.25, abs=0.01)


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_order_of_examples_does_not_matter_and_bounds_hold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [(rng.dirichlet(np.ones(k)), rng.dirichlet(np.ones(k))) for k in rng.integers(1, 6, size=9)]

    def measured(order: np.ndarray) -> tuple[float, float, float]:
        offsets = np.cumsum([0] + [len(rows[i][0]) for i in order])
        found = calibration(
            np.concatenate([rows[i][0] for i in order]), offsets, np.concatenate([rows[i][1] for i in order])
        )
        return found.ece, found.log_loss, found.brier

    ece, loss, brier = measured(np.arange(9))
    assert measured(rng.permutation(9)) == pytest.approx((ece, loss, brier))
    assert 0 <= ece <= 1
    assert loss >= 0
    assert 0 <= brier <= 2


@pytest.mark.parametrize(
    ("probs", "offsets", "gold", "message"),
    [
        ([], [0], [], "at least one example"),
        ([0.5, 0.5], [0, 2], [1.0], "do not fit"),
        ([0.5, 0.5], [0, 3], [1.0, 0.0], "do not fit"),
        ([0.5, 0.5], [0, 0, 2], [1.0, 0.0], "example 0 has no choices"),
        ([0.5, 0.6], [0, 2], [1.0, 0.0], "probs: every example"),
        ([0.5, np.nan], [0, 2], [1.0, 0.0], "probs: every example"),
        ([0.5, 0.5], [0, 2], [1.5, -0.5], "gold: every example"),
    ],
)
def test_what_is_no_distribution_is_refused(
    probs: list[float], offsets: list[int], gold: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        calibration(np.array(probs), np.array(offsets), np.array(gold))
    with pytest.raises(ValueError, match="one bin"):
        expected_calibration_error(PROBS, OFFSETS, GOLD, bins=0)


def test_the_bins_are_those_asked_for_and_fifteen_without_a_word() -> None:
    # One bin: |mean confidence − accuracy| = |2.2 / 3 − 2 / 3|. Two: see above.
    assert calibration(PROBS, OFFSETS, GOLD, bins=1).ece == pytest.approx(0.2 / 3)
    assert calibration(PROBS, OFFSETS, GOLD, bins=2).ece == pytest.approx(0.266667, abs=1e-6)
    rng = np.random.default_rng(0)
    p, truth = rng.random(200), rng.random(200) < 0.5
    table = np.stack([p, 1 - p], axis=1).ravel(), np.arange(0, 401, 2), np.stack([truth, ~truth], axis=1).ravel()
    fifteen = expected_calibration_error(*table, bins=15)
    assert expected_calibration_error(*table) == calibration(*table).ece == fifteen
    assert expected_calibration_error(*table, bins=16) != fifteen


def test_a_probability_that_rounding_put_above_one_is_in_the_last_bin() -> None:
    # 1.0005 and wrong, 0.99 and right, in one bin: |1.0005 + 0.99 − 1| / 2. Apart it would be (1.0005 + 0.01) / 2.
    probs, gold = np.array([1.0005, 0.0, 0.99, 0.01]), np.array([0.0, 1.0, 1.0, 0.0])
    assert expected_calibration_error(probs, [0, 2, 4], gold, bins=10) == pytest.approx(0.9905 / 2)


def test_arrays_of_any_type_are_measured_in_double_precision() -> None:
    single = PROBS.astype(np.float32)
    assert log_losses(single, OFFSETS, GOLD) == pytest.approx(
        log_losses(single.astype(np.float64), OFFSETS, GOLD), rel=1e-13
    )
    assert log_losses(PROBS, OFFSETS, GOLD.astype(bool)) == pytest.approx(log_losses(PROBS, OFFSETS, GOLD))
    with pytest.raises(ValueError, match="example 1 has no choices"):
        log_losses(PROBS, np.array([0, 3, 2, 7], dtype=np.uint64), GOLD)


def test_shapes_that_do_not_fit_are_reported() -> None:
    message = r"probs \(3,\), gold \(2,\), offsets from 1 to 2 do not fit"
    with pytest.raises(ValueError, match=message):
        calibration(np.ones(3), np.array([1, 0, 2]), np.ones(2))
