"""Twins: what does it add that the test examples were leaked into pretraining?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from outgrow.analyses.base import Analysis, Comparison, comparison_names, scores_table
from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold, LabelsStep
from outgrow.experiment.membership import MemberScores, Membership
from outgrow.experiment.pretrained import Contaminate
from outgrow.experiment.scoring import Score
from outgrow.experiment.steps import predicted
from outgrow.experiment.students import ceiling, student
from outgrow.experiment.weak_labels import Labeller
from outgrow.finding import Axis, Colour, Column, Figure, Finding, Mark, Panel, Series, Table, Value, in_words, some_of
from outgrow.graph import Step
from outgrow.measures.accuracy import accuracy
from outgrow.measures.area import area_values
from outgrow.measures.crossed import Interval, mean_interval
from outgrow.measures.delta import function_of_means
from outgrow.measures.effects import Effect, effects
from outgrow.measures.pgr import pgr, recovered
from outgrow.models.base import Model
from outgrow.ranges import SHARE, check_ranges, whole
from outgrow.supervisors.fitted import Fitted
from outgrow.training.language_model import Generative
from outgrow.types import Doubles, Scores, UserError

ROLES = {
    "zero_shot": "student before training",
    "floor": "supervisor",
    "student": "student",
    "ceiling": "ceiling",
    "alone": "student of a clean supervisor",
}
COLOURS: dict[str, Colour] = {
    "zero_shot": "muted",
    "floor": "floor",
    "student": "student",
    "ceiling": "ceiling",
    "alone": "second",
}
PGRS = ("both", "alone")
PANELS = 4


@dataclass(frozen=True, kw_only=True)
class Twins(Analysis):
    """The effect of leaked test examples on floor, student, ceiling and PGR, by models that differ in nothing else.

    The models of supervisor and student go on with their pretraining on `ordinary` unlabelled passages of transfer and
    as many solved examples as the test set has, each read `pretraining.epochs` times. For the clean twin these are
    examples of the test split that no fit and no score reads; for the others a share of `shares` is replaced by test
    examples. Then supervisor, student and ceiling are fitted as in the experiment. Which examples are leaked, and the
    order of reading, depend on the seed; so the intervals hold over corpora too.
    """

    question: ClassVar[str] = "What does it add that test examples were leaked into pretraining?"

    shares: tuple[float, ...] = (0.01, 0.1, 1.0)
    ordinary: int = 4000
    pretraining: Generative = field(
        default_factory=lambda: Generative(learning_rate=1e-3, batch=64, epochs=1.0, keep="last")
    )

    def __post_init__(self) -> None:
        if not self.shares or not all(SHARE.holds(share) and share > 0 for share in self.shares):
            raise UserError(f"shares is {list(self.shares)}: give shares of the test examples, above 0 and up to 1")
        check_ranges(self, ordinary=whole(1))
        if self.pretraining.keep != "last":
            raise UserError(
                f'pretraining has keep = "{self.pretraining.keep}", and twins read the whole corpus: set keep = "last"'
            )

    def check(self, cells: Sequence[Cell]) -> None:
        """Raises UserError where no cell has two causal models that are fitted, or the test split is too small."""
        with_twins = [cell for cell in cells if _has_twins(cell)]
        if not with_twins:
            raise UserError(
                "analysis twins goes on with the pretraining of supervisor and student, so it needs causal models on a "
                "task that is answered by next tokens, and a method without chain, adapt and oracle: set "
                'task = "chess-puzzles", weak = "ladder/pawn" and strong = "ladder/knight"'
            )
        for setup in {id(cell.setup): cell.setup for cell in with_twins}.values():
            n = setup.splits["test"].n
            if n is None:
                raise UserError(
                    f"analysis twins keeps a part of the test split of {setup.task.name} back, so the tests need a "
                    "size: set sizes = { test = 1000 }"
                )
            if none := [share for share in self.shares if not round(share * n)]:
                raise UserError(
                    f"analysis twins leaks {_percent(none[0])} of the {n} tests of {setup.task.name}, which is less "
                    "than one: leave that share out (shares = [...]), or set a larger sizes.test"
                )
            try:
                setup.task.examples("test", n, 0, part=1)
            except UserError:
                raise UserError(
                    f"analysis twins needs as many other examples in the test split of {setup.task.name} as the {n} "
                    f"tests, of other groups: set sizes = {{ test = {n // 2} }}"
                ) from None

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        if not _has_twins(cell):
            return {}
        found: dict[str, Step[Any]] = {}
        clean = self._labeller(cell, 0.0)
        for share in (0.0, *sorted(set(self.shares))):
            labeller = self._labeller(cell, share) if share else clean
            twin = self._twin(cell, cell.strong, share)
            before = replace(cell.setup.zero_shot(cell.strong, cell.test), start=twin)
            own = replace(student(cell.setup, cell.strong, cell.method, labeller), start=twin)
            top = replace(ceiling(cell.setup, cell.strong, cell.method), start=twin)
            found[f"zero_shot/{share:g}"] = _score(before, cell)
            found[f"floor/{share:g}"] = _score(labeller.labels(cell.test)[0], cell)
            found[f"student/{share:g}"] = _score(predicted(own, cell.test), cell)
            found[f"ceiling/{share:g}"] = _score(predicted(top, cell.test), cell)
            found[f"known/{share:g}"] = Membership(
                model=cell.strong, examples=cell.test, unseen=cell.setup.splits["validation"], start=twin
            )
            alone = replace(student(cell.setup, cell.strong, cell.method, clean), start=twin)
            found[f"alone/{share:g}"] = _score(predicted(alone, cell.test), cell)
        return found

    def _labeller(self, cell: Cell, share: float) -> Labeller:
        """The supervisor whose model has read a corpus that leaks this share."""
        fit = cell.supervisors[0]
        return Labeller.of_fit(replace(fit, start=self._twin(cell, fit.model, share)))

    def _twin(self, cell: Cell, model: Model, share: float) -> Contaminate:
        splits = cell.setup.splits
        return Contaminate(
            model=model,
            method=replace(self.pretraining, precision=cell.setup.precision),
            ordinary=replace(splits["transfer"], n=self.ordinary),
            shown=splits["test"],
            others=replace(splits["test"], part=1),
            validation=splits["validation"],
            leaked=share,
            seed=cell.seed,
        )

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        measured = [
            _Measured(name, each) for name, each in zip(comparison_names(comparisons), comparisons, strict=True)
        ]
        return Finding(sentence=_sentence(measured), table=_table(measured), figure=_figure(measured))


def _has_twins(cell: Cell) -> bool:
    """Whether supervisor and student of a cell are one fitted causal model each, that start from their own weights."""
    causal = all(model.causal is not False for model in (*cell.weak.models, cell.strong))
    plain = not (cell.method.adapt or cell.method.chain or cell.method.oracle)
    own = isinstance(cell.weak, Fitted) and cell.test.split == "test"
    return own and causal and plain and cell.task.readout == "tokens"


def _score(predictions: LabelsStep, cell: Cell) -> Score:
    return Score(predictions=predictions, examples=cell.test, gold=Gold(examples=cell.test))


class _Measured:
    """The scores of one comparison, [S, N] each, by role and leaked share; and what leakage adds to them."""

    def __init__(self, name: str, each: Comparison) -> None:
        first: Scores = each.found["floor/0"][0]
        self.name = name
        _, self.groups = np.unique(first.groups, return_inverse=True)
        self.scores: dict[tuple[str, float], Doubles] = {}
        self.known: dict[float, tuple[MemberScores, ...]] = {}
        for key, found in each.found.items():
            role, _, share = key.partition("/")
            if role == "known":
                self.known[float(share)] = found
            else:
                self.scores[role, float(share)] = scores_table(found, first.ids)
        self.shares = sorted(self.known)

    def added(self, role: str, share: float) -> Doubles:
        """What a share of leaked tests adds to the accuracy of a role, for each seed and example."""
        return self.scores[role, share] - self.scores[role, 0.0]

    def area(self, share: float) -> Interval:
        """How well Min-K%++ tells test examples from unseen ones, as the area under the ROC curve."""
        scores = self.known[share]
        return mean_interval(np.stack([area_values(each.score, each.tested) for each in scores]), scores[0].groups)

    def roles(self, who: str, share: float) -> tuple[Doubles, Doubles, Doubles]:
        """Floor, student and ceiling. who: whether `both` models have read the leak, or the student `alone`."""
        if who == "both":
            return self.scores["floor", share], self.scores["student", share], self.scores["ceiling", share]
        return self.scores["floor", 0.0], self.scores["alone", share], self.scores["ceiling", share]

    def pgr(self, who: str, share: float) -> Interval | None:
        found = recovered(*self.roles(who, share), self.groups)
        if found.pgr is None or found.low is None or found.high is None:
            return None
        return Interval(mean=found.pgr, low=found.low, high=found.high, seed_noise=found.seed_noise)

    def flattered(self, who: str, share: float) -> Doubles | None:
        """What a share of leaked tests adds to the PGR, as influence values; None where one of the two is withheld."""
        if self.pgr(who, share) is None or self.pgr("both", 0.0) is None:
            return None
        tables = (*self.roles(who, share), *self.roles("both", 0.0))
        return function_of_means(
            lambda f, s, c, f0, s0, c0: pgr(floor=f, student=s, ceiling=c) - pgr(floor=f0, student=s0, ceiling=c0),
            *tables,
        )


PHRASES = {
    "student": ("a better student", "a worse student", "of a better or worse student"),
    "both": ("a higher PGR", "a lower PGR", "of a higher or lower PGR"),
    "alone": ("a higher PGR", "a lower PGR", "of a higher or lower PGR"),
}


def _sentence(measured: Sequence[_Measured]) -> str:
    """For each share what it adds to student and PGR; all tests together are corrected for their number."""
    values: list[Doubles] = []
    groups: list[npt.NDArray[Any]] = []
    places: list[tuple[float, str]] = []
    for each, what in product(measured, PHRASES):
        for share in each.shares[1:]:
            table = each.added("student", share) if what == "student" else each.flattered(what, share)
            if table is not None:
                values.append(table)
                groups.append(each.groups)
                places.append((share, what))
    found: dict[tuple[float, str], list[Effect]] = {}
    for place, effect in zip(places, effects(values, groups), strict=True):
        found.setdefault(place, []).append(effect)
    clauses = []
    for share in sorted({share for share, _ in places}):
        parts = [_clause(what, found.get((share, what), [])) for what in PHRASES]
        clauses.append(f"With {_percent(share)} of the tests leaked to both models: {'; '.join(parts)}.")
    return " ".join(clauses)


def _clause(what: str, found: Sequence[Effect]) -> str:
    more, less, doubt = PHRASES[what]
    clause = in_words(found, more=more, less=less, doubt=doubt) if found else "the PGR is withheld"
    return f"leaked to the student's model alone: {clause}" if what == "alone" else clause


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _table(measured: Sequence[_Measured]) -> Table:
    columns = (
        Column(head="comparison"),
        Column(head="tests leaked"),
        *(
            column
            for head in ROLES.values()
            for column in (Column(head=head, unit="%"), Column(head=f"{head}, added", unit="points"))
        ),
        *(
            column
            for head in ("PGR", "PGR, student's leak alone")
            for column in (Column(head=head, unit="%"), Column(head=f"{head}, added", unit="points"))
        ),
        Column(head="area of Min-K%++"),
    )
    rows: list[tuple[Value, ...]] = []
    for each in measured:
        for share in each.shares:
            row: list[Value] = [each.name, _percent(share)]
            for role in ROLES:
                row.append(accuracy(each.scores[role, share], each.groups))
                row.append(mean_interval(each.added(role, share), each.groups) if share else None)
            for who in PGRS:
                table = each.flattered(who, share) if share else None
                row += [each.pgr(who, share), None if table is None else mean_interval(table, each.groups)]
            rows.append((*row, each.area(share)))
    return Table(columns=columns, rows=tuple(rows))


def _figure(measured: Sequence[_Measured]) -> Figure:
    panels = tuple(
        Panel(
            title=each.name,
            x=Axis(
                label="tests leaked", ticks=tuple((float(i), _percent(share)) for i, share in enumerate(each.shares))
            ),
            y=Axis(label="accuracy", percent=True),
            series=tuple(
                Series(
                    name=name,
                    colour=COLOURS[role],
                    marks=tuple(
                        Mark.at(float(i), accuracy(each.scores[role, share], each.groups))
                        for i, share in enumerate(each.shares)
                    ),
                )
                for role, name in ROLES.items()
            ),
        )
        for each in measured[:PANELS]
    )
    return Figure(
        title="What leaked test examples add",
        panels=panels,
        caption="Test accuracy of models that differ in one thing: which share of the test examples was among the "
        "lines of their pretraining, solved. Bars are 95 % intervals over seeds and test examples, each seed with a "
        "corpus of its own." + some_of(PANELS, len(measured)),
    )
