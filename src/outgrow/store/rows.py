"""Rows of numbers by digest, in immutable segments that any number of processes add at the same time.

rows/<name>/<segment>.values   float32 [n, width], row after row; the segment's name is a checksum of digests and rows
rows/<name>/<segment>.index    written last: a segment without an index does not exist

An index has the digest and the checksum of each row, so that a few rows are read without the rest. A row that is
missing, cut short or changed counts as absent: whoever needs it computes it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.store.lease import hold
from outgrow.store.storage import Storage

FOLDER = "rows"
DIGEST, CHECKSUM = 16, 8  # bytes of a row's digest and of its checksum

Digests = npt.NDArray[np.bytes_]  # [n], of DIGEST bytes each
Values = npt.NDArray[np.float32]


def digest_of_text(text: str) -> bytes:
    """The digest of a text, `DIGEST` bytes."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST).digest()


def as_digests(digests: Sequence[bytes]) -> Digests:
    """Digests as an array."""
    return np.frombuffer(b"".join(digests), dtype=f"S{DIGEST}")


@dataclass(frozen=True, eq=False)
class Segment:
    """The index of a segment. digests: [n], in the order of the rows; checksums: bytes of the rows, likewise. width:
    numbers a row. seconds: how long the rows took."""

    name: str
    digests: Digests
    checksums: Digests
    width: int
    seconds: float

    def dump(self) -> bytes:
        """The bytes of the index file: safetensors, and its SHA-256."""
        from safetensors.numpy import save

        arrays = {"digests": _as_bytes(self.digests, DIGEST), "checksums": _as_bytes(self.checksums, CHECKSUM)}
        data = save(arrays, metadata={"width": str(self.width), "seconds": repr(self.seconds)})
        return bytes(data) + hashlib.sha256(data).digest()

    @classmethod
    def parse(cls, name: str, data: bytes) -> Segment:
        """The segment of an index file. Raises ValueError for a damaged file."""
        from safetensors.numpy import load

        body, checksum = data[:-32], data[-32:]
        if hashlib.sha256(body).digest() != checksum:
            raise ValueError(f"the checksum of the index of {name} is wrong")
        header = _header(body)
        arrays = load(body)
        digests, checksums = (arrays[each].tobytes() for each in ("digests", "checksums"))
        return cls(
            name=name,
            digests=np.frombuffer(digests, dtype=f"S{DIGEST}"),
            checksums=np.frombuffer(checksums, dtype=f"S{CHECKSUM}"),
            width=int(header["width"]),
            seconds=float(header["seconds"]),
        )


