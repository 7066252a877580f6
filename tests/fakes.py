"""A task, a model, methods and a loss that need no ML library: a whole experiment in a second.

A fake student copies its labels with a skill of its own: how often it knows better than they do.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from outgrow.graph import Context, Settings, not_hashed
from outgrow.losses.base import Loss
from outgrow.methods.base import Predictor, TextMethod, TrainingData
from outgrow.models.base import Model
from outgrow.tasks.base import Facet, Readout, Row, Source, Split, Task
from outgrow.types import Example, Examples, Labels, UserError

SKILLS = {"": 0.0, "small": 0.2, "medium": 0.5, "large": 0.9}


def chance(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


@dataclass(frozen=True, kw_only=True)
class FakeTask(Task):
    """Binary questions whose prompt ends in the answer, two a group."""

    readout: ClassVar[Readout] = "tokens"
    sizes: ClassVar[dict[Split, int | None]] = {}

    rows: int = 600
    path: str = not_hashed(default="")
    digest: str = ""

    def pinned(self) -> Self:
        if self.path and not Path(self.path).exists():
            raise UserError(f"{self.path} does not exist: check the path")
        return replace(self, digest="fake")

    def load(self) -> Source:
        rows = []
        for i in range(self.rows):
            yes = float(chance("answer", i) < 0.5)
            example = Example(id=f"q{i}", group=f"g{i // 2}", prompt=f"question {i} {int(yes)}", choices=("no", "yes"))
            rows.append(Row(example=example, answer=(1.0 - yes, yes)))
        return Source(rows)

    def facets(self, examples: Examples) -> Mapping[str, Mapping[str, Facet]]:
        numbers = {id: int(id[1:]) for id in examples.ids}
        return {"number": numbers, "parity": {id: ("odd" if i % 2 else "even") for id, i in numbers.items()}}


@dataclass(frozen=True, kw_only=True)
class FakeModel(Model):
    """`small`, `medium` or `large`."""

    def pinned(self) -> Self:
        if self.size not in SKILLS:
            raise UserError(f"no fake model of size {self.size!r}: choose small, medium or large")
        return replace(self, digest=f"fake-{self.size}")

    def folder(self, settings: Settings) -> Path:
        return Path(self.size)

    def parameters(self, settings: Settings) -> int:
        return int(1000 * SKILLS[self.size])


@dataclass(frozen=True, kw_only=True)
class FakeLoss(Loss):
    """Does nothing but be there."""

    weight: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise UserError(f"weight is {self.weight}: it lies between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class FakeMethod(TextMethod):
    """Learns its labels by heart: how often they are right, which is all that it can pass on."""

    seconds: float = 0.0

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        ctx.progress(0.5)
        time.sleep(self.seconds)
        pairs = zip(data.examples.rows, data.labels.hard(), strict=True)
        right = sum(_answer(row) == int(label) for row, label in pairs) / len(data.examples)
        facts = {"skill": SKILLS[model.size], "right": right, "seed": seed}
        (ctx.scratch / "fake.json").write_text(json.dumps(facts))
        (ctx.scratch / "curve.json").write_text("{}")
        ctx.progress(1.0)
        return Predictor(ctx.scratch)

    def predict(
        self,
        predictor: Predictor,
        readout: Readout,
        examples: Examples,
        settings: Settings,
        progress: Callable[[float], None],
    ) -> Labels:
        facts = {"skill": 0.0, "right": 0.5, "seed": 0}
        if (predictor.folder / "fake.json").exists():
            facts = json.loads((predictor.folder / "fake.json").read_text())
        rate = 0.5 + 0.5 * facts["skill"] * (2 * facts["right"] - 1)
        rows = []
        for row in examples.rows:
            right = chance(row.id, facts["skill"], facts["seed"]) < rate
            yes = 0.8 if (_answer(row) == 1) == right else 0.2
            rows.append((1 - yes, yes))
        return Labels.from_rows(examples.ids, rows)


@dataclass(frozen=True, kw_only=True)
class SlowMethod(FakeMethod):
    """Takes its time in pieces of 20 ms, with checkpoints. `log`: a file to which each piece is added."""

    pieces: int = 100
    log: str = not_hashed(default="")

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        last = ctx.last_checkpoint()
        for piece in range(int((last / "done").read_text()) if last else 0, self.pieces):
            time.sleep(0.02)
            with Path(self.log).open("a") as log:
                log.write(f"{ctx.scratch.parent.name} {piece}\n")
            ctx.progress(piece / self.pieces)
            if ctx.checkpoint_due():
                ctx.save_checkpoint(lambda folder, done=piece + 1: (folder / "done").write_text(str(done)) and None)
        return super().fit(model, readout, loss, data, seed, ctx)


@dataclass(frozen=True, kw_only=True)
class BrokenMethod(FakeMethod):
    """Fails in the way it is told."""

    how: str = "user"

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        if self.how == "user":
            raise UserError("the fake method does not like this: try another")
        raise ZeroDivisionError("a fault of the program")


def _answer(row: Example) -> int:
    return int(row.prompt.rpartition(" ")[2])
