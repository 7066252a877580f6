"""What stands beside a model, by hand, and what is said first."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.practice.honest import FEWEST, MODEL, beside, verdict
from outgrow.types import Labels

N = 40
IDS = tuple(f"e{i}" for i in range(N))


def labels(right: int, ids: tuple[str, ...] = IDS) -> Labels:
    """Right on the first `right` rows; every row is of the first class, the last 10 of the second."""
    truth = [int(int(id[1:]) >= 30) for id in ids]
    return Labels.from_rows(ids, [np.eye(2)[t if i < right else 1 - t] for i, t in enumerate(truth)])


GOLD = labels(N)


def test_accuracies_and_paired_differences() -> None:
    model, weak, majority = beside(GOLD, {MODEL: labels(36), "weak": labels(30)})
    assert model.accuracy is not None
    assert model.accuracy.mean == pytest.approx(0.9)
    assert model.versus is None
    assert weak.versus is not None
    assert weak.versus.mean == pytest.approx(-0.15)
    # Six rows of forty differ: a standard error of sqrt(0.15 * 0.85 / 39), times t(39) = 2.02.
    assert weak.versus.low == pytest.approx(-0.15 - 2.0227 * (0.15 * 0.85 / 39) ** 0.5, abs=1e-4)
    assert (majority.name, majority.accuracy and majority.accuracy.mean) == ("majority class", pytest.approx(0.75))


def test_who_abstains_is_compared_where_he_answers() -> None:
    some = labels(20, IDS[:25])
    _, weak, _ = beside(GOLD, {MODEL: labels(36), "weak": some})
    assert weak.answered == pytest.approx(0.625)
    assert weak.accuracy is not None
    assert weak.accuracy.mean == pytest.approx(0.8)
    assert weak.versus is not None
    assert weak.versus.mean == pytest.approx(-0.2)  # the model is right on all of these


def test_what_is_better_is_said_first() -> None:
    rows = beside(GOLD, {MODEL: labels(20), "the audited rows alone": labels(38)})
    first, *_, last = verdict(rows, N)
    assert first.startswith("the audited rows alone: 95.0%, better than this model (+45.0 points, ")
    assert first.endswith("use that")
    assert last.startswith("this model is right on 50.0% of 40 audited rows (")


def test_what_is_as_good_is_said_before_the_model_too() -> None:
    rows = beside(GOLD, {MODEL: labels(36), "the weak labels": labels(36)})
    assert verdict(rows, N)[0].startswith("the weak labels: 90.0%, no worse than this model (+0.0 points")
    assert verdict(rows, N)[0].endswith("it has shown no gain")


def test_a_clear_gain_has_one_sentence() -> None:
    (only,) = verdict(beside(GOLD, {MODEL: labels(39), "the weak labels": labels(25)}), N)
    assert only.startswith("this model is right on 97.5%")


def test_too_few_audits_and_none_state_no_accuracy() -> None:
    few = IDS[: FEWEST - 1]
    rows = beside(labels(len(few), few), {MODEL: labels(10, few)})
    assert all(row.accuracy is None for row in rows)
    assert verdict(rows, len(few)) == ("how good this model is cannot be said: 19 audited rows are fewer than 20",)
    assert verdict((), 0) == ("how good this model is cannot be said, because no row is audited",)
