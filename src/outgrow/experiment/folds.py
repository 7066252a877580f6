"""Out-of-fold predictions: each example is predicted by a model that has not learned from its label."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.experiment.data import LabelsStep, PartOfLabels
from outgrow.experiment.steps import Predict
from outgrow.graph import Context
from outgrow.types import Examples, Ints, Labels, UserError


def folds_of(examples: Examples, folds: int, seed: int) -> Ints:
    """The fold of each example, int64 [n]. Groups are never split, and are dealt out in the order of a hash with the
    seed, so that the order of the examples means nothing. Raises UserError for fewer groups than folds."""
    groups = sorted(set(examples.groups), key=lambda group: _hash(seed, group))
    if len(groups) < folds:
        raise UserError(f"{len(groups)} groups of examples cannot be cut into {folds} folds: give more examples")
    fold = {group: i % folds for i, group in enumerate(groups)}
    return np.array([fold[group] for group in examples.groups], dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class OtherFolds(PartOfLabels):
    """The labels of the examples outside one of the folds."""

    kind: ClassVar[str] = "other_folds"

    fold: int
    folds: int
    seed: int = 0

    @property
    def title(self) -> str:
        return f"labels outside a fold of {self.examples.task.name} {self.examples.split}"

    def places(self, ids: tuple[str, ...], ctx: Context) -> Ints:
        examples = ctx.load(self.examples)
        fold = dict(zip(examples.ids, folds_of(examples, self.folds, self.seed).tolist(), strict=True))
        return np.flatnonzero([fold[id] != self.fold for id in ids])


@dataclass(frozen=True, kw_only=True)
class OutOfFold(LabelsStep):
    """Of several predictions of the same examples, for each example that of its own fold.

    predictions: in the order of the folds, each of a model that learned from the other folds.
    """

    kind: ClassVar[str] = "out_of_fold"

    predictions: tuple[Predict, ...]
    seed: int = 0

    @property
    def title(self) -> str:
        return f"out-of-fold predictions of {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Labels:
        examples = ctx.load(self.examples)
        each = [ctx.load(step).aligned(examples) for step in self.predictions]
        return picked(each, folds_of(examples, len(each), self.seed))


def picked(each: Sequence[Labels], which: Ints) -> Labels:
    """For each example the labels of one of several sources. which: its index, int64 [n]."""
    return Labels.from_rows(each[0].ids, [each[source].row(i) for i, source in enumerate(which.tolist())])


def _hash(seed: int, group: str) -> bytes:
    return hashlib.blake2b(f"fold {seed}\0{group}".encode(), digest_size=8).digest()
