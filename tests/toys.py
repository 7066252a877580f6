"""Steps that take no time and no library, for tests of the graph, the store and the executors."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from outgrow.graph import Context, Step, not_hashed
from outgrow.types import UserError


@dataclass(frozen=True)
class Number:
    value: float

    def save(self, folder: Path) -> None:
        (folder / "number.txt").write_text(repr(self.value))

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(float((folder / "number.txt").read_text()))


@dataclass(frozen=True)
class Blob:
    data: bytes

    def save(self, folder: Path) -> None:
        (folder / "deep").mkdir()
        (folder / "deep" / "blob.bin").write_bytes(self.data)
        (folder / "size.txt").write_text(str(len(self.data)))

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls((folder / "deep" / "blob.bin").read_bytes())


@dataclass(frozen=True, kw_only=True)
class Const(Step[Number]):
    result = Number
    value: float

    def run(self, ctx: Context) -> Number:
        return Number(self.value)


@dataclass(frozen=True, kw_only=True)
class Weight:
    value: float = 1.0
    source: Step[Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Add(Step[Number]):
    result = Number
    terms: tuple[Step[Any], ...] = ()
    weight: Weight = Weight()
    log: Path | None = not_hashed(default=None)

    def run(self, ctx: Context) -> Number:
        if self.log:
            with open(self.log, "a") as log:
                log.write(f"{self.key}\n")
        return Number(self.weight.value * sum(ctx.load(term).value for term in self.terms))


@dataclass(frozen=True, kw_only=True)
class Boom(Step[Number]):
    result = Number
    message: str = "boom"
    mendable: bool = False

    def run(self, ctx: Context) -> Number:
        raise UserError(self.message) if self.mendable else ValueError(self.message)


@dataclass(frozen=True, kw_only=True)
class Dies(Step[Number]):
    """Kills its own process the first `times` times."""

    result = Number
    times: int
    marks: Path = not_hashed()

    def run(self, ctx: Context) -> Number:
        seen = len(list(self.marks.iterdir()))
        if seen < self.times:
            (self.marks / str(seen)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Number(self.times)


@dataclass(frozen=True, kw_only=True)
class Sleep(Step[Number]):
    """Leaves its process id in `marks`, then sleeps."""

    result = Number
    seconds: float
    marks: Path = not_hashed()

    def run(self, ctx: Context) -> Number:
        (self.marks / f"{os.getpid()}").touch()
        time.sleep(self.seconds)
        return Number(self.seconds)


@dataclass(frozen=True, kw_only=True)
class Chain(Step[Blob]):
    """A long computation in small pieces, each depending on the last: any lost or doubled piece changes the result."""

    result = Blob
    seed: int
    pieces: int = 40
    piece_seconds: float = 0.01
    after: Step[Any] | None = None

    def run(self, ctx: Context) -> Blob:
        state, done = hashlib.sha256(str(self.seed).encode()).digest(), 0
        if self.after is not None:
            state += ctx.load(self.after).data[-32:]
        if last := ctx.last_checkpoint():
            done, state = int((last / "done.txt").read_text()), (last / "state.bin").read_bytes()

        def write(folder: Path) -> None:
            (folder / "state.bin").write_bytes(state)
            (folder / "done.txt").write_text(str(done))

        while done < self.pieces:
            state = (state + hashlib.sha256(state).digest())[-50_000:]
            time.sleep(self.piece_seconds)
            done += 1
            ctx.progress(done / self.pieces)
            if ctx.checkpoint_due():
                ctx.save_checkpoint(write)
        return Blob(state)


@dataclass(frozen=True, kw_only=True)
class AnyRecord:
    """Holds anything that has an identity."""

    value: Any = None


@dataclass(frozen=True, kw_only=True)
class AnyStep(Step[Number]):
    """Holds anything that has an identity."""

    result = Number
    value: Any = None
