"""The ladder: small language models of chess that ship: one kind of corpus, one tokenizer, rising size."""

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
    """The chess ladder that ships: `ladder/pawn`, `ladder/knight`, ..."""

    kind: ClassVar[str] = "model/ladder"
    version: ClassVar[int] = 2  # 2: known by content alone
    causal: ClassVar[bool | None] = True

    size: str = not_hashed(default="")  # a name alone: two names of one checkpoint are one model

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