@dataclass(frozen=True)
class Rows:
    """The rows of one name. Which rows have equal digests does not matter: they are the same rows."""

    storage: Storage
    name: str

    def segments(self) -> tuple[Segment, ...]:
        """The intact indices. An index is read once in a process, since it never changes."""
        folder = f"{FOLDER}/{self.name}"
        stems = sorted(name.removesuffix(".index") for name in self.storage.names(folder) if name.endswith(".index"))
        found = []
        for stem in stems:
            with suppress(ValueError):
                found.append(_segment(self.storage, folder, stem))
        return tuple(found)

    def has(self, digests: Digests) -> npt.NDArray[np.bool_]:
        """Which rows there are, bool [n]."""
        found = np.zeros(len(digests), dtype=bool)
        for segment in self.segments():
            found |= np.isin(digests, segment.digests)
        return found

    def read(self, digests: Digests) -> tuple[Values, npt.NDArray[np.bool_]]:
        """The rows of these digests, float32 [n, width], and which of them there are, bool [n]."""
        found, values = np.zeros(len(digests), dtype=bool), np.zeros((len(digests), 0), dtype=np.float32)
        for segment in self.segments():
            open_at = np.flatnonzero(~found)
            rows = _positions(segment.digests, digests[open_at])
            open_at, rows = open_at[rows >= 0], rows[rows >= 0]
            if not len(rows):
                continue
            read, intact = self._read(segment, rows)
            if not values.shape[1]:
                values = np.zeros((len(digests), segment.width), dtype=np.float32)
            values[open_at[intact]] = read[intact]
            found[open_at[intact]] = True
        return values, found

    def add(self, digests: Digests, values: Values, seconds: float) -> None:
        """Add a segment of rows, [n, width], that took so many seconds. It replaces a damaged one of these rows."""
        if not len(digests):
            return
        data = np.ascontiguousarray(values, dtype="<f4")
        name = _name(digests, data.tobytes())
        checksums = as_checksums([row.tobytes() for row in data])
        index = Segment(name=name, digests=digests, checksums=checksums, width=data.shape[1], seconds=seconds)
        self.storage.write(f"{FOLDER}/{self.name}/{name}.values", data.tobytes())
        self.storage.write(f"{FOLDER}/{self.name}/{name}.index", index.dump())

    @contextmanager
    def filling(self, part: int, waiting: Callable[[str], None]) -> Iterator[None]:
        """While the `with` block runs, no other process is in such a block for this part of the rows. waiting: called
        with the current owner, if there is one."""
        with hold(self.storage, f"{self.name}.{part}", waiting):
            yield

    def damaged(self) -> dict[str, str]:
        """The segments that are not intact, by path, and what is wrong. Reads everything."""
        wrong, folder = {}, f"{FOLDER}/{self.name}"
        for stem in sorted(name[:-6] for name in self.storage.names(folder) if name.endswith(".index")):
            paths = [f"{folder}/{stem}.index", f"{folder}/{stem}.values"]
            data = self.storage.read(paths)
            try:
                segment = Segment.parse(stem, data.get(paths[0], b""))
            except ValueError as error:
                wrong[f"{folder}/{stem}"] = str(error)
                continue
            if _name(segment.digests, data.get(paths[1], b"")) != stem:
                wrong[f"{folder}/{stem}"] = "the checksum of its values is wrong"
        return wrong

    def _read(self, segment: Segment, rows: npt.NDArray[np.int64]) -> tuple[Values, npt.NDArray[np.bool_]]:
        """Some rows of a segment, [n, width], and which of them are intact."""
        size, order = 4 * segment.width, np.argsort(rows, kind="stable")
        ordered = rows[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=-2) > 1)  # runs of neighbours are read at once
        runs = [(int(part[0]), int(part[-1]) + 1) for part in np.split(ordered, starts[1:])]
        path = f"{FOLDER}/{self.name}/{segment.name}.values"
        parts = self.storage.ranges(path, [(size * first, size * end) for first, end in runs])
        read = {
            row: part[size * i : size * (i + 1)]
            for (first, end), part in zip(runs, parts, strict=True)
            for i, row in enumerate(range(first, end))
        }
        mine = [read[row] for row in rows.tolist()]
        intact = as_checksums(mine) == segment.checksums[rows]
        whole = b"".join(data if len(data) == size else bytes(size) for data in mine)
        return np.frombuffer(whole, dtype="<f4").reshape(len(rows), segment.width), intact


def _name(digests: Digests, values: bytes) -> str:
    return hashlib.sha256(digests.tobytes() + values).hexdigest()[:32]


def as_checksums(rows: Sequence[bytes]) -> Digests:
    """The checksum of each row, [n]."""
    sums = (hashlib.blake2b(row, digest_size=CHECKSUM).digest() for row in rows)
    return np.frombuffer(b"".join(sums), dtype=f"S{CHECKSUM}")


@lru_cache(maxsize=4096)
def _segment(storage: Storage, folder: str, stem: str) -> Segment:
    path = f"{folder}/{stem}.index"
    return Segment.parse(stem, storage.read([path]).get(path, b""))


def _positions(known: Digests, digests: Digests) -> npt.NDArray[np.int64]:
    """Where each digest is in `known`, int64 [n], -1 where it is not."""
    order = np.argsort(known, kind="stable")
    at = np.searchsorted(known, digests, sorter=order)
    rows = order[np.minimum(at, len(known) - 1)]
    return np.where(known[rows] == digests, rows, -1).astype(np.int64)


def _as_bytes(array: Digests, size: int) -> npt.NDArray[np.uint8]:
    return np.frombuffer(array.tobytes(), dtype=np.uint8).reshape(-1, size)


def _header(body: bytes) -> dict[str, Any]:
    """The metadata of a safetensors file."""
    import json

    size = int.from_bytes(body[:8], "little")
    found: dict[str, Any] = json.loads(body[8 : 8 + size])["__metadata__"]
    return found
