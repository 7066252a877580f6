"""Annotations: the labels of several annotators for the same examples. An annotator may abstain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from outgrow.types import Doubles, Ints, Labels, UserError, shared_choices

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Annotations:
    """For each annotator and example, a distribution over the example's choices, or an abstention.

    ids: n examples, each labelled by at least one annotator. annotators: a names. probs: float64
    [a, total number of choices]; the columns of example i are offsets[i]:offsets[i + 1], with zeros where an annotator
    abstains. offsets: int64 [n + 1]. given: bool [a, n], False where an annotator abstains.
    """

    ids: tuple[str, ...]
    annotators: tuple[str, ...]
    probs: Doubles
    offsets: Ints
    given: Bools

    @classmethod
    def from_labels(cls, labels: Sequence[Labels], annotators: Sequence[str] = ()) -> Self:
        """The labels of each annotator, joined by id. The ids are in order of first appearance.

        Raises UserError for an id that one annotator has twice, and if annotators have different numbers of choices for
        an example.
        """
        ids = tuple(dict.fromkeys(id for one in labels for id in one.ids))
        position = {id: i for i, id in enumerate(ids)}
        rows = [np.array([position[id] for id in one.ids], dtype=np.int64) for one in labels]
        widths, given = np.zeros(len(ids), dtype=np.int64), np.zeros((len(labels), len(ids)), dtype=bool)
        for indices, one, mask in zip(rows, labels, given, strict=True):
            mask[indices] = True
            if mask.sum() < len(indices):
                raise UserError("a supervisor labelled an example twice: keep one row for each id")
            if len(differing := indices[(widths[indices] > 0) & (widths[indices] != one.widths)]):
                raise UserError(
                    f"the supervisors saw different choices of {ids[differing[0]]!r}: let each label the same ones"
                )
            widths[indices] = one.widths
        offsets = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
        probs = np.zeros((len(labels), offsets[-1]))
        for indices, one, row in zip(rows, labels, probs, strict=True):
            shift = np.repeat(offsets[indices] - one.offsets[:-1], one.widths)
            row[np.arange(len(shift)) + shift] = one.probs
        names = tuple(annotators) or tuple(str(i) for i in range(len(labels)))
        return cls(ids=ids, annotators=names, probs=probs, offsets=offsets, given=given)

    @classmethod
    def from_matrix(
        cls,
        ids: Sequence[str],
        matrix: npt.NDArray[Any],
        classes: int,
        annotators: Sequence[str] = (),
        abstain: int = -1,
    ) -> Self:
        """Annotations from a matrix of class indices, int [n, a], as in other weak-supervision libraries.

        An entry equal to `abstain` is an abstention. Examples that no annotator labels are left out. Raises UserError
        for shapes that do not fit and for a class outside 0 to classes - 1.
        """
        votes = np.asarray(matrix)
        if votes.ndim != 2 or len(votes) != len(ids):
            raise UserError(f"{len(ids)} ids and votes of shape {votes.shape} do not fit: give [examples, annotators]")
        given = votes != abstain
        if (invalid := given & ((votes < 0) | (votes >= classes))).any():
            i, j = np.argwhere(invalid)[0].tolist()
            raise UserError(f"example {ids[i]!r} has the class {votes[i, j]}: give 0 to {classes - 1}, or {abstain}")
        kept = np.flatnonzero(given.any(1)).tolist()
        probs = np.eye(classes)[np.where(given, votes, 0)[kept]] * given[kept, :, None]
        return cls(
            ids=tuple(ids[i] for i in kept),
            annotators=tuple(annotators) or tuple(str(j) for j in range(votes.shape[1])),
            probs=probs.transpose(1, 0, 2).reshape(votes.shape[1], -1),
            offsets=np.arange(len(kept) + 1, dtype=np.int64) * classes,
            given=given[kept].T,
        )

    @classmethod
    def from_probabilities(cls, ids: Sequence[str], probs: Doubles, annotators: Sequence[str] = ()) -> Self:
        """Annotations from probabilities [a, n, k] that sum to 1, with a row of NaN for an abstention, as in cleanlab.

        Examples that no annotator labels are left out. Raises UserError for shapes that do not fit and for a row of
        which a part is NaN.
        """
        if probs.ndim != 3 or probs.shape[1] != len(ids):
            raise UserError(f"{len(ids)} ids and probabilities of shape {probs.shape} do not fit: give [a, n, k]")
        missing = np.isnan(probs)
        if (parts := missing.any(2) & ~missing.all(2)).any():
            raise UserError(
                f"example {ids[int(np.argwhere(parts)[0, 1])]!r} has a probability that is NaN: all or none"
            )
        given = np.asarray(~missing.all(2))
        kept = np.flatnonzero(given.any(0))
        return cls(
            ids=tuple(ids[i] for i in kept.tolist()),
            annotators=tuple(annotators) or tuple(str(j) for j in range(len(probs))),
            probs=np.nan_to_num(probs[:, kept]).reshape(len(probs), -1),
            offsets=np.arange(len(kept) + 1, dtype=np.int64) * probs.shape[2],
            given=given[:, kept],
        )

    def __len__(self) -> int:
        return len(self.ids)

    def matrix(self, abstain: int = -1) -> Ints:
        """The most probable class of each annotator (the first of ties), int64 [n, a], `abstain` for an abstention.

        Raises UserError if the number of choices differs between examples.
        """
        if not len(self):
            return np.zeros((0, len(self.annotators)), dtype=np.int64)
        return np.where(self.given, self.classes().argmax(2), abstain).T

    def speaking(self) -> Self:
        """These annotations without the annotators that label nothing."""
        speaks = np.asarray(self.given.any(1))
        names = tuple(name for name, each in zip(self.annotators, speaks, strict=True) if each)
        return type(self)(
            ids=self.ids, annotators=names, probs=self.probs[speaks], offsets=self.offsets, given=self.given[speaks]
        )

    def taken(self, ids: Sequence[str]) -> Self:
        """The annotations of these examples, in this order; those that no annotator labels are left out."""
        place = {id: i for i, id in enumerate(self.ids)}
        kept = np.array([place[id] for id in ids if id in place], dtype=np.int64)
        widths = np.diff(self.offsets)[kept]
        offsets = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
        columns = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][kept] - offsets[:-1], widths)
        return type(self)(
            ids=tuple(self.ids[i] for i in kept.tolist()),
            annotators=self.annotators,
            probs=self.probs[:, columns],
            offsets=offsets,
            given=self.given[:, kept],
        )

    def labels(self) -> tuple[Labels, ...]:
        """The labels of each annotator, without the examples on which it abstains."""
        widths = np.diff(self.offsets)
        labels = []
        for probs, given in zip(self.probs, self.given, strict=True):
            offsets = np.concatenate([[0], np.cumsum(widths[given])]).astype(np.int64)
            ids = tuple(id for id, labelled in zip(self.ids, given, strict=True) if labelled)
            labels.append(Labels(ids=ids, probs=probs[np.repeat(given, widths)].astype(np.float32), offsets=offsets))
        return tuple(labels)

    def classes(self) -> Doubles:
        """The probabilities as float64 [a, n, k], for k choices that all examples share, with zeros for abstentions.

        Raises UserError if the number of choices differs between examples.
        """
        return self.probs.reshape(len(self.probs), len(self), shared_choices(self.offsets))

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        arrays = {"probs": self.probs, "offsets": self.offsets, "given": self.given}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / "votes.safetensors")
        (folder / "names.json").write_text(json.dumps({"ids": self.ids, "annotators": self.annotators}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        from safetensors.numpy import load_file

        names = json.loads((folder / "names.json").read_text())
        arrays = load_file(folder / "votes.safetensors")
        return cls(ids=tuple(names["ids"]), annotators=tuple(names["annotators"]), **arrays)
