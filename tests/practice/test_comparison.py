"""What stands beside a model, by hand, and what is said first."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.practice.audits import Audits, of_data
from outgrow.practice.comparison import FEWEST, MODEL, compare_labellers, ties, verdict
from outgrow.practice.data import PracticeData
from outgrow.types import Labels

N = 40
IDS = tuple(f"e{i}" for i in range(N))
TRUTH = [int(i >= 30) for i in range(N)]
DATA = PracticeData.from_values(TRUTH, IDS, classes=[0, 1], gold=TRUTH, ids=IDS)
RANDOM = of_data(DATA)


def labels(right: int, ids: tuple[str, ...] = IDS) -> Labels:
    """Right on the first `right` rows."""
    truth = [TRUTH[int(id[1:])] for id in ids]
    return Labels.from_rows(ids, [np.eye(2)[t if i < right else 1 - t] for i, t in enumerate(truth)])


def test_accuracies_and_paired_differences() -> None:
    model, weak, majority = compare_labellers(DATA, RANDOM, {MODEL: labels(36), "weak": labels(30)})
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
    _, weak, _ = compare_labellers(DATA, RANDOM, {MODEL: labels(36), "weak": some})
    assert weak.answered == pytest.approx(0.625)
    assert weak.accuracy is not None
    assert weak.accuracy.mean == pytest.approx(0.8)
    assert weak.versus is not None
    assert weak.versus.mean == pytest.approx(-0.2)  # the model is right on all of these


def test_what_is_better_is_reported_first() -> None:
    rows = compare_labellers(DATA, RANDOM, {MODEL: labels(20), "the audited rows alone": labels(38)})
    first, *_, last = verdict(rows, N)
    assert first.startswith("the audited rows alone: 95.0 %, better than this model (+45.0 points, ")
    assert first.endswith("use that")
    assert last.startswith("this model is right on 50.0 % of such rows (")


def test_what_is_as_good_is_reported_before_the_model_too() -> None:
    rows = compare_labellers(DATA, RANDOM, {MODEL: labels(36), "the weak labels": labels(36)})
    assert verdict(rows, N)[0].startswith("the weak labels: 90.0 %, no worse than this model (0.0 points")
    assert verdict(rows, N)[0].endswith("it has shown no gain")


def test_a_clear_gain_has_one_sentence() -> None:
    (only,) = verdict(compare_labellers(DATA, RANDOM, {MODEL: labels(39), "the weak labels": labels(25)}), N)
    assert only.startswith("this model is right on 97.5 %")


def test_too_few_audits_and_none_state_no_accuracy() -> None:
    few = IDS[: FEWEST - 1]
    rows = compare_labellers(DATA, RANDOM, {MODEL: labels(10, few)})
    assert all(row.accuracy is None for row in rows)
    assert verdict(rows, len(few)) == ("the accuracy of this model is not stated: 19 audited rows are fewer than 20",)
    (line,) = verdict((), 0)
    assert line.startswith("the accuracy of this model is not known, because no row is audited: answer some rows")


def test_a_gain_that_is_not_sure_is_no_gain() -> None:
    """Two rows of forty differ, so zero is in the interval."""
    rows = compare_labellers(DATA, RANDOM, {MODEL: labels(36), "weak": labels(34)})
    assert verdict(rows, N)[1] == ("better in these rows, but not surely, than weak: more random audits would tell")


def test_ties_are_counted() -> None:
    found = Labels.from_rows(IDS[:4], [[0.5, 0.5], [1.0, 0.0], [0.4, 0.4, 0.2], [0.2, 0.8]])
    assert ties(found, "labels") == (
        "2 of 4 labels are ties: there the first of the tied classes is taken for the label",
    )
    assert ties(found.take(np.array([1, 3])), "labels") == ()


def test_rows_that_were_not_drawn_at_random_do_not_count_for_others() -> None:
    """Of 400 rows 20 are audited because they are hard, and 20 at random: the model is wrong on the hard ones alone."""
    ids = tuple(f"e{i}" for i in range(400))
    truth = [i % 2 for i in range(400)]
    data = PracticeData.from_values(truth, ids, gold=[*truth[:40], *[None] * 360], ids=ids)
    hard = Audits(places=np.arange(40), why=(*["informative"] * 20, *["random"] * 20))  # type: ignore[arg-type]
    answers = Labels.from_rows(ids[:40], [np.eye(2)[t if i >= 20 else 1 - t] for i, t in enumerate(truth[:40])])
    weighed, plain = (compare_labellers(data, audits, {MODEL: answers})[0].accuracy for audits in (hard, of_data(data)))
    assert weighed is not None
    assert plain is not None
    assert plain.mean == pytest.approx(0.5)
    assert weighed.mean == pytest.approx(380 / 400)
