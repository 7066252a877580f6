"""Annotations: what several annotators say of the same examples, with gaps."""

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
    """A distribution over each example's choices, or nothing, from each annotator.

    ids: n examples, each labelled by one annotator at least. annotators: their names, [a]. probs: float64
    [a, sum of choices]; example i owns the columns offsets[i]:offsets[i + 1], 0 where an annotator abstains.
    given: bool [a, n], False where an annotator abstains.
    """

    ids: tuple[str, ...]
    annotators: tuple[str, ...]
    probs: Doubles
    offsets: Ints
    given: Bools

    @classmethod
    def from_labels(cls, labels: Sequence[Labels], annotators: Sequence[str] = ()) -> Self:
        """The labels of each annotator joined by id, in the order in which the ids appear.

        Raises UserError for an id that one annotator has twice, and where annotators disagree on the number of choices
        of an example.
        """
        ids = tuple(dict.fromkeys(id for each in labels for id in each.ids))
        position = {id: i for i, id in enumerate(ids)}
        rows = [np.array([position[id] for id in each.ids], dtype=np.int64) for each in labels]
        counts, given = np.zeros(len(ids), dtype=np.int64), np.zeros((len(labels), len(ids)), dtype=bool)
        for own, each, has in zip(rows, labels, given, strict=True):
            has[own] = True
            if has.sum() < len(own):
                raise UserError("a supervisor labelled an example twice: keep one row for each id")
            if len(other := own[(counts[own] > 0) & (counts[own] != each.widths)]):
                raise UserError(
                    f"the supervisors saw different choices of {ids[other[0]]!r}: let each label the same ones"
                )
            counts[own] = each.widths
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        probs = np.zeros((len(labels), offsets[-1]))
        for own, each, row in zip(rows, labels, probs, strict=True):
            shift = np.repeat(offsets[own] - each.offsets[:-1], each.widths)
            row[np.arange(len(shift)) + shift] = each.probs
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
        """Votes as one class an example and annotator, int [n, a]; `abstain` is no vote. Examples without any vote are
        left out. Raises UserError for shapes that do not fit and for a class outside 0 to classes - 1."""
        votes = np.asarray(matrix)
        if votes.ndim != 2 or len(votes) != len(ids):
            raise UserError(f"{len(ids)} ids and votes of shape {votes.shape} do not fit: give [examples, annotators]")
        given = votes != abstain
        if (wrong := given & ((votes < 0) | (votes >= classes))).any():
            i, j = np.argwhere(wrong)[0].tolist()
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

    def __len__(self) -> int:
        return len(self.ids)

    def labels(self) -> tuple[Labels, ...]:
        """The labels of each annotator, without the examples from which it abstains."""
        widths = np.diff(self.offsets)
        found = []
        for probs, given in zip(self.probs, self.given, strict=True):
            own = widths[given]
            offsets = np.concatenate([[0], np.cumsum(own)]).astype(np.int64)
            ids = tuple(id for id, has in zip(self.ids, given, strict=True) if has)
            found.append(Labels(ids=ids, probs=probs[np.repeat(given, widths)].astype(np.float32), offsets=offsets))
        return tuple(found)

    def classes(self) -> Doubles:
        """The same as float64 [a, n, k]. Examples with different numbers of choices are a UserError."""
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
