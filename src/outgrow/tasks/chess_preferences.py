"""Chess preferences: which of two moves is better? Reward modelling with bundled data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import ClassVar, Self

from outgrow.chess import board as chess
from outgrow.chess import drawing
from outgrow.tasks.base import Facet, Passage, Readout, Source, Split, Task
from outgrow.tasks.reward import preference
from outgrow.text import tables
from outgrow.text.opening import digest_of_files, refuse_changed
from outgrow.types import Example, Examples


@dataclass(frozen=True, kw_only=True)
class ChessPreferences(Task):
    """Chess preferences: which of two moves is better, by the engine's evaluation? A game's pairs are one group."""

    kind: ClassVar[str] = "task/chess-preferences"
    readout: ClassVar[Readout] = "pair"
    sizes: ClassVar[dict[Split, int | None]] = {
        "weak_train": 2000,
        "transfer": 2000,
        "transfer_validation": 300,
        "validation": 1000,
        "test": 3000,
    }

    digest: str = ""

    def pinned(self) -> Self:
        return replace(self, digest=digest_of_files([_path()]))

    def load(self) -> Source:
        return _load(self.digest or self.pinned().digest)[0]

    def facets(self, examples: Examples) -> Mapping[str, Mapping[str, Facet]]:
        """`margin`: the difference between the win probabilities after the two moves."""
        margins = _load(self.digest or self.pinned().digest)[1]
        return {"margin": {id: margins[id] for id in examples.ids}}

    @property
    def regret_digest(self) -> str:
        return self.digest or self.pinned().digest

    def regret(self, examples: Examples) -> Mapping[str, tuple[float, ...]]:
        """The win probability that each of the two moves loses: none, and the margin."""
        source, margins = _load(self.regret_digest)
        return {id: tuple(margins[id] * (1.0 - share) for share in source.answers[id]) for id in examples.ids}

    def drawing(self, example: Example, marked: Mapping[str, str]) -> str:
        """The board, with arrows for the moves."""
        return drawing.of_prompt(example.prompt, marked)

    def passages(self, examples: Examples) -> tuple[Passage, ...]:
        """Both moves of every pair, without the preference."""
        return tuple(Passage(given=row.prompt, text=choice) for row in examples.rows for choice in row.choices)


def _path() -> Path:
    return Path(str(files("outgrow") / "chess/data/preferences.parquet"))


@lru_cache(maxsize=1)
def _load(digest: str) -> tuple[Source, dict[str, float]]:
    """The bundled pairs, and their margins by id."""
    refuse_changed([_path()], digest)
    rows, margins = [], {}
    for _, pair in tables.rows(_path()):
        prompt = chess.position_text(chess.parse(pair["fen"])) + " "
        row = preference(pair["game"], prompt, pair["better"], pair["worse"])
        rows.append(row)
        margins[row.example.id] = pair["margin"]
    return Source(rows), margins
