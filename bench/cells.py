"""Cells of steps that wait instead of computing: what is left is the cost of planning, storing and sharing."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from outgrow.graph import Context, Step


@dataclass(frozen=True)
class Text:
    """A small artifact."""

    text: str

    def save(self, folder: Path) -> None:
        (folder / "text.txt").write_text(self.text)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls((folder / "text.txt").read_text())


@dataclass(frozen=True, kw_only=True)
class Waits(Step[Text]):
    """Reads its inputs, then waits for some seconds."""

    result = Text
    number: int
    seconds: float
    sources: tuple[Step[Any], ...] = ()

    def run(self, ctx: Context) -> Text:
        read = hashlib.sha256("".join(ctx.load(source).text for source in self.sources).encode()).hexdigest()
        time.sleep(self.seconds)
        return Text(f"{self.number} {read}")

    @property
    def estimate(self) -> float:
        return self.seconds or super().estimate


def targets(cells: int, seconds: float) -> list[Step[Any]]:
    """The score of each cell, of a student that reads one of twenty supervisors: two steps a cell, and twenty."""
    supervisors = [Waits(number=i, seconds=seconds) for i in range(20)]
    students = [Waits(number=i, seconds=seconds, sources=(supervisors[i % 20],)) for i in range(cells)]
    return [Waits(number=-i - 1, seconds=seconds, sources=(student,)) for i, student in enumerate(students)]
