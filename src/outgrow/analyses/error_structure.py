"""Error structure: which errors of a supervisor does a student repeat, and which does it outgrow?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from outgrow.analyses.base import Analysis, Comparison, Facts, roles_of
from outgrow.experiment.cell import Cell
from outgrow.finding import Axis, Colour, Column, Figure, Finding, Mark, Panel, Series, Table, Value, in_words, some_of
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
    others with its student, on the same seeds and examples. So is the first method: the sentence compares the students
    of the others with its student of the same supervisor.
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


def _lines(comparisons: Sequence[Comparison]) -> list[_Line]:
    found: dict[tuple[Any, ...], list[Comparison]] = {}
    for each in comparisons:
        found.setdefault((each.task, each.strong, each.method, each.facts["accuracy"], each.seeds), []).append(each)
    return [
        _Line(task=task, strong=strong, method=method, accuracy=float(accuracy), members=tuple(members))
        for (task, strong, method, accuracy, _), members in found.items()
    ]


def _across(lines: Sequence[_Line]) -> list[tuple[Comparison, Comparison]]:
    """Each comparison of a later method with that of the first method and the same supervisor."""
    first: dict[tuple[Any, ...], Comparison] = {}
    found = []
    for line in lines:
        for member in line.members:
            key = (line.task, line.strong, line.accuracy, _errors(member), member.seeds)
            reference = first.setdefault(key, member)
            if reference is not member:
                found.append((reference, member))
    return found


def _difference(reference: Comparison, member: Comparison) -> Doubles:
    """The student of a comparison minus that of another, of each seed and example, [S, N]."""
    return member.answers("student").correct - reference.answers("student").correct


def _sentence(lines: Sequence[_Line]) -> str:
    """For each structure a clause against the reference, and one for each method; all tests together are corrected for
    their number."""
    structures = [(line.members[0], member) for line in lines for member in line.members[1:]]
    methods = _across(lines)
    if not structures:
        return "Only one structure of errors is computed yet, so there is nothing to compare."
    pairs = [*structures, *methods]
    groups = [member.answers("student").groups for _, member in pairs]
    found = effects([_difference(*pair) for pair in pairs], groups)
    words: dict[str, list[Effect]] = {}
    for (reference, member), effect in zip(structures, found, strict=False):
        errors = f"{_errors(member)} errors instead of {_errors(reference)} ones, at equal accuracy"
        words.setdefault(errors, []).append(effect)
    for (reference, member), effect in zip(methods, found[len(structures) :], strict=True):
        words.setdefault(f"{member.method} instead of {reference.method}, with the same labels", []).append(effect)
    doubt = "that the student is better or worse"
    clauses = (
        f"With {what}: {in_words(own, more='a better student', less='a worse student', doubt=doubt)}."
        for what, own in words.items()
    )
    return " ".join(clauses)


def _errors(member: Comparison) -> str:
    return str(member.facts["errors"])


def _recovery(member: Comparison) -> Interval | None:
    floor, student, ceiling = (member.answers(role) for role in ("floor", "student", "ceiling"))
    found = recovered(floor.correct, student.correct, ceiling.correct, floor.groups)
    if found.pgr is None or found.low is None or found.high is None:
        return None
    return Interval(mean=found.pgr, low=found.low, high=found.high, seed_noise=found.seed_noise)


def _gain(reference: Comparison | None, member: Comparison) -> Interval | None:
    """How much better the student is than that of a reference; None of the reference itself, and without one."""
    if reference is None or reference is member:
        return None
    return mean_interval(_difference(reference, member), member.answers("student").groups)


def _table(lines: Sequence[_Line]) -> Table:
    references = {id(member): reference for reference, member in _across(lines)}
    columns = (
        *(Column(head=head) for head in ("errors", "task", "student model", "method")),
        *(Column(head=head, unit="%") for head in ("supervisor", "student", "ceiling", "PGR", "repeats its errors")),
        Column(head="student against the first", unit="points"),
        *((Column(head="against the first method", unit="points"),) if references else ()),
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
                _gain(line.members[0], member),
                *((_gain(references.get(id(member)), member),) if references else ()),
            ))  # fmt: skip
    return Table(columns=columns, rows=tuple(rows))


def _figure(lines: Sequence[_Line]) -> Figure:
    """A panel for each task, student and accuracy, a series for each method."""
    every = list(dict.fromkeys((line.task, line.strong, line.accuracy) for line in lines))
    panels = []
    for key in every[:PANELS]:
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
        "examples these get wrong, with 95 % intervals. Zero is the supervisor." + some_of(PANELS, len(every)),
    )
