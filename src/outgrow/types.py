"""The records everything else speaks in: examples, labels, scores. Joined by id, never by position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class UserError(Exception):
    """Something the user can mend. The message is one line: what is wrong, and what to type instead.

    What it quotes may hold line ends and bytes that are no text: they are shown as escapes.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message))


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
    """The examples of one split, in a fixed order, and how many candidates were left out of it and why."""

    rows: tuple[Example, ...]
    dropped: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for row in self.rows:
            if row.id in seen:
                raise UserError(f"two examples share the id {row.id!r}: give every row an id of its own")
            seen.add(row.id)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(row.id for row in self.rows)

    @property
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

    @classmethod
    def load(cls, folder: Path) -> Self:
        import json

        import pyarrow.parquet as pq

        columns = pq.read_table(folder / "examples.parquet").to_pydict()
        rows = tuple(
            Example(id=i, group=g, prompt=p, choices=tuple(c))
            for i, g, p, c in zip(columns["id"], columns["group"], columns["prompt"], columns["choices"], strict=True)
        )
        return cls(rows=rows, dropped=tuple(json.loads((folder / "dropped.json").read_text()).items()))


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """Probabilities over each example's choices: ground truth, weak labels and predictions are all of this kind.

    ids: n example ids, each once. probs: float32 [sum of choices], every example's row sums to 1.
    offsets: int64 [n + 1]; example i owns probs[offsets[i]:offsets[i + 1]].
    """

    ids: tuple[str, ...]
    probs: Floats
    offsets: Ints

    def __post_init__(self) -> None:
        if len(self.offsets) != len(self.ids) + 1 or self.offsets[-1] != len(self.probs):
            raise ValueError(f"{len(self.ids)} ids, {len(self.offsets)} offsets and {len(self.probs)} probs do not fit")

    @classmethod
    def from_rows(cls, ids: Iterable[str], rows: Sequence[Sequence[float] | Floats]) -> Self:
        """One row of probabilities an example, rows of any length."""
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        flat = np.concatenate([np.asarray(row, np.float32) for row in rows]) if rows else np.zeros(0, np.float32)
        return cls(ids=tuple(ids), probs=flat, offsets=offsets)

    def __len__(self) -> int:
        return len(self.ids)

    def row(self, i: int) -> Floats:
        return self.probs[self.offsets[i] : self.offsets[i + 1]]

    def rows(self) -> list[Floats]:
        return [self.row(i) for i in range(len(self))]

    def hard(self) -> Ints:
        """The most probable choice of each example (the first of equals), int64 [n]."""
        return np.array([int(np.argmax(row)) for row in self.rows()], dtype=np.int64)

    def hardened(self) -> Labels:
        """All the weight on the most probable choice."""
        probs = np.zeros_like(self.probs)
        probs[self.offsets[:-1] + self.hard()] = 1.0
        return Labels(ids=self.ids, probs=probs, offsets=self.offsets)

    def aligned(self, examples: Examples) -> Labels:
        """These labels in the order of `examples`. A missing or doubled id, or wrong number of choices, is an error."""
        where: dict[str, int] = {}
        for i, id in enumerate(self.ids):
            if where.setdefault(id, i) != i:
                raise UserError(f"the labels name example {id!r} twice: keep one row for each id")
        missing = [row.id for row in examples.rows if row.id not in where]
        if missing:
            raise UserError(f"the labels lack {len(missing)} of {len(examples)} examples, the first {missing[0]!r}")
        picked = [self.row(where[row.id]) for row in examples.rows]
        for row, probs in zip(examples.rows, picked, strict=True):
            if len(probs) != len(row.choices):
                raise UserError(f"example {row.id!r} has {len(row.choices)} choices but {len(probs)} probabilities")
        return Labels.from_rows(examples.ids, picked)

    def save(self, folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        probs = pa.ListArray.from_arrays(pa.array(self.offsets.astype(np.int32)), pa.array(self.probs, pa.float32()))
        pq.write_table(pa.table({"id": pa.array(self.ids, pa.string()), "probs": probs}), folder / "labels.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        import pyarrow.parquet as pq

        table = pq.read_table(folder / "labels.parquet").combine_chunks()
        rows = table["probs"].to_pylist()
        return cls.from_rows(table["id"].to_pylist(), rows)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """How right each test example's prediction was (1 right, 0 wrong), float64 [n], with its id and group."""

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    correct: Doubles

    def save(self, folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({"id": list(self.ids), "group": list(self.groups), "correct": pa.array(self.correct)})
        pq.write_table(table, folder / "scores.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        import pyarrow.parquet as pq

        table = pq.read_table(folder / "scores.parquet")
        ids, groups = (tuple(table[name].to_pylist()) for name in ("id", "group"))
        return cls(ids=ids, groups=groups, correct=table["correct"].to_numpy().astype(np.float64))
