"""Chess advantage: is the side to move winning? A binary task with bundled data, comparable to the NLP tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import ClassVar, Self

from outgrow.chess import board as chess
from outgrow.chess import drawing
from outgrow.chess.engine import win_probability
from outgrow.tasks.base import Facet, Row, Source, Split, Task
from outgrow.text import tables
from outgrow.text.opening import digest_of_files, refuse_changed
from outgrow.types import Example, Examples

CHOICES = ("no", "yes")


@dataclass(frozen=True, kw_only=True)
class ChessAdvantage(Task):
    """Chess advantage: is the side to move winning, by the engine's evaluation?

    The classes are balanced. The positions of a game are one group.
    """

    kind: ClassVar[str] = "task/chess-advantage"
    sizes: ClassVar[dict[Split, int | None]] = {
        "weak_train": 1000,
        "transfer": 1000,
        "transfer_validation": 300,
        "validation": 1000,
        "test": 3000,
    }

    digest: str = ""

    def pinned(self) -> Self:
        return replace(self, digest=digest_of_files([_path()]))

    def load(self) -> Source:
        return _positions(self.digest or self.pinned().digest)[0]

    def facets(self, examples: Examples) -> Mapping[str, Mapping[str, Facet]]:
        """`margin`: the distance of the engine's win probability from 0.5."""
        scores = _positions(self.digest or self.pinned().digest)[1]
        return {"margin": {id: abs(win_probability(scores[id]) - 0.5) for id in examples.ids}}

    @property
    def regret_advice(self) -> str:
        return "its answers are no moves, so none is lost: use chess-puzzles or chess-preferences"

    def drawing(self, example: Example, marked: Mapping[str, str]) -> str:
        """The board of the position."""
        return drawing.of_prompt(example.prompt, marked)


def _path() -> Path:
    return Path(str(files("outgrow") / "chess/data/positions.parquet"))


@lru_cache(maxsize=1)
def _positions(digest: str) -> tuple[Source, dict[str, int]]:
    """The bundled positions, and the engine's scores by id, in centipawns from the side to move."""
    refuse_changed([_path()], digest)
    return _load(_path()), {row["id"]: row["score"] for _, row in tables.rows(_path())}


def _load(path: Path) -> Source:
    rows = []
    for _, row in tables.rows(path):
        prompt = chess.position_text(chess.parse(row["fen"]))
        won = float(row["score"] > 0)
        example = Example(id=row["id"], group=row["game"], prompt=prompt, choices=CHOICES)
        rows.append(Row(example=example, answer=(1.0 - won, won)))
    return Source(rows)
