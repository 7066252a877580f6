"""The base class of analyses: the steps that a question needs, and a pure function from their results to a finding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold
from outgrow.experiment.scoring import Score
from outgrow.experiment.steps import Fit, predicted
from outgrow.finding import Finding
from outgrow.graph import Step
from outgrow.types import Doubles, Ints, Labels, Scores

ABSTAINED = -1  # instead of the index of a choice
Facts: TypeAlias = Mapping[str, str | float]


@dataclass(frozen=True, kw_only=True)
class Analysis(ABC):
    """A question about an experiment. Subclass it, add fields, implement `finding`.

    An analysis is in no cache key: asking another question computes no fit anew. question: what it asks, the head of
    its section in a report.
    """

    question: ClassVar[str]

    @property
    def name(self) -> str:
        """Its name in TOML: that of its file, `error-structure`, or `package.module:Class` from outside the package."""
        module = type(self).__module__
        if module.startswith("outgrow."):
            return module.rpartition(".")[2].replace("_", "-")
        return f"{module}:{type(self).__qualname__}"

    def check(self, cells: Sequence[Cell]) -> None:  # noqa: B027 - most need nothing beyond the cells
        """Raise UserError where the experiment lacks what this analysis needs, with what to add. Default: never."""

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        """The steps that it reads of each cell, by names of its own. Most are those of the cell. A cell without any is
        not part of the question. Default: none."""
        return {}

    def facts(self, cell: Cell) -> Facts:
        """What it reads of the cell itself, the same for every seed, as plain values by name. Default: nothing."""
        return {}

    @abstractmethod
    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        """What is found in these comparisons, at least one: all that are stored, each with two or more test groups.

        It reads nothing else, so that equal artifacts give an equal finding.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What one model answers to the test examples, with a row for each seed.

    ids, groups: of the N test examples. chosen: the choice, int64 [S, N], `ABSTAINED` where there is none. correct: the
    score of it, float64 [S, N], NaN where there is none. confidence: its probability, float64 [S, N], likewise.
    choices: how many choices an example has, [N].
    """

    ids: tuple[str, ...]
    groups: npt.NDArray[Any]
    chosen: Ints
    correct: Doubles
    confidence: Doubles
    choices: Ints

    @property
    def wrong(self) -> Doubles:
        """1 where the answer is not right, 0 where it is or where there is none."""
        return np.nan_to_num(1.0 - self.correct)

    @property
    def given(self) -> Doubles:
        """1 where there is an answer, else 0."""
        return (~np.isnan(self.correct)).astype(np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """A task, supervisor, student and method, with what the steps of an analysis gave.

    weights: the number of weights of the student, None if it is not known. found: by the name of the step, an artifact
    for each of the seeds. facts: those of its cells that the analysis reads.
    """

    task: str
    weak: str
    strong: str
    method: str
    weights: int | None = None
    seeds: tuple[int, ...]
    found: Mapping[str, tuple[Any, ...]]
    facts: Facts = field(default_factory=dict)

    def answers(self, role: str) -> Answers:
        """The answers of one of the `roles_of` a cell. All have the test examples in the same order."""
        if role not in self._answers:
            self._answers[role] = answers_of(self.found[role], self.found[f"{role}/answers"], self._ids)
        return self._answers[role]

    def has(self, role: str) -> bool:
        """Whether the answers of a role were read."""
        return role in self.found

    @cached_property
    def _answers(self) -> dict[str, Answers]:
        return {}

    @cached_property
    def _ids(self) -> tuple[str, ...]:
        first: Scores = next(each[0] for each in self.found.values() if isinstance(each[0], Scores))
        return first.ids


def roles_of(cell: Cell, *roles: str) -> dict[str, Step[Any]]:
    """The steps behind `Comparison.answers` for these roles of a cell, such as `floor`, `student`, `ceiling`: the score
    and the predictions of each. A role that the cell does not have is left out."""
    scores = {role: getattr(cell, role) for role in roles}
    return {
        name: step
        for role, score in scores.items()
        if score is not None
        for name, step in ((role, score), (f"{role}/answers", score.predictions))
    }


def scored(fit: Fit, cell: Cell) -> Score:
    """The score of a fit on the test examples of a cell."""
    return Score(predictions=predicted(fit, cell.test), examples=cell.test, gold=Gold(examples=cell.test))


def scores_table(scores: Sequence[Scores], ids: tuple[str, ...]) -> Doubles:
    """The scores of each seed in the order of `ids`, [S, N]."""
    rows = [dict(zip(each.ids, each.correct.tolist(), strict=True)) for each in scores]
    return np.array([[row[id] for id in ids] for row in rows])


class Named(Protocol):
    """A comparison by its names."""

    @property
    def task(self) -> str: ...
    @property
    def weak(self) -> str: ...
    @property
    def strong(self) -> str: ...
    @property
    def method(self) -> str: ...


def comparison_names(comparisons: Sequence[Named]) -> list[str]:
    """The names that distinguish each comparison from the others, `task · weak → strong · method`; never empty."""
    tasks, methods = {each.task for each in comparisons}, {each.method for each in comparisons}
    pairs = {(each.weak, each.strong) for each in comparisons}

    def parts(each: Named) -> Iterable[str]:
        if len(tasks) > 1:
            yield each.task
        if len(pairs) > 1 or (len(tasks) == 1 and len(methods) == 1):
            yield f"{each.weak} → {each.strong}"
        if len(methods) > 1:
            yield each.method

    return [" · ".join(parts(each)) for each in comparisons]


def answers_of(scores: Sequence[Scores], labels: Sequence[Labels], ids: tuple[str, ...]) -> Answers:
    """The answers of one model in the order of `ids`: its scores and predictions, a pair for each seed."""
    groups = dict(zip(scores[0].ids, scores[0].groups, strict=True))
    shape = len(scores), len(ids)
    correct, confidence = np.full(shape, np.nan), np.full(shape, np.nan)
    chosen, widths = np.full(shape, ABSTAINED, dtype=np.int64), np.ones(len(ids), dtype=np.int64)
    for seed, (score, label) in enumerate(zip(scores, labels, strict=True)):
        right = dict(zip(score.ids, score.correct.tolist(), strict=True))
        each = zip(label.hard().tolist(), label.confidence().tolist(), label.widths.tolist(), strict=True)
        answered = dict(zip(label.ids, each, strict=True))
        correct[seed] = [right[id] for id in ids]
        for i, id in enumerate(ids):
            if id in answered:
                chosen[seed, i], confidence[seed, i], widths[i] = answered[id]
    _, codes = np.unique([groups[id] for id in ids], return_inverse=True)
    return Answers(ids=ids, groups=codes, chosen=chosen, correct=correct, confidence=confidence, choices=widths)
