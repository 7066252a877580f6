"""What a step returns."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self, TypeVar


class Artifact(Protocol):
    """A value that can write itself to a folder and read itself back."""

    def save(self, folder: Path) -> None: ...
    @classmethod
    def load(cls, folder: Path) -> Self: ...


T = TypeVar("T", bound=Artifact)
T_co = TypeVar("T_co", bound=Artifact, covariant=True)
