"""Error structure: which errors of a supervisor does a student repeat, and which does it outgrow?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from outgrow.analyses.base import Analysis, Comparison, Facts, roles_of
from outgrow.experiment.cell import Cell
from outgrow.finding import Axis, Colour, Column, Figure, Finding, Mark, Panel, Series, Table, Value, in_words
from outgrow.graph import Step
from outgrow.measures.accuracy import accuracy, share
from outgrow.measures.crossed import Interval, mean_interval
from outgrow.measures.effects import Effect, effects
from outgrow.measures.pgr import recovered
from outgrow.supervisors.simulated import Simulated
from outgrow.types import Doubles, UserError

COLOURS: tuple[Colour, ...] = ("student", "second", "third", "fourth")
PANELS = 4


@dataclass(frozen=True, kw_only=True)
class ErrorStructure(Analysis):
    """The gap recovered by the structure of a simulated supervisor's errors, at equal accuracy (Burns et al. 2023, the
    appendix on simulation difficulty).

    The first structure of each accuracy that `weak` lists is the reference: the sentence compares the students of the
    others with its student, on the same seeds and examples.
    """

    question: ClassVar[str] = "Which errors do students repeat, and which do they outgrow?"

    def check(self, cells: Sequence[Cell]) -> None:
        """Raises UserError without two simulated supervisors of equal accuracy."""
        accuracies = [weak.accuracy for cell in cells if isinstance(weak := cell.weak, Simulated)]
        names = {(weak.accuracy, weak.name) for cell in cells if isinstance(weak := cell.weak, Simulated)}
        if not any(sum(own == accuracy for own, _ in names) > 1 for accuracy in accuracies):
            raise UserError(
                "analysis error-structure needs two simulated supervisors of equal accuracy and different errors: set "
                'weak = [{ name = "simulated", accuracy = 0.7 }, { name = "simulated", accuracy = 0.7, errors = ... }]'
            )

    def facts(self, cell: Cell) -> Facts:
        weak = cell.weak
        return {"errors": weak.errors.name, "accuracy": weak.accuracy} if isinstance(weak, Simulated) else {}

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        return roles_of(cell, "floor", "student", "ceiling") if isinstance(cell.weak, Simulated) else {}

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        lines = _lines(comparisons)
        return Finding(sentence=_sentence(lines), table=_table(lines), figure=_figure(lines))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Line:
    """The comparisons that differ in the structure of errors alone, the reference first."""

    task: str
    strong: str
    method: str
    accuracy: float
    members: tuple[Comparison, ...]

    def difference(self, member: Comparison) -> Doubles:
        """Student minus the student of the reference, of each seed and example, [S, N]."""
        return member.answers("student").correct - self.members[0].answers("student").correct


def _lines(comparisons: Sequence[Comparison]) -> list[_Line]:
    found: dict[tuple[Any, ...], list[Comparison]] = {}
    for each in comparisons:
        found.setdefault((each.task, each.strong, each.method, each.facts["accuracy"], each.seeds), []).append(each)
    return [
        _Line(task=task, strong=strong, method=method, accuracy=float(accuracy), members=tuple(members))
        for (task, strong, method, accuracy, _), members in found.items()
    ]


def _sentence(lines: Sequence[_Line]) -> str:
    """For each structure a clause against the reference; all tests together are corrected for their number."""
    tested = [(line, member) for line in lines for member in line.members[1:]]
    if not tested:
        return "Only one structure of errors is computed yet, so there is nothing to compare."
    groups = [member.answers("student").groups for _, member in tested]
    found = effects([line.difference(member) for line, member in tested], groups)
    by_pair: dict[tuple[str, str], list[Effect]] = {}
    for (line, member), effect in zip(tested, found, strict=True):
        by_pair.setdefault((_errors(line.members[0]), _errors(member)), []).append(effect)
    clauses = []
    for (reference, errors), own in by_pair.items():
        doubt = "that the student is better or worse"
        clause = in_words(own, more="a better student", less="a worse student", doubt=doubt)
        clauses.append(f"With {errors} errors instead of {reference} ones, at equal accuracy: {clause}.")
    return " ".join(clauses)


def _errors(member: Comparison) -> str:
    return str(member.facts["errors"])


def _recovery(member: Comparison) -> Interval | None:
    floor, student, ceiling = (member.answers(role) for role in ("floor", "student", "ceiling"))
    found = recovered(floor.correct, student.correct, ceiling.correct, floor.groups)
    if found.pgr is None or found.low is None or found.high is None:
        return None
    return Interval(mean=found.pgr, low=found.low, high=found.high, seed_noise=found.seed_noise)


def _table(lines: Sequence[_Line]) -> Table:
    columns = (
        *(Column(head=head) for head in ("errors", "task", "student model", "method")),
        *(Column(head=head, unit="%") for head in ("supervisor", "student", "ceiling", "PGR", "repeats its errors")),
        Column(head="student against the first", unit="points"),
    )
    rows: list[tuple[Value, ...]] = []
    for line in lines:
        for member in line.members:
            floor, student, ceiling = (member.answers(role) for role in ("floor", "student", "ceiling"))
            same = (student.chosen == floor.chosen).astype(np.float64)
            rows.append((
                _errors(member), line.task, line.strong, line.method,
                *(accuracy(each.correct, each.groups) for each in (floor, student, ceiling)),
                _recovery(member),
                share(same, floor.wrong, floor.groups) if floor.wrong.any() else None,
                None if member is line.members[0] else mean_interval(line.difference(member), student.groups),
            ))  # fmt: skip
    return Table(columns=columns, rows=tuple(rows))


def _figure(lines: Sequence[_Line]) -> Figure:
    """A panel for each task, student and accuracy, a series for each method."""
    keys = list(dict.fromkeys((line.task, line.strong, line.accuracy) for line in lines))[:PANELS]
    panels = []
    for key in keys:
        own = [line for line in lines if (line.task, line.strong, line.accuracy) == key]
        names = list(dict.fromkeys(_errors(member) for line in own for member in line.members))
        panels.append(
            Panel(
                title=f"{key[0]}, {key[1]}, supervisors right on {100 * key[2]:g} %",
                x=Axis(label="errors of the supervisor", ticks=tuple((float(i), name) for i, name in enumerate(names))),
                y=Axis(label="gap recovered", percent=True),
                level=("supervisor", 0.0),
                series=tuple(
                    Series(
                        name=line.method,
                        colour=COLOURS[i % len(COLOURS)],
                        joined=False,
                        marks=tuple(
                            Mark.at(float(names.index(_errors(member))), found)
                            for member in line.members
                            if (found := _recovery(member)) is not None
                        ),
                    )
                    for i, line in enumerate(own)
                ),
            )
        )
    return Figure(
        title="Gap recovered by the structure of errors",
        panels=tuple(panels),
        caption="The share of the gap that students recover from simulated supervisors of equal accuracy, by which "
        "examples these get wrong, with 95 % intervals. Zero is the supervisor.",
    )
