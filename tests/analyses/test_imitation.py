"""Imitation: by hand, with a student that copies, with one that does not, and where there is nothing to find."""

from __future__ import annotations

import numpy as np
import pytest
from made import comparison, erring

from outgrow.analyses.base import Comparison
from outgrow.analyses.imitation import Imitation
from outgrow.finding import Finding
from outgrow.measures.crossed import Interval
from outgrow.types import UserError

DRAWS = 120


def value(finding: Finding, head: str, row: int = 0) -> float:
    at = next(i for i, column in enumerate(finding.table.columns) if column.head == head)
    found = finding.table.rows[row][at]
    assert isinstance(found, Interval)
    return found.mean


def test_by_hand() -> None:
    """Eight examples, four choices, the truth is always 0. Both supervisors are wrong four times, with answer 1.

    Student 0 repeats 3 of its supervisor's 4 errors and student 1 repeats 1 of 4: 4 / 8. Of the other's errors student
    0 gives 1 of 4 (e4), and student 1 gives none: 1 / 8. The ceiling gives 1 of the 8: e0 in seed 0.
    """
    supervisors = np.array([[1, 1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1]])
    students = np.array([[1, 1, 1, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1]])
    ceilings = np.array([[1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]])
    roles = {"floor": supervisors, "student": students, "ceiling": ceilings}
    finding = Imitation().finding([comparison(roles, np.zeros(8, dtype=int))])
    assert value(finding, "repeats its supervisor's error") == pytest.approx(4 / 8)
    assert value(finding, "repeats that of another seed's") == pytest.approx(1 / 8)
    assert value(finding, "ceiling repeats it") == pytest.approx(1 / 8)
    assert value(finding, "independent errors would") == pytest.approx(5 / 16 / 3)  # 5 of 16 wrong, 3 wrong choices
    assert value(finding, "imitation") == pytest.approx(3 / 8)
    assert value(finding, "agrees where it is right") == pytest.approx(7 / 8)  # e4 alone, in seed 0
    # Errors: student 5 / 16, supervisor 8 / 16, both 4 / 16.
    assert value(finding, "phi") == pytest.approx((4 / 16 - 5 / 32) / np.sqrt(5 / 16 * 11 / 16 / 4))
    assert value(finding, "kappa") == pytest.approx((11 / 16 - 1 / 2) / (1 - 1 / 2))  # alike on 11 of 16


def draw(rng: np.random.Generator, *, copies: float, seeds: int = 3, n: int = 600, strong: str = "large",
         weights: int | None = 1000) -> Comparison:  # fmt: skip
    """Examples of varying difficulty, on which supervisors and students err more often if they are hard. A student
    copies the share `copies` of its supervisor's answers."""
    truth = rng.integers(0, 4, n)
    hard = rng.beta(1, 1.5, n)
    roles = {role: erring(truth, rng.random((seeds, n)) < scale * hard, rng)
             for role, scale in (("floor", 1.0), ("student", 0.8), ("ceiling", 0.5))}  # fmt: skip
    roles["student"] = np.where(rng.random((seeds, n)) < copies, roles["floor"], roles["student"])
    return comparison(roles, truth, strong=strong, weights=weights, confidence=rng.uniform(0.3, 0.9, (seeds, n)))


def test_a_student_that_copies_its_supervisor() -> None:
    finding = Imitation().finding([draw(np.random.default_rng(0), copies=1.0)])
    assert value(finding, "repeats its supervisor's error") == pytest.approx(1)
    assert value(finding, "phi") == pytest.approx(1)
    assert "the student repeats it 100.0 % of the time" in finding.sentence
    assert "surely imitation, by " in finding.sentence


def test_hard_examples_are_no_imitation() -> None:
    """The student errs where its supervisor does, since both err on hard examples: phi is high, imitation is not."""
    finding = Imitation().finding([draw(np.random.default_rng(1), copies=0.0, n=4000)])
    assert value(finding, "phi") > 0.1
    assert abs(value(finding, "imitation")) < 0.02
    assert "no evidence of imitation; an effect of " in finding.sentence


@pytest.mark.parametrize("seeds", [2, 4])
def test_without_imitation_it_says_nothing_in_95_of_100_draws(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    sure = ["surely" in Imitation().finding([draw(rng, copies=0.0, seeds=seeds, n=300)]).sentence for _ in range(DRAWS)]
    assert np.mean(sure) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)


def test_larger_students_that_copy_less() -> None:
    rng = np.random.default_rng(3)
    sizes = {"small": (10**4, 0.9), "middle": (10**5, 0.6), "large": (10**6, 0.3)}
    some = [draw(rng, copies=share, strong=name, weights=weights) for name, (weights, share) in sizes.items()]
    sentence = Imitation().finding(some).sentence
    assert "For ten times as many weights of the student: surely fewer of its supervisor's errors, by 2" in sentence
    same = [draw(rng, copies=0.5, strong=name, weights=weights) for name, (weights, _) in sizes.items()]
    assert "no evidence that it repeats more or fewer" in Imitation().finding(same).sentence


def test_of_students_that_copy_alike_it_says_no_slope_in_95_of_100_draws() -> None:
    rng, sizes = np.random.default_rng(5), {"small": 10**4, "middle": 10**5, "large": 10**6}
    some = [
        [draw(rng, copies=0.5, n=300, strong=name, weights=size) for name, size in sizes.items()] for _ in range(60)
    ]
    slopes = [Imitation().finding(each).sentence.split("For ten times as many weights")[1] for each in some]
    assert np.mean(["surely" in each for each in slopes]) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 60)


def test_a_supervisor_that_is_the_same_for_every_seed_is_no_reference() -> None:
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 4, 200)
    supervisor = np.repeat(erring(truth, rng.random((1, 200)) < 0.4, rng), 3, axis=0)
    roles = {role: erring(truth, rng.random((3, 200)) < 0.3, rng) for role in ("student", "ceiling")}
    finding = Imitation().finding([comparison({"floor": supervisor, **roles}, truth)])
    assert finding.sentence.startswith("Imitation cannot be distinguished from hard examples")
    assert finding.notes == ("small → large: its supervisor answers alike with every seed, so there is no other to "
                             "compare with",)  # fmt: skip


def test_a_supervisor_without_errors_is_left_out() -> None:
    truth = np.zeros(50, dtype=int)
    perfect = np.zeros((2, 50), dtype=int)
    finding = Imitation().finding([comparison({"floor": perfect, "student": perfect, "ceiling": perfect}, truth)])
    assert finding.figure is None
    assert finding.notes == ("small → large: its supervisor makes no error on the test examples",)


def test_one_seed_is_refused() -> None:
    from slots import cell

    from outgrow.experiment.technique import Technique

    with pytest.raises(UserError, match=r"^analysis imitation needs two seeds or more, .* set seeds = \[0, 1\]$"):
        cell(Technique(), analyses=(Imitation(),))
