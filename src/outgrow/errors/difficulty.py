"""Difficulty: the hardest examples are wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.errors.base import ErrorInputs, Errors, known_facet
from outgrow.tasks.base import Task
from outgrow.types import Doubles


@dataclass(frozen=True, kw_only=True)
class Difficulty(Errors):
    """The examples with the largest value of a facet are wrong, such as the highest rating; those without one come
    last.

    facet: its name. easy: whether the smallest values are the hardest, as of a margin.
    """

    kind: ClassVar[str] = "errors/difficulty"

    facet: str = "difficulty"
    easy: bool = False

    def check(self, task: Task) -> None:
        """Raises UserError where the task has no such facet."""
        known_facet(task, self.facet, "difficulty")

    def order(self, inputs: ErrorInputs) -> Doubles:
        values = inputs.facets[self.facet]
        numbers = np.array([float(str(values.get(id, "nan"))) for id in inputs.examples.ids])
        numbers = -numbers if self.easy else numbers
        places = np.unique(numbers, return_inverse=True)[1]  # equal ones have one place, and go wrong at random
        return np.asarray(np.where(np.isnan(numbers), -1, places) + inputs.draws("order"), dtype=np.float64)
