"""Easy to hard: does a student that learned from easy examples alone answer hard ones?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from outgrow.analyses.base import Analysis, Comparison, comparison_names, scored, scores_table
from outgrow.analyses.difficulty import HARDER, facet_of, refuse_without_facet
from outgrow.experiment.cell import Cell
from outgrow.experiment.facets import FacetNumbers
from outgrow.experiment.halves import HALVES, half_of, on_half
from outgrow.experiment.students import ceiling
from outgrow.finding import Axis, Colour, Column, Figure, Finding, Mark, Panel, Series, Table, Value, in_words, some_of
from outgrow.graph import Step
from outgrow.measures.accuracy import share
from outgrow.measures.crossed import Interval
from outgrow.measures.effects import Effect, effects
from outgrow.measures.pgr import MIN_GROUPS
from outgrow.types import Doubles, Scores

LABELS: dict[str, Colour] = {"weak": "student", "truth": "ceiling"}
NAMED = {"weak": "weak labels", "truth": "ground truth"}
# What the sentence compares on the hard half of the tests, the first minus the second.
ASKED = {
    "With ground truth of the easy half instead of as much of all kinds": ("truth/easy", "truth/mixed"),
    "With weak labels of the easy half instead of as many of all kinds": ("weak/easy", "weak/mixed"),
    "With ground truth of the easy half instead of as many weak labels of all kinds": ("truth/easy", "weak/mixed"),
}
PANELS = 3


@dataclass(frozen=True, kw_only=True)
class EasyToHard(Analysis):
    """Students of the easy half of transfer, on the hard half of the tests (Sun et al. 2024, Hase et al. 2024).

    The student model learns weak labels, and ground truth, of the easy half, of the hard half, and of a half of all
    kinds, which is as large; the validation slice is halved likewise. facet: the number that says how hard an example
    is, as of `difficulty`.
    """

    question: ClassVar[str] = "Does a student that learned from easy examples alone answer hard ones?"

    facet: str = ""

    def check(self, cells: Sequence[Cell]) -> None:
        """Raises UserError where no task has examples with such a number."""
        refuse_without_facet("easy-to-hard", self.facet, [cell.task for cell in cells])

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        if cell.method.oracle or not (facet := facet_of(cell.task, self.facet)):
            return {}
        fits = {"weak": cell.student_fit, "truth": ceiling(cell.setup, cell.strong, cell.method)}
        halves = product(HALVES, fits.items())
        harder = HARDER.get(facet, 1)
        return {
            "floor": cell.floor,
            f"facet/{facet}": FacetNumbers(examples=cell.test, facet=facet),
            **{f"{labels}/{half}": scored(on_half(fit, half, facet, harder), cell) for half, (labels, fit) in halves},
        }

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        measured = [
            _Measured(name, each) for name, each in zip(comparison_names(comparisons), comparisons, strict=True)
        ]
        stated = [each for each in measured if each.groups >= MIN_GROUPS]
        few = f"fewer than {MIN_GROUPS} groups of test examples are in each half"
        return Finding(
            sentence=_sentence(stated),
            table=_table(stated),
            figure=_figure(stated) if stated else None,
            notes=tuple(f"{each.name}: {few}" for each in measured if each not in stated),
        )


class _Measured:
    """The scores of one comparison, [S, N] each, on the `easy` and the `hard` half of the tests."""

    def __init__(self, name: str, each: Comparison) -> None:
        first: Scores = each.found["floor"][0]
        self.name = name
        (facet,) = (key for key in each.found if key.startswith("facet/"))
        difficulty = HARDER.get(facet.removeprefix("facet/"), 1) * each.found[facet][0].of(first.ids)
        self.places: dict[str, npt.NDArray[Any]] = {
            half: half_of(difficulty, half) for half in HALVES if half != "mixed"
        }
        _, codes = np.unique(first.groups, return_inverse=True)
        self.group_of = {half: codes[places] for half, places in self.places.items()}
        self.groups = min(len(set(own.tolist())) for own in self.group_of.values())
        self.scores: dict[str, Doubles] = {}
        for key, scores in each.found.items():
            if key != facet:
                self.scores[key] = scores_table(scores, first.ids)

    def on(self, role: str, half: str = "hard") -> Doubles:
        """The scores of a role on a half of the tests, NaN where a supervisor abstains."""
        return self.scores[role][:, self.places[half]]

    def accuracy(self, role: str, half: str = "hard") -> Interval | None:
        """The accuracy of a role on what it answers of a half; None where it answers too little for an interval."""
        scores = self.on(role, half)
        answered = (~np.isnan(scores)).astype(np.float64)
        return share(np.nan_to_num(scores), answered, self.group_of[half])


def _sentence(measured: Sequence[_Measured]) -> str:
    """A clause for each thing that is asked; all tests together are corrected for their number."""
    if not measured:
        return "Too few test examples have a difficulty, so nothing can be said."
    tested = list(product(ASKED, measured))
    values = [each.on(ASKED[key][0]) - each.on(ASKED[key][1]) for key, each in tested]
    found: dict[str, list[Effect]] = {}
    for (key, _), effect in zip(tested, effects(values, [each.group_of["hard"] for _, each in tested]), strict=True):
        found.setdefault(key, []).append(effect)
    more, less, doubt = "better on the hard half", "worse on the hard half", "that it is better or worse there"
    clauses = [f"{key}: {in_words(own, more=more, less=less, doubt=doubt)}." for key, own in found.items()]
    return f"On the hard half of the tests. {' '.join(clauses)}"


def _table(measured: Sequence[_Measured]) -> Table:
    columns = (
        Column(head="comparison"),
        Column(head="learned from"),
        Column(head="right on the hard half", unit="%"),
        Column(head="right on the easy half", unit="%"),
    )
    roles = {"floor": "supervisor"} | {
        f"{labels}/{half}": f"{named}, {half} half" for labels, named in NAMED.items() for half in HALVES
    }

    def row(each: _Measured, role: str) -> tuple[Value, ...]:
        return (each.name, roles[role], *(each.accuracy(role, half) for half in ("hard", "easy")))

    return Table(columns=columns, rows=tuple(row(each, role) for each in measured for role in roles))


def _figure(measured: Sequence[_Measured]) -> Figure:
    panels = tuple(
        Panel(
            title=f"{each.name}, hard half of the tests",
            x=Axis(label="learned from", ticks=tuple((float(i), f"{half} half") for i, half in enumerate(HALVES))),
            y=Axis(label="accuracy", percent=True),
            level=("supervisor", floor.mean) if (floor := each.accuracy("floor")) else None,
            series=tuple(
                Series(
                    name=NAMED[labels],
                    colour=colour,
                    marks=tuple(
                        Mark.at(float(i), interval)
                        for i, half in enumerate(HALVES)
                        if (interval := each.accuracy(f"{labels}/{half}"))
                    ),
                )
                for labels, colour in LABELS.items()
            ),
        )
        for each in measured[:PANELS]
    )
    return Figure(
        title="From easy to hard",
        panels=panels,
        caption="Accuracy on the hard half of the tests of the same model that learned from the easy, a mixed or the "
        "hard half of transfer, weak labels or ground truth, with 95 % intervals." + some_of(PANELS, len(measured)),
    )
