"""Imitation: does the student repeat its supervisor's errors, or are the same examples hard for both?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import log10
from typing import Any, ClassVar

import numpy as np

from outgrow.analyses.base import Analysis, Answers, Comparison, comparison_names, roles_of
from outgrow.experiment.cell import Cell
from outgrow.finding import Axis, Colour, Column, Figure, Finding, Mark, Panel, Series, Table, Value, in_words, some_of
from outgrow.graph import Step
from outgrow.measures.crossed import Interval, mean_interval
from outgrow.measures.delta import phi_values, slope_values
from outgrow.measures.effects import effects
from outgrow.measures.repeating import error_consistency, repeated, repeated_by_chance, repeated_of_others
from outgrow.numbers import percent
from outgrow.types import Doubles, UserError

THIRDS = ("low", "middle", "high")  # of the supervisor's confidence
REFERENCES = {
    "own": "repeats its supervisor's error",
    "other": "repeats that of another seed's",
    "ceiling": "ceiling repeats it",
    "independent": "independent errors would",
}
COLOURS: dict[str, Colour] = {"own": "student", "other": "second", "ceiling": "ceiling", "independent": "muted"}
LINES: tuple[Colour, ...] = ("student", "second", "third", "fourth")
DRAWN = 24  # comparisons in the figure


@dataclass(frozen=True, kw_only=True)
class Imitation(Analysis):
    """How often a student gives its supervisor's answer where that is wrong (Burns et al. 2023, section 5.1.3), beside
    three references.

    The first is the share that independent errors of the same rates would give: a student that is wrong independently
    and picks among the wrong choices at random. The second is the ceiling, the same model that never saw this
    supervisor. The third says what is imitation and what are hard examples: the supervisor of another seed, which is
    of the same kind and as good, was fitted to other ground truth, and labelled for another student. `imitation` is the
    difference to this one: the effect of having learned from its own supervisor.

    phi: the correlation of the errors. kappa: error consistency, agreement of right and wrong beyond that of
    independent errors (Geirhos, Meding & Wichmann 2020, section 2). Both for the student, and phi for the ceiling.
    """

    question: ClassVar[str] = "Do the students repeat the errors of their supervisors?"

    def check(self, cells: Sequence[Cell]) -> None:
        """Raises UserError for one seed, where there is no other supervisor to compare with."""
        if len({cell.seed for cell in cells}) < 2:
            raise UserError(
                "analysis imitation needs two seeds or more, since it compares a supervisor with that of another seed: "
                "set seeds = [0, 1]"
            )

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        return roles_of(cell, "floor", "student", "ceiling")

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        measured = [found for each in comparisons if (found := _measured(each)) is not None]
        names = comparison_names([found.comparison for found in measured])
        return Finding(
            sentence=_sentence([each for each in measured if "imitation" in each.values]) + _trend(measured),
            table=_table(names, measured),
            figure=_figure(names, measured) if measured else None,
            notes=_notes(comparisons, measured),
        )


def _sentence(measured: Sequence[_Measured]) -> str:
    if not measured:
        return (
            "Imitation cannot be distinguished from hard examples: no supervisor makes other errors with another seed."
        )
    tested = effects([each.values["imitation"] for each in measured], [each.groups for each in measured])
    if len(measured) > 1:
        clause = in_words(
            tested,
            more="repeating its own supervisor's errors more often than those of another seed's",
            less="repeating its own supervisor's errors less often than those of another seed's",
            doubt="of imitation",
        )
        return f"{clause[0].upper()}{clause[1:]}."
    own, other = (percent(float(measured[0].values[role].mean())) for role in ("own", "other"))
    clause = in_words(tested, more="imitation", less="avoided", doubt="of imitation")
    return (
        f"Where its supervisor is wrong, the student repeats it {own} % of the time; where the supervisor of another "
        f"seed is wrong, which it never saw, {other} %: {clause}."
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """Influence values [S, N] of one comparison, by name. by_third: of `imitation`, by the supervisor's confidence."""

    comparison: Comparison
    groups: Any
    values: Mapping[str, Doubles]
    by_third: tuple[Doubles | None, ...]

    def interval(self, name: str) -> Interval | None:
        if name not in self.values:
            return None
        found = mean_interval(self.values[name], self.groups)
        least = 0.0 if name in (*REFERENCES, "right") else -1.0
        return replace(found, low=max(found.low, least), high=min(found.high, 1.0))


def _measured(each: Comparison) -> _Measured | None:
    """None where a supervisor makes no error."""
    floor, student, ceiling = (each.answers(role) for role in ("floor", "student", "ceiling"))
    wrong, right = floor.wrong, floor.given - floor.wrong
    if not wrong.any(axis=1).all():
        return None
    chance = repeated_by_chance(student.wrong, wrong, student.choices)
    values = {"own": repeated(student.chosen, floor.chosen, wrong), "independent": chance}
    values["ceiling"] = repeated(ceiling.chosen, floor.chosen, wrong)
    if right.any():
        values["right"] = repeated(student.chosen, floor.chosen, right)
    if floor.given.all():
        with suppress(FloatingPointError):  # of a model that is always right, or always wrong
            values["phi"] = phi_values(student.wrong, wrong)
            values["kappa"] = error_consistency(student.wrong, wrong)
            values["phi of the ceiling"] = phi_values(ceiling.wrong, wrong)
    by_third: tuple[Doubles | None, ...] = (None,) * len(THIRDS)
    if (floor.chosen != floor.chosen[0]).any():  # else it is the same for every seed, and there is no other one
        values["other"] = repeated_of_others(student.chosen, floor.chosen, wrong)
        values["imitation"] = values["own"] - values["other"]
        by_third = tuple(_within(student, floor, third) for third in range(len(THIRDS)))
    return _Measured(comparison=each, groups=floor.groups, values=values, by_third=by_third)


