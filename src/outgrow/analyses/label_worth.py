"""Label worth: how many weak labels replace one label of ground truth?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from outgrow.analyses.base import Analysis, Comparison, comparison_names, scored, scores_table
from outgrow.experiment.cell import Cell
from outgrow.experiment.course import labeller_of
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.students import ceiling, student
from outgrow.experiment.weak_labels import ensemble_labels
from outgrow.finding import Axis, Column, Figure, Finding, Mark, Panel, Series, Table, some_of
from outgrow.graph import Step
from outgrow.measures.accuracy import accuracy
from outgrow.measures.crossed import Interval
from outgrow.measures.effects import Effect, effects
from outgrow.measures.exchange import learning_values, worth_values
from outgrow.ranges import SHARE
from outgrow.types import Doubles, Scores, UserError

KINDS = {"weak": "weak labels", "truth": "ground truth"}
PANELS = 4


@dataclass(frozen=True, kw_only=True)
class LabelWorth(Analysis):
    """The exchange rate of weak labels for labels of ground truth, from students on parts of transfer.

    Beside the student and its ceiling, which learn from all of transfer, the same model is fitted to weak labels and to
    ground truth of smaller parts, `shares` of it. The students on ground truth give accuracy as a line in the logarithm
    of the number of labels; where it reaches the student's accuracy is how many labels of ground truth are worth as
    much as all weak labels. Rows on which the supervisor abstains are no weak labels. Methods that are oracles are left
    out.
    """

    question: ClassVar[str] = "How many weak labels replace one label of ground truth?"

    shares: tuple[float, ...] = (0.125, 0.25, 0.5)

    def __post_init__(self) -> None:
        if not self.shares or not all(SHARE.holds(share) and 0 < share < 1 for share in self.shares):
            raise UserError(f"shares is {list(self.shares)}: give parts of transfer, between 0 and 1")

    def check(self, cells: Sequence[Cell]) -> None:
        """Raises UserError for a transfer set without a size."""
        check_sizes("label-worth", cells)

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        if cell.method.oracle:
            return {}
        *parts, whole = sizes_of(cell, self.shares)
        found = labels_to_count(cell, (*parts, whole))
        for size in parts:
            setup = smaller(cell, size)
            found[f"weak/{size}"] = scored(student(setup, cell.strong, cell.method, labeller_of(cell, setup)), cell)
            found[f"truth/{size}"] = scored(ceiling(setup, cell.strong, cell.method), cell)
        return {**found, f"weak/{whole}": cell.student, f"truth/{whole}": cell.ceiling}

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        measured = list(map(_measured, comparison_names(comparisons), comparisons))
        flat = tuple(
            f"{each.name}: more labels of ground truth do not surely make a better student, so a weak label has no rate"
            for each in measured
            if each.worth is None
        )
        outside = tuple(
            f"{each.name}: {_bound(each)} weak labels replace one, since the student is beyond those on ground truth"
            for each in measured
            if each.worth is not None and not each.inside
        )
        return Finding(
            sentence=_sentence([each for each in measured if each.worth is not None]),
            table=_table(measured),
            figure=_figure(measured),
            notes=(*flat, *outside),
        )


def check_sizes(analysis: str, cells: Sequence[Cell]) -> None:
    """Raises UserError for a transfer set without a size."""
    for cell in cells:
        if cell.setup.splits["transfer"].n is None:
            raise UserError(
                f"analysis {analysis} fits students to parts of transfer, which has no size on task {cell.task.name}: "
                "set sizes = { transfer = 1000 }"
            )


def sizes_of(cell: Cell, shares: Sequence[float]) -> list[int]:
    """The numbers of labels of the parts of transfer, and of all of it, rising."""
    whole = cell.setup.splits["transfer"].n or 0
    return [*sorted({max(round(share * whole), 1) for share in shares}), whole]


def smaller(cell: Cell, size: int) -> CellSetup:
    """The set-up of a cell with the first examples of transfer alone."""
    splits = cell.setup.splits
    return replace(cell.setup, splits={**splits, "transfer": replace(splits["transfer"], n=size)})


def labels_to_count(cell: Cell, sizes: Sequence[int]) -> dict[str, Step[Any]]:
    """`labels/N`, the labels of the supervisor on the first N examples of transfer, where it may abstain."""
    setups = {size: smaller(cell, size) for size in sizes}
    labels = {size: ensemble_labels(labeller_of(cell, setup), setup.part(0)) for size, setup in setups.items()}
    return {f"labels/{size}": step for size, step in labels.items() if step.partial}


def counts(each: Comparison, sizes: Sequence[int]) -> tuple[int, ...]:
    """How many of the first examples of transfer have a weak label, for each of `sizes`: the mean over the seeds."""
    given = {size: each.found.get(f"labels/{size}") for size in sizes}
    return tuple(size if own is None else round(np.mean(list(map(len, own)))) for size, own in given.items())


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """The scores of one comparison by kind and number of labels, [S, N] each.

    sizes: the numbers of labels of ground truth. weak_sizes: those of weak labels, fewer where a supervisor abstains.
    worth: the influence values of log2 of the exchange rate; None where more ground truth does not surely help.
    """

    name: str
    sizes: tuple[int, ...]
    weak_sizes: tuple[int, ...]
    scores: Mapping[str, tuple[Doubles, ...]]
    groups: npt.NDArray[Any]
    worth: Doubles | None

    @property
    def rate(self) -> Interval:
        """How many weak labels replace one of ground truth."""
        assert self.worth is not None
        (found,) = effects([self.worth], [self.groups])
        return power(found.interval)

    @property
    def inside(self) -> bool:
        """Whether the rate lies between the fitted sizes, up to twice the largest: it is stated only there."""
        return self.sizes[0] <= self.replaced.mean <= 2 * self.sizes[-1]

    @property
    def replaced(self) -> Interval:
        """How many labels of ground truth are worth as much as all weak labels."""
        rate, whole = self.rate, self.weak_sizes[-1]
        return Interval(
            mean=whole / rate.mean, low=whole / rate.high, high=whole / rate.low, seed_noise=rate.seed_noise
        )


def _measured(name: str, each: Comparison) -> _Measured:
    sizes = tuple(sorted(int(key.removeprefix("truth/")) for key in each.found if key.startswith("truth/")))
    weak_sizes = counts(each, sizes)
    first: Scores = each.found[f"truth/{sizes[0]}"][0]
    scores = {kind: tuple(scores_table(each.found[f"{kind}/{size}"], first.ids) for size in sizes) for kind in KINDS}
    _, groups = np.unique(first.groups, return_inverse=True)
    (learns,) = effects([learning_values(sizes, scores["truth"])], [groups])
    worth = None
    if learns.sign > 0:
        worth = worth_values(weak_sizes[-1], scores["weak"][-1], sizes, scores["truth"])
    return _Measured(name=name, sizes=sizes, weak_sizes=weak_sizes, scores=scores, groups=groups, worth=worth)


def power(log2: Interval) -> Interval:
    """2 to the power of an interval; its ends stay finite."""
    low, mean, high = (float(2 ** np.clip(end, -60, 60)) for end in (log2.low, log2.mean, log2.high))
    return Interval(mean=mean, low=low, high=high, seed_noise=log2.seed_noise)


def _sentence(measured: Sequence[_Measured]) -> str:
    if not measured:
        return "More labels of ground truth do not surely make a better student, so a weak label has no rate."
    found = effects([each.worth for each in measured if each.worth is not None], [each.groups for each in measured])
    if len(measured) > 1:
        rates = sorted(each.rate.mean for each in measured if each.inside)
        bounds = [f"{_bound(each)} on {each.name}" for each in measured if not each.inside]
        inside = f"{few(rates[0])} to {few(rates[-1])}" if len(rates) > 1 else "".join(map(few, rates))
        much = ", ".join(filter(None, [inside, *bounds]))
        return f"Weak labels that replace one label of ground truth: {much}; {_certain(found)}."
    (each,) = measured
    if not each.inside:
        return f"{_bound(each).capitalize()} weak labels replace one label of ground truth; {_certain(found)}."
    rate, replaced = each.rate, each.replaced
    return (
        f"{each.weak_sizes[-1]:,} weak labels make as good a student as {replaced.mean:,.0f} labels of ground truth: "
        f"{few(rate.mean)} of them replace one ({few(rate.low)} to {few(rate.high)}); {_certain(found)}."
    )


def _bound(each: _Measured) -> str:
    """What can be said of a rate beyond the fitted sizes: `more than 8`."""
    if each.replaced.mean < each.sizes[0]:
        return f"more than {few(each.weak_sizes[-1] / each.sizes[0])}"
    return f"less than {few(each.weak_sizes[-1] / (2 * each.sizes[-1]))}"


def _certain(found: Sequence[Effect]) -> str:
    """What is certain of the rates, and which would have been seen where nothing is."""
    worth = {1: "surely worth less than one of ground truth", -1: "surely worth more than one of ground truth"}
    of = "" if len(found) == 1 else f" of {len(found)} comparisons"
    clauses = [
        f"a weak label is {words}" + (f" in {count}{of}" if of else "")
        for sign, words in worth.items()
        if (count := sum(effect.sign == sign for effect in found))
    ]
    if unseen := [effect.smallest for effect in found if not effect.sign]:
        seen = f"a rate of {few(float(2 ** min(max(unseen), 60.0)))} would have been seen"
        where = f" in {len(unseen)}{of}" if of else ""
        clauses.append(f"no evidence that it is worth less or more than one of ground truth{where}; {seen}")
    return "; ".join(clauses)


def few(value: float) -> str:
    """A number with two digits: `4.2`, `0.31`, `1,200`."""
    return f"{float(f'{value:.2g}'):,g}" if value < 1e6 else "more than a million"


def _table(measured: Sequence[_Measured]) -> Table:
    """One row a number of labels. Where a supervisor abstains, the number of weak labels has a column of its own."""
    abstains = any(each.weak_sizes != each.sizes for each in measured)
    columns = (
        Column(head="comparison"),
        Column(head="labels"),
        *([Column(head="weak labels")] if abstains else []),
        *(Column(head=f"student on {words}", unit="%") for words in KINDS.values()),
        Column(head="weak labels for one of ground truth"),
    )
    rows = tuple(
        (
            each.name,
            size,
            *([each.weak_sizes[i]] if abstains else []),
            *(accuracy(each.scores[kind][i], each.groups) for kind in KINDS),
            each.rate if each.worth is not None and each.inside and size == each.sizes[-1] else None,
        )
        for each in measured
        for i, size in enumerate(each.sizes)
    )
    return Table(columns=columns, rows=rows)


def _figure(measured: Sequence[_Measured]) -> Figure:
    panels = tuple(
        Panel(
            title=each.name,
            x=Axis(label="labels", ticks=tuple((float(np.log2(size)), f"{size:,}") for size in each.sizes)),
            y=Axis(label="accuracy of the student", percent=True),
            series=tuple(
                Series(
                    name=words,
                    colour="student" if kind == "weak" else "ceiling",
                    marks=tuple(
                        Mark.at(float(np.log2(size)), accuracy(table, each.groups))
                        for size, table in zip(sizes, each.scores[kind], strict=True)
                    ),
                )
                for (kind, words), sizes in zip(KINDS.items(), (each.weak_sizes, each.sizes), strict=True)
            ),
        )
        for each in measured[:PANELS]
    )
    return Figure(
        title="Accuracy by the number of labels",
        panels=panels,
        caption="Test accuracy of the same model by how many labels it learned from, weak ones or ground truth, with "
        "95 % intervals. How far the first curve lies to the right of the second is the exchange rate."
        + some_of(PANELS, len(measured)),
    )
