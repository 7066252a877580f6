"""Leakage: do the models look as if they had read the test examples before?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from outgrow.analyses.base import Analysis, Comparison
from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold, Prepare
from outgrow.experiment.membership import MemberScores, Membership
from outgrow.experiment.scoring import Score
from outgrow.finding import Axis, Column, Figure, Finding, Mark, Panel, Series, Table, in_points
from outgrow.graph import Step
from outgrow.measures.accuracy import accuracy
from outgrow.measures.area import area_values, difference_values
from outgrow.measures.crossed import Interval, mean_interval
from outgrow.measures.effects import Effect, effects
from outgrow.models.base import Model
from outgrow.ranges import Range, check_ranges
from outgrow.tasks.base import Split
from outgrow.types import Doubles, Scores, UserError

CHANCE = 0.5  # the area under the ROC curve of scores that tell nothing
MEASURES = {"score": "Min-K%++", "blind": "bag of words"}


@dataclass(frozen=True, kw_only=True)
class Leakage(Analysis):
    """Whether a model knows the test examples better than unseen ones: by its accuracy before any training, and by the
    membership score Min-K%++ (Zhang et al. 2024) of the examples with their answers.

    The unseen examples are those of the split `unseen`, of the same source, and matched in length. A score that tells
    the two sets apart says nothing where a bag of words does so too: then the sets differ (Duan et al. 2024; Das, Zhang
    & Tramèr 2025, on benchmarks of membership). share: of the tokens of an example that Min-K%++ reads, the least
    expected ones.
    """

    question: ClassVar[str] = "Do the models look as if they had read the test examples before?"

    unseen: Split = "validation"
    share: float = 0.2

    def __post_init__(self) -> None:
        check_ranges(self, share=Range(least=0, most=1, above=True))
        if self.unseen == "test":
            raise UserError('unseen is "test": name another split, whose examples the models have not read')

    def check(self, cells: Sequence[Cell]) -> None:
        """Raises UserError where no task is answered by next tokens, or no model predicts them, and where the unseen
        examples are scored."""
        if not any(_models(cell) for cell in cells):
            raise UserError(
                "analysis leakage reads what causal models predict, so it needs one, on a task that is answered by "
                'next tokens: set task = "chess-puzzles" and strong = "ladder/knight"'
            )
        if any(cell.test.split == self.unseen for cell in cells):
            raise UserError(
                f"analysis leakage compares the examples that are scored with unseen ones, and both are {self.unseen}: "
                'name another split, { name = "leakage", unseen = "transfer_validation" }'
            )

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        found: dict[str, Step[Any]] = {}
        unseen = cell.setup.splits[self.unseen]
        for model in _models(cell):
            found[f"{model.name}/tested"] = _zero_shot(cell, model, cell.test)
            found[f"{model.name}/unseen"] = _zero_shot(cell, model, unseen)
            known = Membership(model=model, examples=cell.test, unseen=unseen, share=self.share)
            found[f"{model.name}/score"] = known
        return found

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        seen = _seen(comparisons)
        return Finding(sentence=_sentence(seen), table=_table(seen), figure=_figure(seen), notes=_notes(seen))


def _models(cell: Cell) -> tuple[Model, ...]:
    """The causal models of a cell, on a task that they answer before any training."""
    if cell.task.readout != "tokens":
        return ()
    every = {model.name: model for model in (*cell.weak.models, cell.strong) if model.causal is not False}
    return tuple(every.values())


def _zero_shot(cell: Cell, model: Model, examples: Prepare) -> Score:
    return Score(predictions=cell.setup.zero_shot(model, examples), examples=examples, gold=Gold(examples=examples))


class _Seen:
    """What one model knows of one task."""

    def __init__(self, task: str, model: str, tested: Scores, unseen: Scores, known: MemberScores) -> None:
        self.task, self.model = task, model
        self.tested, self.unseen = tested, unseen
        _, self.groups = np.unique(known.groups, return_inverse=True)
        self.areas = {name: area_values(getattr(known, name), known.tested)[None] for name in MEASURES}
        self.better = difference_values(
            np.concatenate([tested.correct, unseen.correct]),
            np.arange(len(tested.ids) + len(unseen.ids)) < len(tested.ids),
        )[None]
        _, self.all_groups = np.unique([*tested.groups, *unseen.groups], return_inverse=True)
        self.pairs = int(known.tested.sum())

    @property
    def name(self) -> str:
        return f"{self.task} · {self.model}"


def _seen(comparisons: Sequence[Comparison]) -> list[_Seen]:
    """Each model of each task once: it is the same for every seed, and in every comparison."""
    found: dict[tuple[str, str], _Seen] = {}
    for each in comparisons:
        for model in dict.fromkeys(key.rpartition("/")[0] for key in each.found):
            parts = (each.found[f"{model}/{what}"][0] for what in ("tested", "unseen", "score"))
            if (each.task, model) not in found:
                found[each.task, model] = _Seen(each.task, model, *parts)
    return list(found.values())


def _tested(seen: Sequence[_Seen]) -> list[tuple[_Seen, dict[str, Effect]]]:
    """The effects of each model: `score` and `blind` above chance, and the accuracy, `better`. All are corrected
    together for their number, except `blind`: a baseline is to be seen, not to be hidden by the number of models."""
    values: list[Doubles] = []
    groups: list[npt.NDArray[Any]] = []
    for each in seen:
        values += [each.areas["score"] - CHANCE, each.better]
        groups += [each.groups, each.all_groups]
    found = effects(values, groups)
    return [
        (
            each,
            {
                "score": found[2 * i],
                "better": found[2 * i + 1],
                "blind": effects([each.areas["blind"] - CHANCE], [each.groups])[0],
            },
        )
        for i, each in enumerate(seen)
    ]


def _looks_leaked(found: Mapping[str, Effect]) -> bool:
    return found["blind"].sign <= 0 and (found["score"].sign > 0 or found["better"].sign > 0)


def _sentence(seen: Sequence[_Seen]) -> str:
    tested = _tested(seen)
    leaked = [(each, found) for each, found in tested if _looks_leaked(found)]
    differ = [each for each, found in tested if found["blind"].sign > 0]
    clean = [found for each, found in tested if not _looks_leaked(found) and each not in differ]
    clauses = [f"Warning, this looks leaked: {_evidence(each, found)}." for each, found in leaked]
    if differ:
        clauses.append(
            f"Of {', '.join(each.name for each in differ)} nothing can be said: a bag of words tells the two sets "
            "apart, so they differ in more than that the models may have read one of them."
        )
    if clean:
        smallest = max(found["score"].smallest for found in clean)
        where = "" if len(clean) == len(tested) else f"Of the other {len(clean)} models: "
        start = "N" if not where else "n"
        clauses.append(
            f"{where}{start}o evidence that the test examples were read before; an area of "
            f"{CHANCE + min(smallest, CHANCE):.3f} under the ROC curve of Min-K%++ would have been seen."
        )
    return " ".join(clauses)


def _evidence(each: _Seen, found: Mapping[str, Effect]) -> str:
    clauses = []
    if found["score"].sign > 0:
        area = found["score"].interval
        low, mean, high = (CHANCE + value for value in (area.low, area.mean, area.high))
        clauses.append(
            f"by Min-K%++ {each.model} surely knows test examples better (area {mean:.3f}, {low:.3f}–{high:.3f})"
        )
    if found["better"].sign > 0:
        by = in_points(found["better"].interval)
        clauses.append(
            f"before any training {each.model} is surely right on more test examples than unseen ones, by {by}"
        )
    return f"on {each.task}, {' and '.join(clauses)}"


def _table(seen: Sequence[_Seen]) -> Table:
    columns = (
        Column(head="task"),
        Column(head="model"),
        Column(head="right on test before training", unit="%"),
        Column(head="right on unseen", unit="%"),
        Column(head="difference", unit="points"),
        *(Column(head=f"area of {name}") for name in MEASURES.values()),
        Column(head="pairs of equal length"),
    )
    return Table(
        columns=columns,
        rows=tuple(
            (
                each.task,
                each.model,
                *(accuracy(scores.correct[None], scores.groups) for scores in (each.tested, each.unseen)),
                mean_interval(each.better, each.all_groups),
                *(mean_interval(each.areas[name], each.groups) for name in MEASURES),
                each.pairs,
            )
            for each in seen
        ),
    )


def _figure(seen: Sequence[_Seen]) -> Figure:
    def marks(name: str) -> tuple[Mark, ...]:
        return tuple(Mark.at(float(i), _area(each, name)) for i, each in enumerate(seen))

    panel = Panel(
        title="Test examples told from unseen ones",
        x=Axis(label="", ticks=tuple((float(i), each.name) for i, each in enumerate(seen))),
        y=Axis(label="area under the ROC curve"),
        level=("chance", CHANCE),
        series=(
            Series(name=MEASURES["score"], colour="student", joined=False, marks=marks("score")),
            Series(name=MEASURES["blind"], colour="muted", joined=False, marks=marks("blind")),
        ),
    )
    return Figure(
        title="Do the models know the test examples?",
        panels=(panel,),
        caption="The probability that a test example has a higher score than an unseen one, of pairs of equal length, "
        "with 95 % intervals. Chance is a half. A bag of words that is above it says that the two sets differ.",
    )


def _area(each: _Seen, name: str) -> Interval:
    return mean_interval(each.areas[name], each.groups)


def _notes(seen: Sequence[_Seen]) -> tuple[str, ...]:
    return (
        (
            "A score at chance proves nothing: on a corpus read once such scores see little (Duan et al. 2024); "
            "analysis twins says how large a leak this one sees",
        )
        if seen
        else ()
    )
