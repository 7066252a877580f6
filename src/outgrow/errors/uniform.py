"""Uniform: every example is equally likely to be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from outgrow.errors.base import ErrorInputs, Errors
from outgrow.types import Doubles


@dataclass(frozen=True, kw_only=True)
class Uniform(Errors):
    """Errors at random, independent of the example: label noise that averages out."""

    kind: ClassVar[str] = "errors/uniform"

    def order(self, inputs: ErrorInputs) -> Doubles:
        return inputs.draws("order")
