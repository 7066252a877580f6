"""Calibration: does the confidence of supervisors, students and ceilings equal their accuracy?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from outgrow.analyses.base import Analysis, Answers, Comparison, comparison_names, roles_of
from outgrow.experiment.cell import Cell
from outgrow.finding import Axis, Colour, Column, Figure, Finding, Mark, Panel, Series, Table, Value, in_words, some_of
from outgrow.graph import Step
from outgrow.measures.crossed import mean_interval
from outgrow.measures.delta import share_values
from outgrow.measures.effects import Effect, effects
from outgrow.measures.reliability import (
    ece_by_chance,
    ece_values,
    equal_mass_bins,
    overconfidence_values,
    squared_error_values,
)
from outgrow.ranges import check_ranges, whole
from outgrow.types import Doubles

ROLES: dict[str, Colour] = {"floor": "floor", "student": "student", "ceiling": "ceiling"}
ROLE_NAMES = {"floor": "supervisor", "student": "student", "ceiling": "ceiling"}
PANELS = 3  # reliability diagrams; more comparisons are in the table alone


@dataclass(frozen=True, kw_only=True)
class Calibration(Analysis):
    """The reliability diagram, expected calibration error and Brier score of supervisor, student and ceiling.

    The confidence of an answer is its probability. `overconfidence` is mean confidence minus accuracy; the sentence is
    about it, since an expected calibration error is above zero for every model: the table has beside it the error that
    a calibrated model of these confidences would show. Bins have as many answers each.
    """

    question: ClassVar[str] = "Are supervisors, students and ceilings calibrated?"

    bins: int = 10

    def __post_init__(self) -> None:
        check_ranges(self, bins=whole(2, 100))

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        return roles_of(cell, *ROLES)

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        names = comparison_names(comparisons)
        some = [
            (name, role, each.answers(role)) for name, each in zip(names, comparisons, strict=True) for role in ROLES
        ]
        stated = [(name, role, answers) for name, role, answers in some if answers.given.any()]
        return Finding(
            sentence=_sentence([(role, answers) for _, role, answers in stated]),
            table=self._table(stated),
            figure=self._figure(stated),
        )

    def _table(self, stated: Sequence[tuple[str, str, Answers]]) -> Table:
        columns = (
            Column(head="comparison"),
            Column(head="model"),
            Column(head="accuracy", unit="%"),
            Column(head="confidence", unit="%"),
            Column(head="overconfidence", unit="points"),
            Column(head="ECE", unit="%"),
            Column(head="ECE if calibrated", unit="%"),
            Column(head="Brier"),
        )
        return Table(columns=columns, rows=tuple(self._row(*each) for each in stated))

    def _row(self, name: str, role: str, answers: Answers) -> tuple[Value, ...]:
        sure, right, bins = answers.confidence, answers.correct, equal_mass_bins(answers.confidence, self.bins)
        values = (
            share_values(np.nan_to_num(right), answers.given),
            share_values(np.nan_to_num(sure), answers.given),
            overconfidence_values(sure, right),
            ece_values(sure, right, bins),
            squared_error_values(sure, right),
        )
        *shares, brier = (mean_interval(each, answers.groups) for each in values)
        return (name, ROLE_NAMES[role], *shares, ece_by_chance(sure, bins), brier)

    def _figure(self, stated: Sequence[tuple[str, str, Answers]]) -> Figure:
        every = list(dict.fromkeys(name for name, _, _ in stated))
        names = every[:PANELS]
        panels = tuple(
            Panel(
                title=name,
                x=Axis(label="confidence", percent=True),
                y=Axis(label="accuracy", percent=True),
                diagonal=True,
                series=tuple(
                    Series(name=ROLE_NAMES[role], colour=ROLES[role], marks=tuple(self._marks(answers)))
                    for own, role, answers in stated
                    if own == name
                ),
            )
            for name in names
        )
        return Figure(
            title="Reliability diagram of supervisor, student and ceiling",
            panels=panels,
            caption=f"Accuracy against confidence, in up to {self.bins} bins of as many answers, with 95 % intervals. "
            "Below the dotted line a model is right less often than it is sure." + some_of(PANELS, len(every)),
        )

    def _marks(self, answers: Answers) -> Iterator[Mark]:
        bins = equal_mass_bins(answers.confidence, self.bins)
        for each in range(int(bins.max()) + 1):
            within = (bins == each).astype(np.float64)
            accuracy = mean_interval(share_values(np.nan_to_num(answers.correct), within), answers.groups)
            at = float(np.nan_to_num(answers.confidence)[bins == each].mean())
            yield Mark(x=at, y=accuracy.mean, low=max(accuracy.low, 0.0), high=min(accuracy.high, 1.0))


def _sentence(stated: Sequence[tuple[str, Answers]]) -> str:
    """A clause for each role. A model that several comparisons share counts once."""
    distinct: dict[tuple[str, bytes], tuple[str, Answers]] = {}
    for role, answers in stated:
        distinct.setdefault((role, answers.confidence.tobytes() + answers.correct.tobytes()), (role, answers))
    models = list(distinct.values())
    values: list[Doubles] = [overconfidence_values(each.confidence, each.correct) for _, each in models]
    found = effects(values, [each.groups for _, each in models])
    clauses = []
    for role, name_of_role in ROLE_NAMES.items():
        own: list[Effect] = [effect for (of, _), effect in zip(models, found, strict=True) if of == role]
        if own:
            clause = in_words(own, more="overconfident", less="underconfident", doubt="of over- or underconfidence")
            clauses.append(f"{name_of_role.capitalize()}{'s' if len(own) > 1 else ''}: {clause}.")
    return " ".join(clauses)
