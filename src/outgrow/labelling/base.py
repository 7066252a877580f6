"""What a labelling rule is: a pure function from what supervisors say to what a student learns from."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from outgrow.notes import read_notes, write_notes
from outgrow.types import Doubles, Ints, Labels, Shape, UserError


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Subclass it, add fields, write `apply`. It sees no ground truth and no example's text.

    A rule that aggregates joins the labels of several supervisors; one that selects keeps some examples and leaves
    their labels as they are; every other rule transforms labels.
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
    needs_features: ClassVar[bool] = False  # whether it reads the student's frozen features

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

    def apply(self, labels_of_each: Sequence[Labels], features: Doubles | None = None) -> Labels:
        """Better labels; `Ruled` ones where something is to be known of how they came about.

        said: the labels of each supervisor; one alone unless the rule aggregates. A supervisor that abstains from an
        example has no label for it. features: the student's, float64 [n, width], in the order of the first labels'
        ids; None unless `needs_features`.
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
    return labels.notes if isinstance(labels, NotedLabels) else ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Annotations:
    """What several supervisors say of the same examples, with gaps.

    ids: every example that one of them labelled. probs: float64 [supervisors, sum of choices], example i owns the
    columns offsets[i]:offsets[i + 1], 0 where a supervisor abstains. given: bool [supervisors, n], False there.
    """

    ids: tuple[str, ...]
    probs: Doubles
    offsets: Ints
    given: npt.NDArray[np.bool_]

    def classes(self) -> Doubles:
        """The same as float64 [supervisors, n, k]. Examples with different numbers of choices are a UserError."""
        return self.probs.reshape(len(self.probs), len(self.ids), _classes(self.offsets))


def joined(labels_of_each: Sequence[Labels]) -> Annotations:
    """The labels of all supervisors by id, in the order in which the ids appear. A doubled id, or another number of
    choices for the same example, is a UserError."""
    ids = tuple(dict.fromkeys(id for labels in labels_of_each for id in labels.ids))
    where = {id: i for i, id in enumerate(ids)}
    rows = [np.array([where[id] for id in labels.ids], dtype=np.int64) for labels in labels_of_each]
    counts, given = np.zeros(len(ids), dtype=np.int64), np.zeros((len(labels_of_each), len(ids)), dtype=bool)
    for own, labels, seen in zip(rows, labels_of_each, given, strict=True):
        seen[own] = True
        if seen.sum() < len(own):
            raise UserError("a supervisor labelled an example twice: keep one row for each id")
        choices = np.diff(labels.offsets)
        if len(other := own[(counts[own] > 0) & (counts[own] != choices)]):
            raise UserError(f"the supervisors saw different choices of {ids[other[0]]!r}: let each label the same ones")
        counts[own] = choices
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    probs = np.zeros((len(labels_of_each), offsets[-1]))
    for own, labels, row in zip(rows, labels_of_each, probs, strict=True):
        shift = np.repeat(offsets[own] - labels.offsets[:-1], np.diff(labels.offsets))
        row[np.arange(len(shift)) + shift] = labels.probs
    return Annotations(ids=ids, probs=probs, offsets=offsets, given=given)


def classes_of(labels: Labels) -> Doubles:
    """Labels over the same k choices as one array, float64 [n, k]. Rows of different lengths are a UserError."""
    return labels.probs.reshape(len(labels), _classes(labels.offsets)).astype(np.float64)


def _classes(offsets: Ints) -> int:
    counts = np.unique(np.diff(offsets))
    if len(counts) > 1:
        raise UserError("this labelling rule needs examples that share their choices: their number differs here")
    return int(counts.sum())


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
