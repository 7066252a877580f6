"""Uniform: every example goes wrong as likely as any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from outgrow.errors.base import Errors, Seen
from outgrow.types import Doubles


@dataclass(frozen=True, kw_only=True)
class Uniform(Errors):
    """Errors at random, independent of the example: label noise that averages out."""

    kind: ClassVar[str] = "errors/uniform"

    def order(self, seen: Seen) -> Doubles:
        return seen.draws("order")
