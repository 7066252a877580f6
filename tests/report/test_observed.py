"""What a number alone hides: which shares, answers and references are said, and which are not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from outgrow.metrics.accuracy import Accuracy
from outgrow.metrics.base import Metric
from outgrow.metrics.log_loss import LogLoss
from outgrow.report.observed import observed, share
from outgrow.report.row import Estimate


def row(
    answers: list[int],
    truth: list[int],
    shares: tuple[float, ...] = (0.5, 0.5),
    metric: Metric | None = None,
    split: str = "test",
) -> Any:
    """A row of one seed with these answers of the student, right classes, and class shares of weak_train."""
    cell = SimpleNamespace(student="student", majority="majority", test=SimpleNamespace(split=split))
    stored = SimpleNamespace(
        hard=lambda score: np.array(answers),
        details=lambda score: (np.tile(np.array(shares), (len(truth), 1)), np.array(truth)),
        classes=lambda examples: ("no", "yes"),
    )
    return SimpleNamespace(cells=[cell], complete=[cell], stored=stored, metric=metric or Accuracy())


def notes_of(found: Any, **estimates: Estimate) -> list[str]:
    return [caveat.text for caveat in observed(found, estimates)]


EVEN = [0, 1] * 50


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.5, "50 %"), (0.0003, "0.03 %"), (0.9997, "99.97 %"), (0.12345, "12 %"),
     (0.004, "0.4 %"), (0.9999999, "more than 99.9999 %"), (1e-9, "less than 0.0001 %")],
)  # fmt: skip
def test_a_share_that_is_not_all_or_nothing_does_not_look_like_it(value: float, text: str) -> None:
    assert share(value) == text


def test_scores_of_another_split_than_test_are_no_result() -> None:
    assert notes_of(row(EVEN, EVEN, split="validation")) == [
        "scored on validation: for choosing a set-up, not a result"
    ]
    assert notes_of(row(EVEN, EVEN)) == []


def test_a_student_with_one_answer_is_reported_beside_the_share_of_that_class() -> None:
    assert notes_of(row([1] * 100, EVEN)) == [
        "the student gives the class 'yes' to 100 % of the test examples, and 50 % of these are of it"
    ]
    assert notes_of(row([1] * 96 + [0] * 4, EVEN))[0].startswith("the student gives the class 'yes' to 96 %")
    assert notes_of(row([1] * 94 + [0] * 6, EVEN)) == []


def test_a_rare_class_of_test_and_of_weak_train_is_reported_by_its_share() -> None:
    """3 of 10,000 are 0.03 %; a student that never gives this class is right on the other 99.97 %."""
    truth = [1] * 3 + [0] * 9997
    rare, one_answer = notes_of(row([0] * 10_000, truth))
    assert rare.startswith("0.03 % of the test examples are of the class 'yes': accuracy hardly depends on it")
    assert one_answer.endswith("to 100 % of the test examples, and 99.97 % of these are of it")
    (shares,) = notes_of(row(EVEN, EVEN, (0.98, 0.02)))
    assert shares.startswith("2 % of weak_train are of the class 'yes'")
    assert notes_of(row(EVEN, EVEN, (0.98, 0.02), metric=LogLoss())) == []
    assert notes_of(row(EVEN, [0] * 5 + [1] * 95)) == []  # 5 % is not below 5 %


def test_classes_that_are_many_are_not_rare_for_that() -> None:
    """Each of 50 classes is 2 %; one with less than half of that is rare."""
    every = list(range(50)) * 4
    even = tuple([0.02] * 50)
    assert notes_of(row(every, every, even)) == []
    assert len(notes_of(row(every, every, (0.009, 0.031, *[0.02] * 48)))) == 1


def test_a_supervisor_at_chance_is_reported_in_the_direction_of_the_metric() -> None:
    at, above = Estimate(value=0.52, low=0.49, high=0.55), Estimate(value=0.6, low=0.56, high=0.64)
    level = Estimate(value=0.5)
    text = "the supervisor is not clearly better than the majority class"
    assert notes_of(row(EVEN, EVEN), floor=at, majority=level) == [text]
    assert notes_of(row(EVEN, EVEN), floor=above, majority=level) == []
    assert notes_of(row(EVEN, EVEN, metric=LogLoss()), floor=above, majority=level) == [text]
    assert notes_of(row(EVEN, EVEN), floor=at, chance=level) == [text.replace("the majority class", "a random choice")]


@pytest.mark.parametrize(("name", "ties"), [("zero_shot", True), ("direct", True), ("frozen_probe", False)])
def test_a_reference_that_is_as_good_as_the_student_is_reported(name: str, ties: bool) -> None:
    student = Estimate(value=0.7)
    for value, metric, expected in (
        (0.8, Accuracy(), 1),
        (0.6, Accuracy(), 0),
        (0.7, Accuracy(), int(ties)),
        (0.8, LogLoss(), 0),
        (0.6, LogLoss(), 1),
    ):
        found = notes_of(row(EVEN, EVEN, metric=metric), student=student, **{name: Estimate(value=value)})
        assert len(found) == expected, (value, metric)


def test_a_supervisor_that_abstains_is_reported() -> None:
    (text,) = notes_of(row(EVEN, EVEN), coverage=Estimate(value=0.8))
    assert text.startswith("the supervisor abstains on some test examples: floor, PGR, gap and agreement are on those")
