"""Labelling rules: pure functions from the labels of supervisors to the labels that a student is trained on."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from outgrow.annotations import Bools
from outgrow.notes import read_notes, write_notes
from outgrow.types import Doubles, Ints, Labels, Shape, UserError


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """The inputs of a rule other than labels: every entry of its `needs`, by that name.

    features: float64 [n, width], one row for each of the first annotator's ids, in the same order. predictions: labels
    of the same examples, in the same order. seed: the seed of the experiment's cell.
    """

    features: Mapping[str, Doubles] = field(default_factory=dict)
    predictions: Mapping[str, Labels] = field(default_factory=dict)
    seed: int = 0


NO_EVIDENCE = Evidence()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Base class of labelling rules. Subclass it, add fields, implement `apply`.

    A rule gets neither ground truth nor the text of examples. A rule that `aggregates` combines the labels of several
    annotators; one that `selects` keeps a subset of the examples, their labels unchanged or hardened; every other rule
    transforms labels.

    needs: the evidence that `apply` reads; each entry becomes a step of the graph. "student/features" and
    "supervisor/features" are frozen features of the last layer, "student/features@-2" those of another layer;
    "student/zero_shot" and "supervisor/zero_shot" are the zero-shot predictions of the pretrained model, for tasks with
    the readout "tokens". "student/folds:5" and "supervisor/folds:5" are out-of-fold predictions: of a linear head on
    the frozen features of the model, which learned from the labels of the other four folds (of whole groups).
    """

    kind: ClassVar[str]  # not needed by a plug-in from outside the package
    version: ClassVar[int] = 1
    aggregates: ClassVar[bool] = False
    min_supervisors: ClassVar[int] = (
        2  # the fewest supervisors that an aggregating rule joins; the labels of a single one stay as they are
    )
    selects: ClassVar[bool] = False
    # Whether it changes only the confidence of each label, from that label alone. Selecting rules are applied first,
    # since they read the confidence of the supervisor.
    rescales: ClassVar[bool] = False
    shared_choices: ClassVar[bool] = False  # whether all examples must have the same choices
    needs: ClassVar[tuple[str, ...]] = ()

    def check(self, shape: Shape) -> None:
        """Raises UserError if the rule does not support a task of this shape."""
        if self.shared_choices and shape.readout == "tokens":
            name = type(self).__name__
            raise UserError(
                f"{name} needs examples that share their choices, and this task's have their own: remove it"
            )

    def check_votes(self, cast: Bools) -> None:
        """Raises UserError if an aggregating rule cannot join such votes. cast: whether each annotator votes on each
        example, bool [annotators, n]."""

    @property
    def training_rule(self) -> Rule | None:
        """The rule whose labels the heads of `folds` learn from, which may have the same `needs` in turn: the
        training rule of a rule in rounds is itself with one round less. Default: None, the labels as they are."""
        return None

    @property
    def transforms(self) -> bool:
        """Whether it neither aggregates nor selects."""
        return not (self.aggregates or self.selects)

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        """The new labels; `NotedLabels` to add notes that are shown with the results.

        labels: the labels of each annotator; exactly one entry unless the rule aggregates. An annotator that abstains
        on an example has no label for it. evidence: the inputs that the rule `needs`.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True, eq=False)
class NotedLabels(Labels):
    """Labels that were made by rules, with notes for the user."""

    notes: tuple[str, ...] = ()

    def save(self, folder: Path) -> None:
        super().save(folder)
        write_notes(folder, self.notes)

    @classmethod
    def load(cls, folder: Path) -> Self:
        labels = super().load(folder)
        return cls(ids=labels.ids, probs=labels.probs, offsets=labels.offsets, notes=read_notes(folder))


def notes_of(labels: Labels) -> tuple[str, ...]:
    """The notes of labels; () for labels without any."""
    return labels.notes if isinstance(labels, NotedLabels) else ()


def top_share(labels: Labels, share: float, per_class: bool, scores: Doubles, salt: str) -> tuple[Ints, int]:
    """The indices of the `share` of examples with the highest `scores` ([n]), in ascending order.

    The number of examples is rounded up. per_class: take the share within each predicted class. If the cut falls
    between examples of equal score, a hash of `salt` and id decides which of them are kept. Returns also how many of
    the kept examples have that score.
    """
    hashes = np.array([_hash(salt, id) for id in labels.ids], dtype=np.uint64)
    predicted = labels.hard() if per_class else np.zeros(len(labels), dtype=np.int64)
    kept, tied = [np.zeros(0, dtype=np.int64)], 0
    for label in np.unique(predicted):
        members = np.flatnonzero(predicted == label)
        order = members[np.lexsort((hashes[members], -scores[members]))]
        count = max(1, math.ceil(share * len(members) - 1e-9))  # 10 % of 30 are 3, although 0.1 * 30 > 3
        kept.append(order[:count])
        if count < len(order) and scores[order[count]] == scores[order[count - 1]]:
            tied += int((scores[order[:count]] == scores[order[count]]).sum())
    return np.sort(np.concatenate(kept)), tied


def subset(labels: Labels, indices: Ints, notes: tuple[str, ...] = ()) -> NotedLabels:
    """The labels of the examples at these indices, with notes."""
    kept = labels.take(indices)
    return NotedLabels(ids=kept.ids, probs=kept.probs, offsets=kept.offsets, notes=notes)


def _hash(salt: str, text: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{salt}\0{text}".encode(), digest_size=8).digest(), "big")