def _within(student: Answers, floor: Answers, third: int) -> Doubles | None:
    """Imitation within a third of each supervisor's confidence; None where one of them has no error there."""
    cuts = np.nanquantile(floor.confidence, (1 / 3, 2 / 3), axis=1)[:, :, None]
    place = (floor.confidence > cuts[0]).astype(int) + (floor.confidence > cuts[1])
    wrong = floor.wrong * (place == third)
    if not wrong.any(axis=1).all():
        return None
    own = repeated(student.chosen, floor.chosen, wrong)
    return np.asarray(own - repeated_of_others(student.chosen, floor.chosen, wrong), dtype=np.float64)


def _trend(measured: Sequence[_Measured]) -> str:
    """How the share of repeated errors changes with the student's weights: inverse scaling, if there is any."""
    lines: dict[tuple[str, str, str, tuple[int, ...]], list[_Measured]] = {}
    for each in measured:
        if (of := each.comparison).weights:
            lines.setdefault((of.task, of.weak, of.method, of.seeds), []).append(each)
    slopes, groups = [], []
    for line in lines.values():
        x = [log10(each.comparison.weights or 1) for each in line]
        if len(set(x)) > 1:
            slopes.append(slope_values(x, [each.values["own"] for each in line]))
            groups.append(line[0].groups)
    if not slopes:
        return ""
    clause = in_words(
        effects(slopes, groups),
        more="more of its supervisor's errors",
        less="fewer of its supervisor's errors",
        doubt="that it repeats more or fewer of its supervisor's errors",
    )
    return f" For ten times as many weights of the student: {clause}."


def _table(names: Sequence[str], measured: Sequence[_Measured]) -> Table:
    rest = ("phi", "phi of the ceiling", "kappa")
    columns = (
        Column(head="comparison"),
        *(Column(head=head, unit="%") for head in REFERENCES.values()),
        Column(head="imitation", unit="points"),
        *(Column(head=f"imitation at {third} confidence", unit="points") for third in THIRDS),
        Column(head="agrees where it is right", unit="%"),
        *(Column(head=head) for head in rest),
    )

    def row(name: str, each: _Measured) -> tuple[Value, ...]:
        thirds = (None if table is None else mean_interval(table, each.groups) for table in each.by_third)
        first = map(each.interval, (*REFERENCES, "imitation"))
        return (name, *first, *thirds, *map(each.interval, ("right", *rest)))

    return Table(columns=columns, rows=tuple(row(name, each) for name, each in zip(names, measured, strict=True)))


def _figure(names: Sequence[str], measured: Sequence[_Measured]) -> Figure:
    series = tuple(
        Series(
            name=role if role != "other" else "another seed's",
            colour=COLOURS[role],
            joined=False,
            marks=tuple(
                Mark.at(i, interval)
                for i, each in enumerate(measured[:DRAWN])
                if (interval := each.interval(role)) is not None
            ),
        )
        for role in REFERENCES
    )
    ticks = tuple((float(i), name) for i, name in enumerate(names[:DRAWN]))
    compared = Panel(
        title="Supervisor's errors that are repeated",
        x=Axis(label="", ticks=ticks),
        y=Axis(label="share of its errors", percent=True),
        series=series,
    )
    by_third = Panel(
        title="Imitation by the supervisor's confidence",
        x=Axis(label="third of the supervisor's confidence", ticks=tuple(enumerate(THIRDS))),
        y=Axis(label="imitation", percent=True, unit="points"),
        level=("none", 0.0),
        series=tuple(
            Series(
                name=name,
                colour=LINES[i % len(LINES)],
                marks=tuple(
                    Mark.at(third, mean_interval(table, each.groups))
                    for third, table in enumerate(each.by_third)
                    if table is not None
                ),
            )
            for i, (name, each) in enumerate(zip(names, measured, strict=True))
            if "imitation" in each.values
        )[: len(LINES)],
    )
    known = sum("imitation" in each.values for each in measured)
    few = f", for the first {len(LINES)} comparisons" if known > len(LINES) else ""
    return Figure(
        title="How often students repeat the errors of supervisors",
        panels=(compared, by_third),
        caption="Of the test examples that a supervisor gets wrong, the share on which the same wrong answer is given "
        "by its student (own), by students of other seeds (another seed's), by the ceiling, and by independent errors. "
        f"Bars are 95 % intervals. Below, the first minus the second{few}." + some_of(DRAWN, len(measured)),
    )


def _notes(comparisons: Sequence[Comparison], measured: Sequence[_Measured]) -> tuple[str, ...]:
    known = {id(each.comparison) for each in measured}
    without = [each for each in comparisons if id(each) not in known]
    constant = [each.comparison for each in measured if "imitation" not in each.values]
    names = {id(each): name for each, name in zip(comparisons, comparison_names(comparisons), strict=True)}
    return (
        *(f"{names[id(each)]}: its supervisor makes no error on the test examples" for each in without),
        *(f"{names[id(each)]}: its supervisor answers alike with every seed, so there is no other to compare with"
          for each in constant),
    )  # fmt: skip
