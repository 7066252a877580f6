"""Label mix: which mix of weak labels and ground truth is the cheapest for an accuracy?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from outgrow.analyses.base import Analysis, Comparison, comparison_names, scored, scores_table
from outgrow.analyses.label_worth import check_sizes, counts, few, labels_to_count, power, sizes_of, smaller
from outgrow.experiment.cell import Cell
from outgrow.experiment.course import labeller_of
from outgrow.experiment.data import Gold
from outgrow.experiment.mixed import Mixed
from outgrow.experiment.students import ceiling, student
from outgrow.finding import Axis, Colour, Column, Figure, Finding, Mark, Panel, Series, Table, Value, some_of
from outgrow.graph import Step
from outgrow.measures.accuracy import accuracy
from outgrow.measures.crossed import Interval
from outgrow.measures.effects import Effect, effects
from outgrow.measures.exchange import learning_values, needed_values
from outgrow.numbers import percent
from outgrow.ranges import SHARE, above, check_ranges
from outgrow.types import Doubles, Scores, UserError

PANELS = 4
COLOURS: tuple[Colour, ...] = ("student", "second", "third", "fourth", "muted")


@dataclass(frozen=True, kw_only=True)
class LabelMix(Analysis):
    """The cost of reaching an accuracy with ground truth for the share `mixes` of the rows and weak labels for the
    others, beside weak labels alone and ground truth alone.

    For each mix the model is fitted to parts of transfer, `shares` of it, and to all of it. Accuracy is taken as a line
    in the logarithm of the number of labels; where it reaches the target is how many labels are needed, and their cost
    follows from the prices. Rows on which the supervisor abstains are no labels and cost nothing. weak_price,
    truth_price: of one label. target: a share of 1; 0: the accuracy of the student on all weak labels. Methods that are
    oracles are left out; those with labelling rules keep them for the weak labels.
    """

    question: ClassVar[str] = "Which mix of weak labels and ground truth is the cheapest?"

    mixes: tuple[float, ...] = (0.1, 0.3)
    shares: tuple[float, ...] = (0.125, 0.25, 0.5)
    weak_price: float = 1.0
    truth_price: float = 10.0
    target: float = 0.0

    def __post_init__(self) -> None:
        for name in ("mixes", "shares"):
            values = getattr(self, name)
            if not values or not all(SHARE.holds(share) and 0 < share < 1 for share in values):
                raise UserError(f"{name} is {list(values)}: give shares between 0 and 1")
        check_ranges(self, target=SHARE, weak_price=above(0, 1e12), truth_price=above(0, 1e12))

    def check(self, cells: Sequence[Cell]) -> None:
        """Raises UserError for a transfer set without a size."""
        check_sizes("label-mix", cells)

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        if cell.method.oracle:
            return {}
        sizes = sizes_of(cell, self.shares)
        found = labels_to_count(cell, sizes)
        for size in sizes:
            setup = smaller(cell, size)
            part, fit = setup.part(0), student(setup, cell.strong, cell.method, labeller_of(cell, setup))
            found[f"0/{size}"] = scored(fit, cell)
            found[f"1/{size}"] = scored(ceiling(setup, cell.strong, cell.method), cell)
            slots: dict[str, Any] = {"method": cell.method.fit, "loss": cell.method.loss, "adapt": cell.method.adapt}
            for truth in self.mixes:
                mixed = Mixed(examples=part, weak=fit.labels, gold=Gold(examples=part), truth=truth)
                labels = mixed, fit.validation_labels
                own = setup.fit(cell.strong, part, setup.validation, labels=labels, **slots)
                found[f"{truth:g}/{size}"] = scored(own, cell)
        return found

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        measured = [
            self._measured(name, each) for name, each in zip(comparison_names(comparisons), comparisons, strict=True)
        ]
        tested = [(each, pair, values) for each in measured for pair, values in each.differences().items()]
        found = effects([values for *_, values in tested], [each.groups for each, *_ in tested])
        by_name = {(each.name, pair): effect for (each, pair, _), effect in zip(tested, found, strict=True)}
        return Finding(
            sentence=" ".join(each.sentence(len(measured) > 1, by_name) for each in measured),
            table=_table(measured),
            figure=_figure(measured),
        )

    def _measured(self, name: str, each: Comparison) -> _Measured:
        keys = [key.partition("/") for key in each.found if not key.startswith("labels/")]
        truths, sizes = sorted({float(a) for a, _, _ in keys}), sorted({int(b) for _, _, b in keys})
        first: Scores = each.found[f"0/{sizes[0]}"][0]
        scores = {
            truth: tuple(scores_table(each.found[f"{truth:g}/{size}"], first.ids) for size in sizes) for truth in truths
        }
        _, groups = np.unique(first.groups, return_inverse=True)
        goal = np.full_like(scores[0.0][-1], self.target) if self.target else scores[0.0][-1]
        weak = counts(each, sizes)
        labels = {
            truth: tuple(truth * size + (1 - truth) * own for size, own in zip(sizes, weak, strict=True))
            for truth in truths
        }
        share = {truth: truth * sizes[-1] / labels[truth][-1] for truth in truths}
        price = {truth: (1 - share[truth]) * self.weak_price + share[truth] * self.truth_price for truth in truths}
        return _Measured(name=name, labels=labels, share=share, price=price, scores=scores, groups=groups, goal=goal)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """The scores of one comparison by the mix and the number of labels, [S, N] each. A mix is named by the share of
    rows with ground truth. labels: their numbers, on average where a supervisor abstains. share: of the labels that are
    ground truth. goal: the target as a table of the shape of scores. price: of a label, in the mean."""

    name: str
    labels: Mapping[float, tuple[float, ...]]
    share: Mapping[float, float]
    scores: Mapping[float, tuple[Doubles, ...]]
    groups: npt.NDArray[Any]
    goal: Doubles
    price: Mapping[float, float]

    def cost_values(self, truth: float) -> Doubles | None:
        """The influence values of log2 of the cost; None where more labels do not surely help, or the number needed is
        not between the smallest of the fitted numbers and twice the largest."""
        numbers = self.labels[truth]
        if numbers[0] == numbers[-1]:
            return None
        (learns,) = effects([learning_values(numbers, self.scores[truth])], [self.groups])
        if learns.sign <= 0:
            return None
        needed = needed_values(self.goal, numbers, self.scores[truth])
        if not np.log2(numbers[0]) <= needed.mean() <= np.log2(2 * numbers[-1]):
            return None
        return np.asarray(needed + np.log2(self.price[truth]), dtype=np.float64)

    def costs(self) -> dict[float, Doubles]:
        """The costs that are stated, by the share of ground truth."""
        found = {truth: self.cost_values(truth) for truth in self.scores}
        return {truth: values for truth, values in found.items() if values is not None}

    def interval(self, values: Doubles, per: float = 1.0) -> Interval:
        """A cost, or a number of labels at the price `per` of one."""
        (found,) = effects([values - np.log2(per)], [self.groups])
        return power(found.interval)

    def differences(self) -> dict[tuple[float, float], Doubles]:
        """How much more the first of two mixes costs than the second, as influence values of log2: of all pairs, since
        the cheapest is chosen by what is tested."""
        costs = self.costs()
        return {(a, b): costs[a] - costs[b] for a, b in combinations(costs, 2)}

    def sentence(self, named: bool, tested: Mapping[tuple[str, tuple[float, float]], Effect]) -> str:
        """What is the cheapest. tested: the effects of all comparisons, by their name and the pair of mixes."""
        costs, goal = self.costs(), f"{percent(float(self.goal.mean()))} %"
        where = f" on {self.name}" if named else ""
        if not costs:
            return f"No number of labels between the fitted ones reaches {goal} surely{where}."
        best = min(costs, key=lambda truth: float(costs[truth].mean()))
        spent = self.interval(costs[best])
        start = (
            f"The cheapest labels for {goal}{where} are {self.words(best)}, for {few(spent.mean)} ({few(spent.low)} to "
            f"{few(spent.high)})"
        )
        if len(costs) == 1:
            return f"{start}; no other mix reaches it within the fitted numbers."
        found = {pair: effect for (name, pair), effect in tested.items() if name == self.name}
        sure = [self.words(b if a == best else a) for (a, b), each in found.items() if best in (a, b) and each.sign]
        if sure:
            return f"{start}: surely less than {' and than '.join(sure)}."
        seen = few(float(2 ** min(max(each.smallest for each in found.values()), 60.0)))
        return f"{start}; no evidence that another mix costs more; {seen} times the cost would have been seen."

    def words(self, truth: float) -> str:
        if truth in (0.0, 1.0):
            return "ground truth alone" if truth else "weak labels alone"
        return f"weak ones with {100 * self.share[truth]:.3g} % ground truth"


def _table(measured: Sequence[_Measured]) -> Table:
    columns = (
        Column(head="comparison"),
        Column(head="ground truth", unit="%"),
        Column(head="labels"),
        Column(head="accuracy", unit="%"),
        Column(head="labels needed"),
        Column(head="cost"),
    )
    rows: list[tuple[Value, ...]] = []
    for each in measured:
        costs = each.costs()
        for truth, scores in each.scores.items():
            for number, score in zip(each.labels[truth], scores, strict=True):
                values = costs.get(truth) if number == each.labels[truth][-1] else None
                needed = None if values is None else each.interval(values, each.price[truth])
                cost = None if values is None else each.interval(values)
                rows.append((each.name, each.share[truth], round(number), accuracy(score, each.groups), needed, cost))
    return Table(columns=columns, rows=tuple(rows))


def _figure(measured: Sequence[_Measured]) -> Figure:
    return Figure(
        title="Accuracy by what the labels cost",
        panels=tuple(map(_panel, measured[:PANELS])),
        caption="Test accuracy of the same model by the cost of the labels that it learned from, for each share of "
        "ground truth among them, with 95 % intervals. The horizontal line is the target."
        + some_of(PANELS, len(measured)),
    )


def _panel(each: _Measured) -> Panel:
    ends = [np.log2(each.labels[mix][end] * price) for mix, price in each.price.items() for end in (0, -1)]
    ticks = tuple((float(x), f"{2**x:,.0f}") for x in np.linspace(min(ends), max(ends), 5))
    return Panel(
        title=each.name,
        x=Axis(label="cost", ticks=ticks),
        y=Axis(label="accuracy", percent=True),
        level=("target", float(each.goal.mean())),
        series=tuple(
            Series(
                name=each.words(truth),
                colour=COLOURS[i % len(COLOURS)],
                marks=tuple(
                    Mark.at(float(np.log2(number * each.price[truth])), accuracy(score, each.groups))
                    for number, score in zip(each.labels[truth], scores, strict=True)
                ),
            )
            for i, (truth, scores) in enumerate(each.scores.items())
        ),
    )
