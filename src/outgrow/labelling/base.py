"""What a labelling rule is: a pure function from the labels of supervisors to the labels that a student learns from."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from outgrow.notes import read_notes, write_notes
from outgrow.types import Doubles, Ints, Labels, Shape, UserError


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What a rule may read beside labels: what it `needs`, each by that name.

    features: float64 [n, width], one row for each of the first annotator's ids, in their order. predictions: labels of
    the same examples. seed: that of the experiment's cell.
    """

    features: Mapping[str, Doubles] = field(default_factory=dict)
    predictions: Mapping[str, Labels] = field(default_factory=dict)
    seed: int = 0


NO_EVIDENCE = Evidence()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Subclass it, add fields, write `apply`. It sees no ground truth and no example's text.

    A rule that aggregates joins the labels of several annotators; one that selects keeps some examples and leaves their
    labels as they are; every other rule transforms labels.

    needs: what `apply` finds in its evidence; each entry becomes a step of the graph. "student/features" and
    "supervisor/features" are frozen features, "student/features@-2" those of a layer; "student/zero_shot" and
    "supervisor/zero_shot" are the answers of the pretrained model, for tasks that are answered by next tokens.
    """

    kind: ClassVar[str]  # a plug-in from outside the package needs none
    version: ClassVar[int] = 1
    aggregates: ClassVar[bool] = False
    fewest: ClassVar[int] = 2  # supervisors that an aggregating rule needs, where there are several
    selects: ClassVar[bool] = False
    # Whether it only changes how sure each label is, by that label alone. Selecting rules are applied before it, since
    # they read how sure the supervisor was.
    rescales: ClassVar[bool] = False
    shared_choices: ClassVar[bool] = False  # whether all examples must have the same choices
    needs: ClassVar[tuple[str, ...]] = ()

    def check(self, shape: Shape) -> None:
        """Raise a UserError where the rule cannot treat labels of a task of this shape."""
        if self.shared_choices and shape.readout == "tokens":
            name = type(self).__name__
            raise UserError(
                f"{name} needs examples that share their choices, and this task's have their own: remove it"
            )

    @property
    def transforms(self) -> bool:
        return not (self.aggregates or self.selects)

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        """Better labels; `NotedLabels` where a user should know something of how they came about.

        labels: those of each annotator, one alone unless the rule aggregates. An annotator that abstains from an
        example has no label for it. evidence: what the rule `needs`.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True, eq=False)
class NotedLabels(Labels):
    """Labels that rules have made, with notes on what happened on the way."""

    notes: tuple[str, ...] = ()

    def save(self, folder: Path) -> None:
        super().save(folder)
        write_notes(folder, self.notes)

    @classmethod
    def load(cls, folder: Path) -> Self:
        found = super().load(folder)
        return cls(ids=found.ids, probs=found.probs, offsets=found.offsets, notes=read_notes(folder))


def notes_of(labels: Labels) -> tuple[str, ...]:
    """The notes of labels that rules have made; none for others."""
    return labels.notes if isinstance(labels, NotedLabels) else ()


def best(labels: Labels, share: float, per_class: bool, worth: Doubles, salt: str) -> tuple[Ints, int]:
    """The rows of the `share` of examples with the highest `worth` ([n]), rounded up, in their order.

    per_class: of each predicted class. Where the cut falls among equals, a hash of `salt` and id draws from them; the
    second value is how many of the rows were drawn so.
    """
    hashes = np.array([_hash(salt, id) for id in labels.ids], dtype=np.uint64)
    chosen = labels.hard() if per_class else np.zeros(len(labels), dtype=np.int64)
    kept, drawn = [np.zeros(0, dtype=np.int64)], 0
    for each in np.unique(chosen):
        alike = np.flatnonzero(chosen == each)
        order = alike[np.lexsort((hashes[alike], -worth[alike]))]
        count = max(1, math.ceil(share * len(alike) - 1e-9))  # 10 % of 30 are 3, although 0.1 * 30 > 3
        kept.append(order[:count])
        if count < len(order) and worth[order[count]] == worth[order[count - 1]]:
            drawn += int((worth[order[:count]] == worth[order[count]]).sum())
    return np.sort(np.concatenate(kept)), drawn


def subset(labels: Labels, rows: Ints, notes: tuple[str, ...] = ()) -> NotedLabels:
    """The labels of some rows."""
    found = Labels.from_rows([labels.ids[i] for i in rows], [labels.row(int(i)) for i in rows])
    return NotedLabels(ids=found.ids, probs=found.probs, offsets=found.offsets, notes=notes)


def _hash(salt: str, text: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{salt}\0{text}".encode(), digest_size=8).digest(), "big")
