"""Difficulty: students that outgrow their supervisors above, below, or nowhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import FakeTask
from made import comparison, erring
from slots import BASE

from outgrow.analyses.base import Comparison
from outgrow.analyses.difficulty import Difficulty
from outgrow.experiment.facets import FacetNumbers, Numbers
from outgrow.experiment.grid import cells
from outgrow.finding import Finding
from outgrow.measures.crossed import Interval
from outgrow.types import Doubles, UserError

DRAWS = 80


def draw(
    rng: np.random.Generator, student: Doubles | None = None, *, n: int = 900, seeds: int = 3, facet: str = "rating"
) -> Comparison:
    """Examples of difficulty 0 to 1, of which the supervisor knows half at 0.5 and the ceiling half at 0.9. student:
    how much more than its supervisor the student knows in each band, [3]."""
    hard, truth = rng.random(n), rng.integers(0, 4, n)

    def known(place: float) -> Doubles:
        return np.asarray(1 / (1 + np.exp(12 * (hard - place))))

    supervisor = known(0.5)
    band = np.where(supervisor >= 2 / 3, 0, np.where(supervisor < 1 / 3, 2, 1))
    knows = {"floor": supervisor, "student": supervisor + (np.zeros(3) if student is None else student)[band],
             "ceiling": known(0.9)}  # fmt: skip
    roles = {role: erring(truth, rng.random((seeds, n)) >= rate, rng) for role, rate in knows.items()}
    sign = -1 if facet == "margin" else 1
    numbers = Numbers(ids=tuple(f"e{i}" for i in range(n)), values=sign * (1000 + 1500 * hard))
    return comparison(roles, truth, choices=1000, extra={f"facet/{facet}": (numbers,) * seeds})


def rows(finding: Finding) -> dict[str, tuple[object, ...]]:
    return {str(row[1]): row for row in finding.table.rows}


@pytest.mark.parametrize("facet", ["rating", "margin"])
def test_a_student_that_outgrows_its_supervisor_above_its_level(facet: str) -> None:
    """Wherever larger numbers are easier, the order is turned round."""
    finding = Difficulty().finding([draw(np.random.default_rng(0), np.array([0, 0, 0.3]), facet=facet)])
    first, *others = finding.sentence.split(". ")
    assert first.startswith("Above its supervisor's level the student: surely better than its supervisor, by ")
    assert all("surely" not in other for other in others)
    gain = rows(finding)["above its level"][6]
    assert isinstance(gain, Interval)
    assert gain.low < 0.3 < gain.high
    assert isinstance(rows(finding)["above its level"][7], Interval)
    figure = finding.figure
    assert figure is not None
    assert figure.panels[0].at is not None
    assert figure.panels[0].at[1] == pytest.approx(2, abs=0.2)  # the middle of the third of five


def test_the_gain_by_hand() -> None:
    """Sixty examples; the supervisor knows the easiest twenty, the student ten more, and the ceiling all. By the others
    the last of the twenty is half known, so it is at its level, and forty are above, of which the student knows 10."""
    right = {"floor": np.arange(60) < 20, "student": np.arange(60) < 30, "ceiling": np.arange(60) < 60}
    roles = {role: np.where(each, 0, 1)[None].repeat(2, axis=0) for role, each in right.items()}
    numbers = Numbers(ids=tuple(f"e{i}" for i in range(60)), values=np.arange(60.0))
    one = comparison(roles, np.zeros(60, dtype=int), choices=1000, extra={"facet/difficulty": (numbers, numbers)})
    (_, _, below, *_), (_, _, at, *_), (_, _, above, supervisor, student, ceiling, gain, pgr) = (
        Difficulty().finding([one]).table.rows
    )
    assert (below, at, above) == (19, 1, 40)
    for value, expected in ((supervisor, 0), (student, 0.25), (ceiling, 1), (gain, 0.25), (pgr, 0.25)):
        assert isinstance(value, Interval)
        assert value.mean == pytest.approx(expected)


def test_of_a_student_without_a_gain_it_says_nothing_in_95_of_100_draws() -> None:
    rng = np.random.default_rng(1)
    certain = ["surely" in Difficulty().finding([draw(rng, n=400)]).sentence for _ in range(DRAWS)]
    assert np.mean(certain) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert "would have been seen" in Difficulty().finding([draw(rng)]).sentence


def test_a_supervisor_that_is_no_worse_on_hard_examples_has_no_level() -> None:
    rng = np.random.default_rng(2)
    one = draw(rng)
    (numbers, *_) = one.found["facet/rating"]
    turned = replace(one, found={**one.found, "facet/rating": (replace(numbers, values=-numbers.values),) * 3})
    finding = Difficulty().finding([turned])
    assert finding.sentence.startswith("No supervisor is worse on harder examples")
    assert finding.notes == ("small → large: its supervisor is no worse on harder examples, so it has no level",)
    assert finding.figure is None


def test_where_few_examples_have_a_number_there_is_a_note() -> None:
    one = draw(np.random.default_rng(4))
    few = Numbers(ids=tuple(f"e{i}" for i in range(19)), values=np.arange(19.0))
    finding = Difficulty().finding([replace(one, found={**one.found, "facet/rating": (few,) * 3})])
    assert finding.notes == ("small → large: fewer than 20 groups of test examples have a number and an answer",)
    assert finding.table.rows == ()


def test_a_task_without_a_difficulty_is_refused_with_what_to_say() -> None:
    refused = (
        r"needs test examples with a rating or difficulty or margin \(fakes has number, parity\): leave it out, or"
    )
    with pytest.raises(UserError, match=refused):
        cells(replace(BASE, analyses=(Difficulty(),)))
    (cell,) = cells(replace(BASE, analyses=(Difficulty(facet="number"),)))
    step = cell.evidence["difficulty"]["facet/number"]
    assert isinstance(step, FacetNumbers)
    assert step.facet == "number"


def test_numbers_keep_through_the_store_and_are_of_ids(tmp_path) -> None:  # type: ignore[no-untyped-def]
    numbers = Numbers(ids=("a", "b"), values=np.array([1.5, -2.0]))
    numbers.save(tmp_path)
    assert Numbers.load(tmp_path).of(("b", "c", "a")).tolist() == pytest.approx([-2.0, float("nan"), 1.5], nan_ok=True)
    assert FakeTask().name == "fakes"
