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
from outgrow.finding import Axis, Colour, Column, Figure, Finding, Mark, Panel, Series, Table, Value, in_points
from outgrow.graph import Step
from outgrow.measures.crossed import Interval, mean_interval
from outgrow.measures.effects import Effect, effects, mean_effects
from outgrow.measures.stopping import best_on_others, calmest, highest_agreement, lowest_loss, steadiest
from outgrow.numbers import percent, signed
from outgrow.types import Doubles, Ints, Labels, UserError, classes_of

ORACLE = "ground truth of other examples"
CHANCE = "an epoch at random"
CHOSEN = "the best rule on the other tasks"
DRAWS = 999


@dataclass(frozen=True, kw_only=True)
class Stopping(Analysis):
    """Rules that stop a student without ground truth, on the course of one training: the lowest loss to held-out weak
    labels, the highest agreement with them, the calmest training, and the highest agreement of seeds.

    The reference is the last epoch; chance is an epoch at random. What could be gained is the accuracy at the epoch
    that is best on the other half of the test examples. Whether a rule gains anything is corrected for the number of
    rules (Holm). The share that is recovered is that of a rule fixed beforehand: on each task the one that gained most
    on the other tasks. It is stated where stopping on ground truth surely gains anything.
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
        _choose(cells)
        found = effects([cell.gains[ORACLE] for cell in cells], [cell.curve.groups for cell in cells])
        return Finding(sentence=_sentence(cells, found), table=_table(cells, found), figure=_figure(cells))


class _Stopped:
    """One comparison: where each rule stops each seed, and what that gains over the last epoch, [S, N]."""

    def __init__(self, comparison: Comparison, name: str) -> None:
        self.task, self.seeds = comparison.task, comparison.seeds
        self.curve: Curve = curve_of(name, comparison)
        self.stops = {rule: stop(comparison, self.curve.epochs) for rule, stop in RULES.items()}
        self.gains = {rule: self._gain(at) for rule, at in self.stops.items()}
        self.gains[CHANCE] = np.asarray(self.curve.right.mean(0) - self.curve.right[-1], dtype=np.float64)
        self.gains[ORACLE] = self.curve.gained_by_stopping()

    def _gain(self, at: Ints) -> Doubles:
        seeds = np.arange(len(at))
        return np.asarray(self.curve.right[at, seeds] - self.curve.right[-1], dtype=np.float64)

    def mean(self, rule: str) -> float:
        """The gain of a rule in the mean over seeds and examples."""
        return float(self.gains[rule].mean())

    def choose(self, rule: str) -> None:
        """Add a rule as the one that was chosen on other tasks."""
        self.stops[CHOSEN], self.gains[CHOSEN] = self.stops[rule], self.gains[rule]


def _choose(cells: Sequence[_Stopped]) -> None:
    """Give each cell the rule that gained most on the cells of other tasks, if there are any."""
    rules = list(RULES)
    means = np.array([[cell.mean(rule) for cell in cells] for rule in rules])
    for cell, chosen in zip(cells, best_on_others(means, [cell.task for cell in cells]), strict=True):
        if chosen is not None:
            cell.choose(rules[chosen])


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
    own, most = (np.array([cell.mean(each) for cell in cells]) for each in (rule, ORACLE))
    drawn = np.random.default_rng(0).integers(0, len(cells), (DRAWS, len(cells)))
    below = most[drawn].sum(1)
    if len(cells) < 2 or (below <= 0).mean() >= 0.01 or most.sum() <= 0:
        return None
    shares = own[drawn].sum(1)[below > 0] / below[below > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    return Interval(mean=float(own.sum() / most.sum()), low=float(low), high=float(high), seed_noise=False)


def _no_worse(cells: Sequence[_Stopped], rule: str) -> int:
    """On how many cells a rule is no worse than the last epoch."""
    return sum(cell.mean(rule) >= 0 for cell in cells)


def _of_rules(cells: Sequence[_Stopped]) -> dict[str, Effect]:
    """What each rule gains over the last epoch in the mean over cells, corrected for the number of rules. Over the
    seeds that all cells have; without any, nothing."""
    seeds = sorted(set.intersection(*(set(cell.seeds) for cell in cells)))
    if not seeds:
        return {}
    groups = [[f"{cell.task}/{group}" for group in cell.curve.groups.tolist()] for cell in cells]
    rows = [[cell.seeds.index(seed) for seed in seeds] for cell in cells]
    tables = [[cell.gains[rule][own] for cell, own in zip(cells, rows, strict=True)] for rule in RULES]
    return dict(zip(RULES, mean_effects(tables, groups), strict=True))


def _sentence(cells: Sequence[_Stopped], found: Sequence[Effect]) -> str:
    sure = sum(effect.sign > 0 for effect in found)
    if not sure:
        seen = max(effect.smallest for effect in found)
        return (
            f"Stopping on ground truth is not surely better than the last epoch on any of {len(cells)} cells, so there "
            f"is nothing to recover; a gain of {percent(seen)} points would have been seen."
        )
    most = percent(float(np.mean([cell.mean(ORACLE) for cell in cells])))
    return (
        f"Stopping on ground truth gains {most} points over the last epoch in the mean, surely on {sure} of "
        f"{len(cells)} cells.{_sure_rules(_of_rules(cells))}{_of_chosen(cells)}"
    )


def _sure_rules(found: Mapping[str, Effect]) -> str:
    """Which rules surely gain or lose, corrected for their number."""
    if not found:
        return ""
    clauses = [
        f"{rule} surely {'gains' if effect.sign > 0 else 'loses'} {in_points(effect.interval)}"
        for rule, effect in found.items()
        if effect.sign
    ]
    if not clauses:
        seen = percent(max(effect.smallest for effect in found.values()))
        return f" None of {len(found)} rules that read none surely gains or loses; {seen} points would have been seen."
    others = "" if len(clauses) == len(found) else "; the others neither gain nor lose surely"
    return f" Of {len(found)} rules that read none, {', '.join(clauses)}{others}."


def _of_chosen(cells: Sequence[_Stopped]) -> str:
    """What the rule recovers that was chosen on the other tasks."""
    if any(CHOSEN not in cell.gains for cell in cells):
        return " With one task, no rule can be chosen on others."
    share, gain = _recovered(cells, CHOSEN), float(np.mean([cell.mean(CHOSEN) for cell in cells]))
    count = f"it is no worse than the last epoch on {_no_worse(cells, CHOSEN)} of {len(cells)}"
    part = (
        "" if share is None else f", {100 * share.mean:.0f} % of it ({100 * share.low:.0f} to {100 * share.high:.0f})"
    )
    return f" The rule that is best on the other tasks gains {signed(gain)} points{part}; {count}."


def _rows(cells: Sequence[_Stopped]) -> tuple[str, ...]:
    """What the table and the figure compare: the rules, the one chosen on other tasks, chance and ground truth."""
    chosen = (CHOSEN,) if all(CHOSEN in cell.gains for cell in cells) else ()
    return (*RULES, *chosen, CHANCE, ORACLE)


def _table(cells: Sequence[_Stopped], found: Sequence[Effect]) -> Table:
    """found: what stopping on ground truth gains on each cell; shares of it are stated where one is surely a gain."""
    is_stated = any(effect.sign > 0 for effect in found)
    columns = (
        Column(head="stopped by"),
        Column(head="comparison"),
        Column(head="epoch"),
        Column(head="against the last epoch", unit="points"),
        Column(head="recovered", unit="%"),
        Column(head="no worse, of all cells", unit="%"),
    )
    rows: list[tuple[Value, ...]] = []
    for rule in _rows(cells):
        share = _recovered(cells, rule) if rule != ORACLE and is_stated else None
        mean = float(np.mean([cell.mean(rule) for cell in cells]))
        rows.append((rule, "mean of all", None, mean, share, _no_worse(cells, rule) / len(cells)))
    for cell in cells:
        for rule in _rows(cells):
            at = cell.stops.get(rule)
            epoch = None if at is None else float(np.mean([cell.curve.epochs[i] for i in at]))
            gain = mean_interval(cell.gains[rule], cell.curve.groups)
            rows.append((rule, cell.curve.name, epoch, gain, None, None))
    return Table(columns=columns, rows=tuple(rows))


LOOKS: Mapping[str, Colour] = {
    **dict(zip(RULES, ("student", "second", "third", "fourth"), strict=True)),
    CHANCE: "muted",
    ORACLE: "ceiling",
}


def _figure(cells: Sequence[_Stopped]) -> Figure:
    """A series for each rule; chance is a line."""
    ticks = tuple((float(i), cell.curve.name) for i, cell in enumerate(cells))
    panel = Panel(
        title="Accuracy against the last epoch",
        x=Axis(label="", ticks=ticks),
        y=Axis(label="gain", percent=True, unit="points"),
        level=("last epoch", 0.0),
        series=tuple(
            Series(
                name=rule,
                colour=colour,
                joined=rule == CHANCE,
                dashed=rule == CHANCE,
                marks=tuple(
                    Mark.at(float(i), mean_interval(cell.gains[rule], cell.curve.groups))
                    for i, cell in enumerate(cells)
                ),
            )
            for rule, colour in LOOKS.items()
        ),
    )
    return Figure(
        title="What rules gain that stop training",
        panels=(panel,),
        caption="Test accuracy at the epoch that each rule takes, minus that at the last epoch, with 95 % intervals. "
        "The dashed line is chance, an epoch at random; the last series reads ground truth, of the other half of the "
        "test examples.",
    )
