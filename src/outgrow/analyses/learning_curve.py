"""Learning curve: when does a student begin to overfit to its supervisor?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from outgrow.analyses.base import Analysis, Comparison, comparison_names, roles_of
from outgrow.experiment.cell import Cell
from outgrow.experiment.course import course, refuse_untrained
from outgrow.finding import Axis, Column, Figure, Finding, Mark, Panel, Series, Table, in_words, some_of
from outgrow.graph import Step
from outgrow.measures.accuracy import accuracy, share
from outgrow.measures.crossed import Interval
from outgrow.measures.effects import Effect, effects
from outgrow.types import Doubles, Ints, Labels

PANELS = 4


@dataclass(frozen=True, kw_only=True)
class LearningCurve(Analysis):
    """The accuracy of a student through training, against ground truth and against its supervisor (Burns et al. 2023,
    section 5.1.1).

    The student is read after several epochs of one training. Overfitting is the accuracy at its best minus that at the
    end. The best epoch of the one half of the test examples is judged on the other half, since the best of several
    numbers is too good. Ground truth decides nothing but which epoch this sentence is about.
    """

    question: ClassVar[str] = "When do students begin to overfit to their supervisors?"

    def check(self, cells: Sequence[Cell]) -> None:
        """Raises UserError for students that are no heads trained by gradient descent."""
        refuse_untrained("learning-curve", cells)

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        return {} if cell.method.oracle else {**roles_of(cell, "floor"), **course(cell)}

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        curves = list(map(curve_of, comparison_names(comparisons), comparisons))
        return Finding(sentence=_sentence(curves), table=_table(curves), figure=_figure(curves))


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """A comparison through training. right, same: whether each test answer is right, and is that of the supervisor,
    float64 [E, S, N]. answered: 1 where the supervisor has an answer, else 0, [S, N]. repeated: the share of its own
    labels that the student gives back, [E]. groups: [N]."""

    name: str
    epochs: tuple[int, ...]
    right: Doubles
    same: Doubles
    answered: Doubles
    repeated: Doubles
    groups: Ints

    @property
    def best(self) -> int:
        """The index of the epoch with the highest accuracy, the first of several."""
        return int(self.right.mean((1, 2)).argmax())

    def gained_by_stopping(self) -> Doubles:
        """The score at the best epoch minus that at the end, [S, N]; the best of each half of the groups is that of the
        other half."""
        found = np.zeros(self.right.shape[1:])
        half = self.groups % 2
        for own in (0, 1):
            if (half == own).any() and (half != own).any():
                best = int(self.right[:, :, half != own].mean((1, 2)).argmax())
                found[:, half == own] = (self.right[best] - self.right[-1])[:, half == own]
        return found

    def accuracies(self) -> list[Interval]:
        """The accuracy after each epoch."""
        return [accuracy(each, self.groups) for each in self.right]

    def agreements(self) -> list[Interval | None]:
        """How often the answer is that of the supervisor, where it has one, after each epoch."""
        return [share(each, self.answered, self.groups) for each in self.same]


def epochs_in(comparison: Comparison) -> tuple[int, ...]:
    """The epochs after which the student of a comparison was read."""
    names = (name.split("/") for name in comparison.found)
    return tuple(sorted(int(parts[1]) for parts in names if parts[0] == "after" and len(parts) == 2))


def curve_of(name: str, comparison: Comparison) -> Curve:
    """The curve of a comparison."""
    epochs, floor = epochs_in(comparison), comparison.answers("floor")
    after = [comparison.answers(f"after/{epoch}") for epoch in epochs]
    labels = comparison.found["labels"]
    repeated = [np.mean(list(map(_repeated, comparison.found[f"after/{epoch}/train"], labels))) for epoch in epochs]
    return Curve(
        name=name,
        epochs=epochs,
        right=np.array([each.correct for each in after]),
        same=np.array([(each.chosen == floor.chosen).astype(np.float64) for each in after]),
        answered=floor.given,
        repeated=np.array(repeated),
        groups=floor.groups,
    )


def _repeated(answers: Labels, labels: Labels) -> float:
    return float((answers.of(labels.ids).hard() == labels.hard()).mean())


def _sentence(curves: Sequence[Curve]) -> str:
    found = effects([each.gained_by_stopping() for each in curves], [each.groups for each in curves])
    clause = in_words(
        found,
        more="more accurate at its best than at the end of training",
        less="less accurate at its best than at the end of training",
        doubt="that training for less long makes it better",
    )
    return f"The student: {clause}.{_begins(curves, found)}"


def _begins(curves: Sequence[Curve], found: Sequence[Effect]) -> str:
    """Where those that overfit are at their best, and what goes on with their supervisors' answers."""
    sure = [curve for curve, effect in zip(curves, found, strict=True) if effect.sign > 0]
    if not sure:
        return ""
    at = sorted({curve.epochs[curve.best] for curve in sure})
    when = str(at[0]) if len(at) == 1 else f"{at[0]} to {at[-1]}"
    before, after = (np.mean([curve.repeated[i] for curve, i in ends]) for ends in _ends(sure))
    return (
        f" Such overfitting begins after {when} of {max(curve.epochs[-1] for curve in sure)} epochs; from there to the "
        f"end the share of its own labels that a student repeats goes from {100 * before:.0f} to {100 * after:.0f} %."
    )


def _ends(curves: Sequence[Curve]) -> tuple[list[tuple[Curve, int]], list[tuple[Curve, int]]]:
    """Each curve with its best, and with its last epoch."""
    return [(curve, curve.best) for curve in curves], [(curve, -1) for curve in curves]


def _table(curves: Sequence[Curve]) -> Table:
    columns = (
        Column(head="comparison"),
        Column(head="epoch"),
        Column(head="accuracy", unit="%"),
        Column(head="agrees with its supervisor", unit="%"),
        Column(head="repeats its own labels", unit="%"),
    )
    rows = tuple(
        (each.name, epoch, right, same, float(repeated))
        for each in curves
        for epoch, right, same, repeated in zip(
            each.epochs, each.accuracies(), each.agreements(), each.repeated, strict=True
        )
    )
    return Table(columns=columns, rows=rows)


def _figure(curves: Sequence[Curve]) -> Figure:
    return Figure(
        title="Students through training",
        panels=tuple(map(_panel, curves[:PANELS])),
        caption="Accuracy on test, agreement with the supervisor on what it answers there, and the share of its own "
        "labels that the student repeats, after each epoch, with 95 % intervals." + some_of(PANELS, len(curves)),
    )


def _panel(each: Curve) -> Panel:
    at = np.log2(each.epochs)
    lines: dict[str, Sequence[Interval | None]] = {
        "right": each.accuracies(),
        "as its supervisor": each.agreements(),
    }
    marks = {
        name: tuple(Mark.at(float(x), interval) for x, interval in zip(at, line, strict=True) if interval)
        for name, line in lines.items()
    }
    repeated = tuple(Mark(x=float(x), y=float(y)) for x, y in zip(at, each.repeated, strict=True))
    return Panel(
        title=each.name,
        x=Axis(label="epochs", ticks=tuple((float(x), str(epoch)) for x, epoch in zip(at, each.epochs, strict=True))),
        y=Axis(label="share of answers", percent=True),
        series=(
            Series(name="right", colour="student", marks=marks["right"]),
            Series(name="as its supervisor", colour="floor", marks=marks["as its supervisor"]),
            Series(name="its own labels repeated", colour="muted", marks=repeated, dashed=True),
        ),
    )
