"""A person's data as a task, so that the steps of an experiment read it."""

from __future__ import annotations

import hashlib
from collections.abc import Set
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from outgrow.annotations import Annotations
from outgrow.cache import cache_folder
from outgrow.experiment.folds import folds_of
from outgrow.graph import not_hashed
from outgrow.models.base import written_whole
from outgrow.practice.data import PracticeData
from outgrow.tasks.base import Readout, Row, Source, Split, Task
from outgrow.types import Examples, Labels, UserError

FEWEST = 10  # rows with a label, below which nothing is fitted
SLICE = 0.1  # of the rows, for stopping and tuning on weak labels
MOST_SLICE = 1000


@dataclass(frozen=True, kw_only=True)
class Practice(Task):
    """Rows with cheap labels. `test` is all rows; `weak_train` those with ground truth (audited); `transfer` those with
    a label of either sort, less a slice with weak labels, `transfer_validation`.

    folder: where the data was written to. digest: of its content. folds, fold: of the audited rows, those of this fold
    are held out: they are in `test` alone. None: none is held out.
    """

    kind: ClassVar[str] = "task/practice"
    version: ClassVar[int] = 1

    folder: str = not_hashed(default="")
    digest: str = ""
    folds: int = 5
    fold: int | None = None

    @property
    def short_name(self) -> str:
        return "practice"

    def pinned(self) -> Self:
        return self

    def load(self) -> Source:
        """All rows. Their answers are not known: each choice has the same share."""
        rows = _stored(self.folder).examples.rows
        return Source([Row(example=row, answer=(1 / len(row.choices),) * len(row.choices)) for row in rows])

    def annotations(self) -> Annotations:
        """The weak labels, of each source."""
        return _stored(self.folder).annotations

    def audited(self) -> Labels:
        """The ground truth of the rows that have some, without those that are held out."""
        gold, held_out = _stored(self.folder).gold, self.held_out()
        return gold.take(np.array([i for i, id in enumerate(gold.ids) if id not in held_out], dtype=np.int64))

    def held_out(self) -> frozenset[str]:
        """The ids of the audited rows of this fold."""
        if self.fold is None:
            return frozenset()
        stored = _stored(self.folder)
        ids = set(stored.gold.ids)
        audited = replace(stored.examples, rows=tuple(row for row in stored.examples.rows if row.id in ids))
        fold = folds_of(audited, self.folds, seed=0)
        return frozenset(id for id, own in zip(audited.ids, fold.tolist(), strict=True) if own == self.fold)

    def examples(
        self, split: Split, n: int | None, seed: int, part: int = 0, too_long: Set[str] = frozenset()
    ) -> Examples:
        """The rows of a split, in the order of the data; `n`, `seed` and `too_long` play no part.

        Raises UserError for a later `part`, which a chain asks for.
        """
        if part:
            raise UserError('a chain over your own data takes no fresh parts: set chain_data = "same"')
        rows = _stored(self.folder).examples.rows
        if split == "test":
            return Examples(rows=rows)
        audited, held_out = set(self.audited().ids), self.held_out()
        if split == "weak_train":
            return Examples(rows=tuple(row for row in rows if row.id in audited))
        labelled = set(self.annotations().ids) - held_out
        validation = slice_of(labelled, audited)
        chosen = validation if split == "transfer_validation" else (labelled | audited) - validation
        return Examples(rows=tuple(row for row in rows if row.id in chosen))


def slice_of(labelled: Set[str], audited: Set[str]) -> Set[str]:
    """The ids of the validation slice, drawn by a hash; audited rows are for learning, and come last."""
    order = sorted(labelled, key=lambda id: (id in audited, _hash(id)))
    return frozenset(order[: min(MOST_SLICE, int(np.ceil(SLICE * len(order))))])


@dataclass(frozen=True, kw_only=True)
class PairPractice(Practice):
    """Rows with two replies, of which a label prefers one."""

    kind: ClassVar[str] = "task/practice-pairs"
    readout: ClassVar[Readout] = "pair"


def task_of(data: PracticeData) -> Practice:
    """The data as a task, written to this machine's cache by its digest.

    Raises UserError for too few labels and for labels of one class, of which nothing can be learned.
    """
    labels = data.annotations
    if len(labels) < FEWEST:
        raise UserError(f"{data.name} has {len(labels)} rows with a label: give {FEWEST} at least")
    mean = labels.classes().sum(0) / labels.given.sum(0)[:, None]
    if np.ptp(mean, axis=0).max() < 1e-6:
        same = data.classes[int(mean[0].argmax())]
        raise UserError(f"{data.name} has the same label in every row, {same!r}: nothing can be learned")
    digest = _digest(data)
    folder = cache_folder() / "practice" / digest
    if not folder.is_dir():
        with written_whole(folder) as draft:
            _write(data, draft)
    kind = PairPractice if data.replies else Practice
    return kind(folder=str(folder), digest=digest)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Stored:
    examples: Examples
    annotations: Annotations
    gold: Labels


def _write(data: PracticeData, folder: Path) -> None:
    data.examples().save(folder)
    data.annotations.save(folder)
    (folder / "gold").mkdir()
    gold = data.gold_labels() if len(data.audited) else Labels.from_rows((), np.zeros((0, len(data.classes))))
    gold.save(folder / "gold")


@lru_cache(maxsize=2)
def _stored(folder: str) -> _Stored:
    path = Path(folder)
    if not path.is_dir():
        raise UserError(f"{folder} is gone, where the data was written to: run the command again")
    return _Stored(examples=Examples.load(path), annotations=Annotations.load(path), gold=Labels.load(path / "gold"))


def _digest(data: PracticeData) -> str:
    found = hashlib.sha256()
    gold = [-1] * len(data) if data.gold is None else data.gold.tolist()
    for row, right in zip(data.examples().rows, gold, strict=True):
        copy_of = () if row.group == row.id else (row.group,)
        found.update(repr((row.id, row.prompt, row.choices, right, *copy_of)).encode())
    labels = data.annotations
    found.update(repr((data.classes, labels.ids, labels.annotators)).encode())
    for array in (labels.probs, labels.offsets, labels.given):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def _hash(id: str) -> bytes:
    return hashlib.blake2b(f"validation\0{id}".encode(), digest_size=8).digest()
