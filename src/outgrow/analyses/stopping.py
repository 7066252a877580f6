"""Stopping: how much of what stopping on ground truth gains does a rule recover that reads none?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from outgrow.analyses.base import Analysis, Comparison, comparison_names, roles_of
from outgrow.analyses.learning_curve import Curve, curve_of
from outgrow.experiment.cell import Cell
from outgrow.experiment.course import course, refuse_untrained
from outgrow.finding import Axis, Column, Figure, Finding, Mark, Panel, Series, Table, Value
from outgrow.graph import Step
from outgrow.measures.crossed import Interval, mean_interval
from outgrow.measures.effects import effects
from outgrow.measures.stopping import calmest, highest_agreement, lowest_loss, steadiest
from outgrow.numbers import percent
from outgrow.types import Doubles, Ints, Labels, UserError, classes_of

ORACLE = "ground truth of other examples"
DRAWS = 999


@dataclass(frozen=True, kw_only=True)
class Stopping(Analysis):
    """Rules that stop a student without ground truth, on the course of one training: the lowest loss to held-out weak
    labels, the highest agreement with them, the calmest training, and the highest agreement of seeds.

    The reference is the last epoch. What could be gained over it is the accuracy at the epoch that is best on the other
    half of the test examples; the share that a rule recovers is over all cells together. It is stated where stopping on
    ground truth surely gains anything.
    """

    question: ClassVar[str] = "When should training stop, where there is no ground truth?"

    def check(self, cells: Sequence[Cell]) -> None:
        """Raises UserError for students that are no heads trained by gradient descent, and for one seed."""
        refuse_untrained("stopping", cells)
        if len({cell.seed for cell in cells}) < 2:
            raise UserError("analysis stopping compares students of several seeds: say seeds = [0, 1]")

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        return {} if cell.method.oracle else {**roles_of(cell, "floor"), **course(cell)}

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        cells = [_Stopped(each, name) for name, each in zip(comparison_names(comparisons), comparisons, strict=True)]
        return Finding(sentence=_sentence(cells), table=_table(cells), figure=_figure(cells))


class _Stopped:
    """One comparison: where each rule stops each seed, and what that gains over the last epoch, [S, N]."""

    def __init__(self, comparison: Comparison, name: str) -> None:
        self.curve: Curve = curve_of(name, comparison)
        self.stops = {rule: stop(comparison, self.curve.epochs) for rule, stop in RULES.items()}
        self.gains = {rule: self._gain(at) for rule, at in self.stops.items()}
        self.gains[ORACLE] = self.curve.gained_by_stopping()

    def _gain(self, at: Ints) -> Doubles:
        seeds = np.arange(len(at))
        return np.asarray(self.curve.right[at, seeds] - self.curve.right[-1], dtype=np.float64)


def _by_loss(comparison: Comparison, epochs: Sequence[int]) -> Ints:
    return np.array([lowest_loss(np.array(probs), weak) for probs, weak in _held_out(comparison, epochs)])


def _by_agreement(comparison: Comparison, epochs: Sequence[int]) -> Ints:
    held_out = _held_out(comparison, epochs)
    return np.array([highest_agreement(np.array(probs).argmax(2), weak.argmax(1)) for probs, weak in held_out])


def _by_calm(comparison: Comparison, epochs: Sequence[int]) -> Ints:
    ids = [labels.ids for labels in comparison.found["labels"]]
    chosen = [
        np.array([comparison.found[f"after/{epoch}/train"][seed].of(own).hard() for epoch in epochs])
        for seed, own in enumerate(ids)
    ]
    return np.array([calmest(each, epochs) for each in chosen])


def _by_seeds(comparison: Comparison, epochs: Sequence[int]) -> Ints:
    """On the test examples, without their labels."""
    answers = np.array([comparison.answers(f"after/{epoch}").chosen for epoch in epochs]).swapaxes(0, 1)
    at = steadiest(answers) if len(answers) > 1 else len(epochs) - 1
    return np.full(len(answers), at)


def _held_out(comparison: Comparison, epochs: Sequence[int]) -> list[tuple[list[Doubles], Doubles]]:
    """For each seed the probabilities after each epoch on the held-out slice, and its weak labels."""
    weak: Sequence[Labels] = comparison.found["labels/held-out"]
    return [
        (
            [classes_of(comparison.found[f"after/{epoch}/held-out"][seed].of(own.ids)) for epoch in epochs],
            classes_of(own),
        )
        for seed, own in enumerate(weak)
    ]


RULES: Mapping[str, Callable[[Comparison, Sequence[int]], Ints]] = {
    "lowest loss to held-out weak labels": _by_loss,
    "highest agreement with held-out weak labels": _by_agreement,
    "calmest training": _by_calm,
    "highest agreement of seeds": _by_seeds,
}


def _recovered(cells: Sequence[_Stopped], rule: str) -> Interval | None:
    """The gain of a rule as a share of that of stopping on ground truth, over all cells; its interval is that over
    cells drawn with replacement. None where ground truth gains nothing in one of a hundred such draws or more."""
    own, most = (np.array([cell.gains[each].mean() for cell in cells]) for each in (rule, ORACLE))
    drawn = np.random.default_rng(0).integers(0, len(cells), (DRAWS, len(cells)))
    below = most[drawn].sum(1)
    if len(cells) < 2 or (below <= 0).mean() >= 0.01 or most.sum() <= 0:
        return None
    shares = own[drawn].sum(1)[below > 0] / below[below > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    return Interval(mean=float(own.sum() / most.sum()), low=float(low), high=float(high), seed_noise=False)


def _no_worse(cells: Sequence[_Stopped], rule: str) -> int:
    """On how many cells a rule is no worse than the last epoch."""
    return sum(cell.gains[rule].mean() >= 0 for cell in cells)


def _sentence(cells: Sequence[_Stopped]) -> str:
    groups = [cell.curve.groups for cell in cells]
    found = effects([cell.gains[ORACLE] for cell in cells], groups)
    sure = sum(effect.sign > 0 for effect in found)
    if not sure:
        seen = max(effect.smallest for effect in found)
        return (
            f"Stopping on ground truth is not surely better than the last epoch on any of {len(cells)} cells, so there "
            f"is nothing to recover; a gain of {percent(seen)} points would have been seen."
        )
    gains = {rule: float(np.mean([cell.gains[rule].mean() for cell in cells])) for rule in (*RULES, ORACLE)}
    best = max(RULES, key=gains.__getitem__)
    start = (
        f"Stopping on ground truth gains {percent(gains[ORACLE])} points over the last epoch in the mean, surely on "
        f"{sure} of {len(cells)} cells. Of the rules that read none, {best} gains most, {percent(gains[best])} points"
    )
    share, count = (
        _recovered(cells, best),
        f"it is no worse than the last epoch on {_no_worse(cells, best)} of {len(cells)}",
    )
    if share is None:
        return f"{start}; {count}."
    ends = f"{100 * share.low:.0f} to {100 * share.high:.0f}"
    return f"{start}, which is {100 * share.mean:.0f} % of it ({ends}); {count}."


def _table(cells: Sequence[_Stopped]) -> Table:
    columns = (
        Column(head="stopped by"),
        Column(head="comparison"),
        Column(head="epoch"),
        Column(head="against the last epoch", unit="points"),
        Column(head="recovered", unit="%"),
        Column(head="no worse, of all cells", unit="%"),
    )
    rows: list[tuple[Value, ...]] = []
    for rule in (*RULES, ORACLE):
        share = _recovered(cells, rule) if rule != ORACLE else None
        mean = float(np.mean([cell.gains[rule].mean() for cell in cells]))
        rows.append((rule, "mean of all", None, mean, share, _no_worse(cells, rule) / len(cells)))
    for cell in cells:
        for rule in (*RULES, ORACLE):
            at = cell.stops.get(rule)
            epoch = None if at is None else float(np.mean([cell.curve.epochs[i] for i in at]))
            gain = mean_interval(cell.gains[rule], cell.curve.groups)
            rows.append((rule, cell.curve.name, epoch, gain, None, None))
    return Table(columns=columns, rows=tuple(rows))


def _figure(cells: Sequence[_Stopped]) -> Figure:
    ticks = tuple((float(i), cell.curve.name) for i, cell in enumerate(cells))
    colours = ("student", "second", "third", "fourth", "ceiling")
    panel = Panel(
        title="Accuracy against the last epoch",
        x=Axis(label="", ticks=ticks),
        y=Axis(label="gain, points", percent=True),
        level=("last epoch", 0.0),
        series=tuple(
            Series(
                name=rule,
                colour=colour,  # type: ignore[arg-type]
                joined=False,
                marks=tuple(
                    Mark.at(float(i), mean_interval(cell.gains[rule], cell.curve.groups))
                    for i, cell in enumerate(cells)
                ),
            )
            for rule, colour in zip((*RULES, ORACLE), colours, strict=True)
        ),
    )
    return Figure(
        title="What rules gain that stop training",
        panels=(panel,),
        caption="Test accuracy at the epoch that each rule takes, minus that at the last epoch, with 95 % intervals. "
        "The last series reads ground truth, of the other half of the test examples.",
    )
