"""Error structure: with a student that copies some errors and outgrows others, and where structure does not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made import comparison, erring
from slots import BASE, SMALL

from outgrow.analyses.base import Comparison
from outgrow.analyses.error_structure import ErrorStructure
from outgrow.errors.slice import Slice
from outgrow.experiment.grid import cells
from outgrow.measures.crossed import Interval
from outgrow.supervisors.simulated import Simulated
from outgrow.types import UserError

DRAWS = 100


def draw(rng: np.random.Generator, copies: dict[str, float], *, n: int = 400, seeds: int = 3,
         method: str = "naive") -> list[Comparison]:  # fmt: skip
    """A comparison for each structure: supervisors right on 70 %, students that repeat the share `copies` of their
    errors, and a ceiling that is right on 95 %."""
    truth = rng.integers(0, 4, n)
    ceiling = erring(truth, rng.random((seeds, n)) < 0.05, rng)
    found = []
    for errors, share in copies.items():
        floor = erring(truth, rng.random((seeds, n)) < 0.3, rng)
        student = np.where(rng.random((seeds, n)) < share, floor, ceiling)
        roles = {"floor": floor, "student": student, "ceiling": ceiling}
        facts = {"errors": errors, "accuracy": 0.7}
        found.append(comparison(roles, truth, weak=f"simulated/{errors}-0.7", method=method, facts=facts))
    return found


def test_by_hand() -> None:
    """Forty examples: the supervisor has 20 right, the ceiling all, the student 30 (uniform) and 20 (linear)."""
    truth = np.zeros(40, dtype=int)

    def right(count: int) -> np.ndarray:
        return np.where(np.arange(40) < count, 0, 1)[None].repeat(2, axis=0)

    some = [
        comparison({"floor": right(20), "student": right(student), "ceiling": right(40)}, truth,
                   facts={"errors": errors, "accuracy": 0.5})
        for errors, student in (("uniform", 30), ("linear", 20))
    ]  # fmt: skip
    finding = ErrorStructure().finding(some)
    means = [[each.mean if isinstance(each, Interval) else each for each in row] for row in finding.table.rows]
    assert means[0] == ["uniform", "made", "large", "naive", 0.5, 0.75, 1.0, pytest.approx(0.5), 0.5, None]
    assert means[1] == ["linear", "made", "large", "naive", 0.5, 0.5, 1.0, pytest.approx(0), 1.0, -0.25]


def test_errors_that_are_repeated_make_a_worse_student() -> None:
    finding = ErrorStructure().finding(draw(np.random.default_rng(0), {"uniform": 0.2, "linear": 0.9, "slice": 0.2}))
    linear, slices = finding.sentence.split(". ")
    assert linear.startswith(
        "With linear errors instead of uniform ones, at equal accuracy: surely a worse student, by 1"
    )
    assert slices.startswith("With slice errors instead of uniform ones, at equal accuracy: no evidence")
    figure = finding.figure
    assert figure is not None
    (panel,) = figure.panels
    assert [name for _, name in panel.x.ticks] == ["uniform", "linear", "slice"]
    assert [mark.x for mark in panel.series[0].marks] == [0, 1, 2]


def test_where_structure_does_not_matter_it_says_nothing_in_95_of_100_draws() -> None:
    rng, copies = np.random.default_rng(1), {"uniform": 0.5, "linear": 0.5, "slice": 0.5}
    certain = ["surely" in ErrorStructure().finding(draw(rng, copies, n=200)).sentence for _ in range(DRAWS)]
    assert np.mean(certain) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert "would have been seen" in ErrorStructure().finding(draw(rng, copies)).sentence


def test_methods_are_compared_each_with_its_own_reference() -> None:
    rng = np.random.default_rng(2)
    some = [
        *draw(rng, {"uniform": 0.2, "linear": 0.9}),
        *draw(rng, {"uniform": 0.2, "linear": 0.2}, method="confidence"),
    ]
    finding = ErrorStructure().finding(some)
    assert "in 1 of 2 comparisons surely a worse student" in finding.sentence
    assert finding.figure is not None
    assert [series.name for series in finding.figure.panels[0].series] == ["naive", "confidence"]
    # The student of confidence copies fewer of the linear errors: better than that of naive with the same labels.
    assert (
        "With confidence instead of naive, with the same labels: in 1 of 2 comparisons surely a better"
        in finding.sentence
    )
    against = [row[-1] for row in finding.table.rows]
    assert against[:2] == [None, None]
    assert isinstance(against[3], Interval)
    assert against[3].low > 0.05


def test_of_methods_that_are_equal_it_says_nothing_in_95_of_100_draws() -> None:
    rng, copies = np.random.default_rng(4), {"uniform": 0.5, "linear": 0.5}
    both = [[*draw(rng, copies, n=200), *draw(rng, copies, n=200, method="confidence")] for _ in range(DRAWS)]
    certain = ["surely" in ErrorStructure().finding(each).sentence for each in both]
    assert np.mean(certain) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)


def test_one_structure_is_not_compared() -> None:
    finding = ErrorStructure().finding(draw(np.random.default_rng(3), {"uniform": 0.5}))
    assert finding.sentence == "Only one structure of errors is computed yet, so there is nothing to compare."
    assert len(finding.table.rows) == 1


def test_two_simulated_supervisors_of_equal_accuracy_are_needed() -> None:
    odd = Simulated(accuracy=0.7, errors=Slice(facet="parity", value="odd"))
    for weak in ((SMALL,), (Simulated(accuracy=0.7),), (Simulated(accuracy=0.6), odd)):
        with pytest.raises(UserError, match=r"needs two simulated supervisors of equal accuracy .*: set\s+weak = \["):
            cells(replace(BASE, weak=weak, analyses=(ErrorStructure(),)))
    found = cells(replace(BASE, weak=(Simulated(accuracy=0.7), odd, SMALL), analyses=(ErrorStructure(),)))
    assert [bool(cell.evidence["error-structure"]) for cell in found] == [True, True, False]  # of simulated ones alone
