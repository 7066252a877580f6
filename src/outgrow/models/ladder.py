"""The ladder: bundled small language models of chess, of increasing size, with the same tokenizer and kind of data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from outgrow.chess.rung import LADDER, rungs
from outgrow.graph import Settings, not_hashed
from outgrow.models.base import Model
from outgrow.models.hf import checkpoint_digest
from outgrow.types import UserError


@dataclass(frozen=True, kw_only=True)
class Ladder(Model):
    """The bundled chess ladder: `ladder/pawn`, `ladder/knight`, ..."""

    kind: ClassVar[str] = "model/ladder"
    version: ClassVar[int] = 2  # 2: identified by content alone
    causal: ClassVar[bool | None] = True

    size: str = not_hashed(default="")  # not hashed: a checkpoint under two names is one model

    def pinned(self) -> Self:
        return replace(self, digest=checkpoint_digest(self._path()))

    def folder(self, settings: Settings) -> Path:
        return self._path()

    @classmethod
    def sizes(cls) -> tuple[str, ...]:
        return rungs()

    def _path(self) -> Path:
        if self.size not in rungs():
            raise UserError(f"the ladder has no rung {self.size!r}. Known: {', '.join(rungs())}")
        return LADDER / self.size
