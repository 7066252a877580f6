"""A model that has read the inputs of a task without labels, as a model to start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from outgrow.graph import Settings, not_hashed
from outgrow.models.base import Model


@dataclass(frozen=True, kw_only=True)
class Adapted(Model):
    """A model with the weights of an `Adapt` step."""

    kind: ClassVar[str] = "model/adapted"

    of: Model
    path: str = not_hashed()

    @property
    def name(self) -> str:
        return self.of.name

    def pinned(self) -> Self:
        return self

    def folder(self, settings: Settings) -> Path:
        return Path(self.path)
