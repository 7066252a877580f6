"""The records everything else speaks in: examples, labels, scores. Joined by id, never by position."""

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

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Readout = Literal["head", "tokens", "pair"]

A = TypeVar("A")
B = TypeVar("B")
TOLERANCE = 1e-3  # how far from 1 the probabilities of an example may sum: they are float32


class UserError(Exception):
    """Something the user can mend. The message is one line: what is wrong, and what to type instead.

    What it quotes may hold line ends and bytes that are no text: they are shown as escapes.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message))

    @property
    def messages(self) -> tuple[str, ...]:
        """The lines to show."""
        return tuple(str(self).split("\n"))


class CollectedError(UserError):
    """Several such things at once, each a line of the message."""

    def __init__(self, messages: Iterable[str]) -> None:
        Exception.__init__(self, "\n".join(dict.fromkeys(messages)))

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[str, ...]]]:
        return type(self), (self.messages,)  # not its args: they hold the joined text


class Problems:
    """Collects the errors of many checks, so that a user sees them all at once."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def each(self, check: Callable[[A], B], items: Iterable[A]) -> list[B]:
        """What `check` returns for each item, without those for which it raises a UserError."""
        found = []
        for item in items:
            with self.caught():
                found.append(check(item))
        return found

    @contextmanager
    def caught(self) -> Iterator[None]:
        try:
            yield
        except UserError as error:
            self.messages += error.messages

    def raised(self) -> None:
        """Raises CollectedError if there were any, a plain UserError for one alone."""
        if len(set(self.messages)) == 1:
            raise UserError(self.messages[0])
        if self.messages:
            raise CollectedError(self.messages)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a technique must know of a task to say whether it fits.

    readout: a head with an output a class; the probabilities of the choices as next tokens; or a score of each choice
    after the prompt. choices: those that all examples share, None where examples have choices of their own; then
    `distinct` are all that occur, if they are read out as tokens. most: the most choices of an example.
    """

    readout: Readout
    choices: tuple[str, ...] | None
    distinct: tuple[str, ...] = ()
    most: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One question. It holds no answer, so it cannot leak one.

    `group` names what belongs together (a game, a question's rows): a group is never split between splits.
    `choices` are the possible answers as text; their number may differ from example to example (legal moves).
    """

    id: str
    group: str
    prompt: str
    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The examples of one split, in a fixed order, and how many candidates were left out of it and why.

    cut: whether a model reads an example that is too long for it as far as it reads, which otherwise is an error.
    """

    rows: tuple[Example, ...]
    dropped: tuple[tuple[str, int], ...] = ()
    cut: bool = False

    def __post_init__(self) -> None:
        if (twice := _doubled(self.ids)) is not None:
            raise UserError(f"two examples share the id {twice!r}: give every row an id of its own")

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        return tuple(row.id for row in self.rows)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        return tuple(row.group for row in self.rows)

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

        import pyarrow.parquet as pq

        columns = pq.read_table(folder / "examples.parquet").to_pydict()
        rows = tuple(
            Example(id=i, group=g, prompt=p, choices=tuple(c))
            for i, g, p, c in zip(columns["id"], columns["group"], columns["prompt"], columns["choices"], strict=True)
        )
        dropped = tuple(json.loads((folder / "dropped.json").read_text()).items())
        return cls(rows=rows, dropped=dropped, cut=(folder / "cut").is_file())


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """Probabilities over each example's choices: ground truth, weak labels and predictions are all of this kind.

    ids: n example ids, each once. probs: float32 [sum of choices], every example's row sums to 1.
    offsets: int64 [n + 1]; example i owns probs[offsets[i]:offsets[i + 1]].
    ValueError: lengths that do not fit. UserError: an example whose row is empty, or not finite, non-negative and
    summing to 1 (within 0.001).
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
        starts = self.offsets[:-1]
        sums, least = np.add.reduceat(self.probs, starts, dtype=np.float64), np.minimum.reduceat(self.probs, starts)
        wrong = ~((np.abs(sums - 1.0) < TOLERANCE) & (least >= 0))  # this way round NaN is wrong too
        if wrong.any():
            i = int(wrong.argmax())
            shown = ", ".join(f"{p:.6g}" for p in self.row(i)[:5]) + (", …" if self.widths[i] > 5 else "")
            raise UserError(
                f"the labels of example {self.ids[i]!r} are {shown} (sum {sums[i]:.6g}): "
                "give finite probabilities that are not negative and sum to 1"
            )

    @classmethod
    def from_rows(cls, ids: Iterable[str], rows: Sequence[Sequence[float] | npt.NDArray[Any]] | Doubles) -> Self:
        """One row of probabilities an example: rows of any length, or an array [n, k] of equal ones."""
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
        """How many choices each example has, int64 [n]."""
        return np.diff(self.offsets)

    def row(self, i: int) -> Floats:
        return self.probs[self.offsets[i] : self.offsets[i + 1]]

    def rows(self) -> list[Floats]:
        return [self.row(i) for i in range(len(self))]

    def confidence(self) -> Floats:
        """The largest probability of each example, float32 [n]."""
        if not len(self):
            return self.probs
        found: Floats = np.maximum.reduceat(self.probs, self.offsets[:-1])
        return found

    def hard(self) -> Ints:
        """The most probable choice of each example (the first of equals), int64 [n]."""
        largest = np.flatnonzero(self.probs == np.repeat(self.confidence(), self.widths))
        starts = self.offsets[:-1]
        return largest[np.searchsorted(largest, starts)] - starts

    def of(self, choices: Ints) -> Floats:
        """The probability of one choice of each example, choices int64 [n]."""
        found: Floats = self.probs[self.offsets[:-1] + choices]
        return found

    def hardened(self) -> Labels:
        """All the weight on the most probable choice."""
        probs = np.zeros_like(self.probs)
        probs[self.offsets[:-1] + self.hard()] = 1.0
        return Labels(ids=self.ids, probs=probs, offsets=self.offsets)

    def take(self, places: Ints) -> Labels:
        """The examples at these places, in their order."""
        return self._taken(places, tuple(map(self.ids.__getitem__, places.tolist())))

    def _taken(self, places: Ints, ids: tuple[str, ...]) -> Labels:
        counts = self.widths[places]
        offsets = _offsets(counts)
        shift = np.repeat(self.offsets[:-1][places] - offsets[:-1], counts)
        return Labels(ids=ids, probs=self.probs[np.arange(offsets[-1]) + shift], offsets=offsets)

    def aligned(self, examples: Examples) -> Labels:
        """These labels in the order of `examples`, without those of other examples.

        Raises UserError for an example without labels, or with the wrong number of them, and for an id that is doubled.
        """
        found = self if self.ids == examples.ids else self._taken(self._places(examples.ids), examples.ids)
        choices = np.fromiter((len(row.choices) for row in examples.rows), np.int64, len(examples))
        if (wrong := found.widths != choices).any():
            i = int(wrong.argmax())
            raise UserError(f"example {found.ids[i]!r} has {choices[i]} choices but {found.widths[i]} probabilities")
        return found

    def _places(self, wanted: tuple[str, ...]) -> Ints:
        """Where each of the wanted ids stands: pyarrow looks them up in a third of the time that a dict takes."""
        import pyarrow as pa
        import pyarrow.compute as pc

        ids = pa.array(self.ids, pa.string())
        places = pc.index_in(pa.array(wanted, pa.string()), value_set=ids)
        whole = len(ids) == len(wanted) and not places.null_count  # each of them is one of as many: none comes twice
        if not whole and (twice := _doubled(self.ids)) is not None:
            raise UserError(f"the labels name example {twice!r} twice: keep one row for each id")
        if places.null_count:
            first = wanted[pc.index(pc.is_null(places), True).as_py()]
            raise UserError(f"the labels lack {places.null_count} of {len(wanted)} examples, the first {first!r}")
        found: Ints = places.to_numpy().astype(np.int64)
        return found

    def save(self, folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        probs = pa.ListArray.from_arrays(pa.array(self.offsets.astype(np.int32)), pa.array(self.probs, pa.float32()))
        pq.write_table(pa.table({"id": pa.array(self.ids, pa.string()), "probs": probs}), folder / "labels.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        import pyarrow.parquet as pq

        table = pq.read_table(folder / "labels.parquet")
        rows = table["probs"].combine_chunks()
        return cls(
            ids=_strings(table["id"]), probs=rows.flatten().to_numpy(), offsets=rows.offsets.to_numpy().astype(np.int64)
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """How right each example's prediction was (1 right, 0 wrong), float64 [n], with its id and group."""

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    correct: Doubles

    def save(self, folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        ids, groups = (pa.array(each, pa.string()) for each in (self.ids, self.groups))
        table = pa.table({"id": ids, "group": groups, "correct": pa.array(self.correct)})
        pq.write_table(table, folder / "scores.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        import pyarrow.parquet as pq

        table = pq.read_table(folder / "scores.parquet")
        correct = table["correct"].to_numpy().astype(np.float64)
        return cls(ids=_strings(table["id"]), groups=_strings(table["group"]), correct=correct)


def same_choices(examples: Examples) -> tuple[str, ...]:
    """The choices that all examples share: a head has one output for each. Raises UserError where they differ."""
    choices = examples.rows[0].choices
    for row in examples.rows:
        if row.choices != choices:
            raise UserError(f"example {row.id!r} has other choices than {examples.rows[0].id!r}: a head needs the same")
    return choices


def classes_of(labels: Labels) -> Doubles:
    """Labels over the same k choices as one array, float64 [n, k]. Rows of different lengths are a UserError."""
    return labels.probs.reshape(len(labels), shared_choices(labels.offsets)).astype(np.float64)


def shared_choices(offsets: Ints) -> int:
    """How many choices every example has. Examples with different numbers of choices are a UserError."""
    counts = np.unique(np.diff(offsets))
    if len(counts) > 1:
        raise UserError("a rule or head needs examples that share their choices: their number differs here")
    return int(counts.sum())


def _doubled(ids: tuple[str, ...]) -> str | None:
    """The first id that comes a second time."""
    if len(set(ids)) == len(ids):
        return None
    seen: set[str] = set()
    for id in ids:
        if id in seen:
            return id
        seen.add(id)
    return None


def _offsets(counts: npt.NDArray[Any]) -> Ints:
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _strings(column: Any) -> tuple[str, ...]:
    """A column of pyarrow as a tuple; by way of numpy, which takes a third of the time of `to_pylist`."""
    return tuple(column.to_numpy().tolist())
