"""Shared data types: examples, labels and scores, joined by example id and never by position; and `UserError`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt

from outgrow.ids import first_duplicate, places

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Readout = Literal["head", "tokens", "pair"]

A = TypeVar("A")
B = TypeVar("B")
MOST_TEXT = 1400  # characters of a message
TOLERANCE = 1e-3  # the largest accepted distance from 1 of the sum of an example's float32 probabilities


class UserError(Exception):
    """An error in the input that the user can fix. The message is one line: what is wrong, and what to type instead.

    Characters that cannot be printed appear as escapes. The middle of a very long message is left out.
    """

    def __init__(self, message: str) -> None:
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
        super().__init__(text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 400]} ... {text[-390:]}")

    @property
    def messages(self) -> tuple[str, ...]:
        """The message, one entry for each line."""
        return tuple(str(self).split("\n"))


class CollectedError(UserError):
    """Several user errors at once, one for each line of the message. Duplicates are dropped."""

    def __init__(self, messages: Iterable[str]) -> None:
        Exception.__init__(self, "\n".join(dict.fromkeys(messages)))

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[str, ...]]]:
        return type(self), (self.messages,)  # not `args`, which is the joined text


class Problems:
    """Collects the UserErrors of many checks, so that a user sees all of them at once."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def map(self, check: Callable[[A], B], items: Iterable[A]) -> list[B]:
        """The results of `check(item)`. Items for which it raises a UserError are left out."""
        results = []
        for item in items:
            with self.collecting():
                results.append(check(item))
        return results

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Records a UserError raised in the `with` block instead of passing it on."""
        try:
            yield
        except UserError as error:
            self.messages += error.messages

    def raise_collected(self) -> None:
        """Raises CollectedError for several recorded errors, UserError for a single one, and nothing for none."""
        if self.messages:
            raise CollectedError(self.messages) if len(set(self.messages)) > 1 else UserError(self.messages[0])


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The form of a task's answers, from which a loss, rule or method decides whether it supports the task.

    readout: "head", a classification head with one output for each class; "tokens", the probabilities of the choices
    as next tokens; "pair", one score for each choice appended to the prompt. choices: the choices that all examples
    share, or None if they differ between examples. distinct: all choices that occur, for readout "tokens"; else empty.
    most: the largest number of choices of an example.
    """

    readout: Readout
    choices: tuple[str, ...] | None
    distinct: tuple[str, ...] = ()
    most: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One input without its answer, so that passing an example on cannot leak ground truth.

    group: examples of one group (a game, all rows of a question) are always in the same split.
    choices: the possible answers as text. Their number may differ between examples (legal moves in chess).
    """

    id: str
    group: str
    prompt: str
    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The examples of one split, in a fixed order.

    dropped: pairs of a reason and the number of rows that were left out for it. cut: whether examples that are longer
    than a model's context are truncated; otherwise they are an error. Raises UserError for an id that occurs twice.
    """

    rows: tuple[Example, ...]
    dropped: tuple[tuple[str, int], ...] = ()
    cut: bool = False

    def __post_init__(self) -> None:
        if (duplicate := first_duplicate(self.ids)) is not None:
            raise UserError(f"two examples share the id {duplicate!r}: give every row an id of its own")

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        return tuple(row.id for row in self.rows)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        return tuple(row.group for row in self.rows)

    @cached_property
    def widths(self) -> Ints:
        """The number of choices of each example, int64 [n]."""
        return np.fromiter((len(row.choices) for row in self.rows), np.int64, len(self.rows))

    def save(self, folder: Path) -> None:
        import json

        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table(
            {
                "id": pa.array([row.id for row in self.rows], pa.string()),
                "group": pa.array([row.group for row in self.rows], pa.string()),
                "prompt": pa.array([row.prompt for row in self.rows], pa.string()),
                "choices": pa.array([list(row.choices) for row in self.rows], pa.list_(pa.string())),
            }
        )
        pq.write_table(table, folder / "examples.parquet")
        (folder / "dropped.json").write_text(json.dumps(dict(self.dropped)))
        if self.cut:
            (folder / "cut").touch()

    @classmethod
    def load(cls, folder: Path) -> Self:
        import json

        columns = read_parquet(folder / "examples.parquet").to_pydict()
        rows = tuple(
            Example(id=i, group=g, prompt=p, choices=tuple(c))
            for i, g, p, c in zip(columns["id"], columns["group"], columns["prompt"], columns["choices"], strict=True)
        )
        dropped = tuple(json.loads((folder / "dropped.json").read_text()).items())
        return cls(rows=rows, dropped=dropped, cut=(folder / "cut").is_file())


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """A probability for each choice of each example. Ground truth, weak labels and predictions all have this type.

    Examples may have different numbers of choices, so the probabilities are stored flat (a ragged array).

    ids: the n example ids, without duplicates. probs: float32 [total number of choices]. offsets: int64 [n + 1]; the
    probabilities of example i are probs[offsets[i]:offsets[i + 1]] and sum to 1.

    Raises ValueError if the lengths of ids, probs and offsets do not fit, and UserError for an example without
    probabilities or with probabilities that are not finite and non-negative or do not sum to 1 (within 0.001).
    """

    ids: tuple[str, ...]
    probs: Floats
    offsets: Ints

    def __post_init__(self) -> None:
        fits = self.probs.ndim == 1 and len(self.offsets) == len(self.ids) + 1
        if not fits or self.offsets[0] != 0 or self.offsets[-1] != len(self.probs):
            raise ValueError(f"{len(self.ids)} ids, {len(self.offsets)} offsets and {len(self.probs)} probs do not fit")
        if (empty := self.widths < 1).any():
            raise UserError(f"example {self.ids[int(empty.argmax())]!r} has no probabilities: give one for each choice")
        if not len(self):
            return
        starts, probs = self.offsets[:-1], self.probs
        sums, lowest = np.add.reduceat(probs, starts, dtype=np.float64), np.minimum.reduceat(probs, starts)
        invalid = ~((np.abs(sums - 1.0) < TOLERANCE) & (lowest >= 0))  # negated, so that NaN is invalid too
        if invalid.any():
            i = int(invalid.argmax())
            values = ", ".join(f"{p:.6g}" for p in self.row(i)[:5]) + (", …" if self.widths[i] > 5 else "")
            raise UserError(
                f"the labels of example {self.ids[i]!r} are {values} (sum {sums[i]:.6g}): "
                "give finite probabilities that are not negative and sum to 1"
            )

    @classmethod
    def from_rows(cls, ids: Iterable[str], rows: Sequence[Sequence[float] | npt.NDArray[Any]] | Doubles) -> Self:
        """Labels from one row of probabilities for each id: sequences of any lengths, or an array [n, k]."""
        if isinstance(rows, np.ndarray) and rows.ndim == 2:
            flat, counts = rows.reshape(-1), np.full(len(rows), rows.shape[1])
        else:
            counts = np.fromiter(map(len, rows), np.int64, len(rows))
            if len(rows) and isinstance(rows[0], np.ndarray):
                flat = np.concatenate(rows)
            else:
                flat = np.fromiter(chain.from_iterable(rows), np.float32, int(counts.sum()))
        return cls(ids=tuple(ids), probs=flat.astype(np.float32), offsets=_offsets(counts))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def widths(self) -> Ints:
        """The number of choices of each example, int64 [n]."""
        return np.diff(self.offsets)

    def row(self, i: int) -> Floats:
        """The probabilities of example i, float32 [its number of choices]."""
        return self.probs[self.offsets[i] : self.offsets[i + 1]]

    def rows(self) -> list[Floats]:
        """The probabilities of every example, n arrays."""
        return [self.row(i) for i in range(len(self))]

    def confidence(self) -> Floats:
        """The largest probability of each example, float32 [n]."""
        if not len(self):
            return self.probs
        largest: Floats = np.maximum.reduceat(self.probs, self.offsets[:-1])
        return largest

    def hard(self) -> Ints:
        """The index of the most probable choice of each example (the first of ties), int64 [n]."""
        largest = np.flatnonzero(self.probs == np.repeat(self.confidence(), self.widths))
        starts = self.offsets[:-1]
        return largest[np.searchsorted(largest, starts)] - starts

    def probability_of(self, choices: Ints) -> Floats:
        """The probability of one choice of each example, float32 [n]. choices: its index, int64 [n]."""
        return np.asarray(self.probs[self.offsets[:-1] + choices], dtype=np.float32)

    def hardened(self) -> Labels:
        """One-hot labels: probability 1 on the most probable choice of each example."""
        probs = np.zeros_like(self.probs)
        probs[self.offsets[:-1] + self.hard()] = 1.0
        return Labels(ids=self.ids, probs=probs, offsets=self.offsets)

    def take(self, indices: Ints) -> Labels:
        """The labels of the examples at these indices, in the order of the indices."""
        return self._take(indices, tuple(map(self.ids.__getitem__, indices.tolist())))

    def _take(self, indices: Ints, ids: tuple[str, ...]) -> Labels:
        if len(self) and (self.widths == self.widths[0]).all():
            rows = self.probs.reshape(len(self), -1).take(indices, axis=0)
            return Labels(ids=ids, probs=rows.reshape(-1), offsets=np.arange(len(rows) + 1) * rows.shape[1])
        counts = self.widths[indices]
        offsets = _offsets(counts)
        shift = np.repeat(self.offsets[:-1][indices] - offsets[:-1], counts)
        return Labels(ids=ids, probs=self.probs[np.arange(offsets[-1]) + shift], offsets=offsets)

    def aligned(self, examples: Examples) -> Labels:
        """These labels in the order of `examples`; labels of other examples are left out.

        Raises UserError for an example without labels or with another number of probabilities than choices, and for an
        id that occurs twice.
        """
        labels, choices = self.of(examples.ids), examples.widths
        if (differs := labels.widths != choices).any():
            i = int(differs.argmax())
            raise UserError(f"example {labels.ids[i]!r} has {choices[i]} choices but {labels.widths[i]} probabilities")
        return labels

    def of(self, ids: tuple[str, ...]) -> Labels:
        """The labels of these examples, in their order. Raises UserError as `aligned`."""
        return self if self.ids == ids else self._take(self._indices(ids), ids)

    def _indices(self, wanted: tuple[str, ...]) -> Ints:
        """The index of each wanted id."""
        found = places(self.ids, wanted)
        missing = found < 0
        bijective = len(self) == len(wanted) and not missing.any()  # then no id can occur twice
        if not bijective and (duplicate := first_duplicate(self.ids)) is not None:
            raise UserError(f"the labels name example {duplicate!r} twice: keep one row for each id")
        if missing.any():
            first = wanted[int(missing.argmax())]
            raise UserError(f"the labels lack {missing.sum()} of {len(wanted)} examples, the first {first!r}")
        return found

    def save(self, folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        probs = pa.ListArray.from_arrays(pa.array(self.offsets.astype(np.int32)), pa.array(self.probs, pa.float32()))
        pq.write_table(pa.table({"id": pa.array(self.ids, pa.string()), "probs": probs}), folder / "labels.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        table = read_parquet(folder / "labels.parquet")
        rows = table["probs"].combine_chunks()
        return cls(
            ids=_strings(table["id"]), probs=rows.flatten().to_numpy(), offsets=rows.offsets.to_numpy().astype(np.int64)
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """The score of each example's prediction: correct float64 [n], from 0 (wrong) to 1 (right), with ids and groups.

    NaN where a supervisor abstained. probs, truth: if given, what metrics other than accuracy are computed from, for
    examples that share k choices: predicted probabilities, float32 [n, k] (NaN likewise), and right choices, int64 [n].
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    correct: Doubles
    probs: Floats | None = None
    truth: Ints | None = None

    def save(self, folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        ids, groups = (pa.array(values, pa.string()) for values in (self.ids, self.groups))
        table = pa.table({"id": ids, "group": groups, "correct": pa.array(self.correct)})
        if self.probs is not None:
            rows = pa.FixedSizeListArray.from_arrays(pa.array(self.probs.reshape(-1)), self.probs.shape[1])
            table = table.append_column("probs", rows).append_column("truth", pa.array(self.truth))
        pq.write_table(table, folder / "scores.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        table = read_parquet(folder / "scores.parquet")
        ids, groups = _strings(table["id"]), _strings(table["group"])
        correct = table["correct"].to_numpy().astype(np.float64)
        if "probs" not in table.column_names:
            return cls(ids=ids, groups=groups, correct=correct)
        probs = table["probs"].combine_chunks().flatten().to_numpy().reshape(len(correct), -1)
        return cls(ids=ids, groups=groups, correct=correct, probs=probs, truth=table["truth"].to_numpy())


def read_parquet(path: Path) -> Any:
    """The table of a file of an artifact. `pyarrow.parquet.read_table`, which looks for a folder of files first, takes
    twice as long for a small one. Errors of the disk are Python's own, with their number."""
    from pyarrow import BufferReader
    from pyarrow.parquet import ParquetFile

    return ParquetFile(BufferReader(path.read_bytes())).read(use_threads=False)


def same_choices(examples: Examples) -> tuple[str, ...]:
    """The choices that all examples share: a head has one output for each. Raises UserError if they differ."""
    choices = examples.rows[0].choices
    for row in examples.rows:
        if row.choices != choices:
            raise UserError(f"example {row.id!r} has other choices than {examples.rows[0].id!r}: a head needs the same")
    return choices


def classes_of(labels: Labels) -> Doubles:
    """Labels over the same k choices as an array, float64 [n, k]. Raises UserError if the number of choices differs."""
    return labels.probs.reshape(len(labels), shared_choices(labels.offsets)).astype(np.float64)


def shared_choices(offsets: Ints) -> int:
    """The number of choices of every example. Raises UserError if it differs between examples."""
    counts = np.unique(np.diff(offsets))
    if len(counts) > 1:
        raise UserError("a rule or head needs examples that share their choices: their number differs here")
    return int(counts.sum())


def _offsets(counts: npt.NDArray[Any]) -> Ints:
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _strings(column: Any) -> tuple[str, ...]:
    """A pyarrow column as a tuple. Going through numpy takes a third of the time of `to_pylist`."""
    return tuple(column.to_numpy().tolist())
