"""What a model family is: a record that leads to a folder with an ordinary Hugging Face checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from outgrow.graph import Settings, located


@dataclass(frozen=True, kw_only=True)
class Model:
    """Subclass it, write `pinned` and `folder`. The digest of the checkpoint's files is what identifies it."""

    version: ClassVar[int] = 1
    causal: ClassVar[bool | None] = None  # whether it reads from left to right; None: its checkpoint says

    size: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """How tables call it, and how TOML names it: `ladder/pawn`."""
        family = type(self).__module__.rpartition(".")[2].replace("_", "-")
        return f"{family}/{self.size}"

    def pinned(self) -> Self:
        """This model with its digest (or resolved commit) filled in; a missing checkpoint is a UserError."""
        raise NotImplementedError

    def folder(self, settings: Settings) -> Path:
        """A local folder with config, weights and tokenizer, downloaded or converted first where need be."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Stored(Model):
    """A checkpoint that a step has written: the weights that a fit starts from."""

    of: Model
    path: str = located()

    @property
    def name(self) -> str:
        return self.of.name

    def pinned(self) -> Self:
        return self

    def folder(self, settings: Settings) -> Path:
        return Path(self.path)
