"""Slice: the examples of one kind are wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.errors.base import ErrorInputs, Errors, known_facet
from outgrow.tasks.base import Task
from outgrow.types import Doubles


@dataclass(frozen=True, kw_only=True)
class Slice(Errors):
    """The examples whose facet has a value are wrong first, in random order, such as all puzzles with the theme `fork`.

    If they do not suffice for the accuracy, others do, at random.
    """

    kind: ClassVar[str] = "errors/slice"

    facet: str = "theme"
    value: str

    def check(self, task: Task) -> None:
        """Raises UserError where the task has no such facet."""
        known_facet(task, self.facet, "slice")

    def order(self, inputs: ErrorInputs) -> Doubles:
        values = inputs.facets[self.facet]
        words = [values.get(id, ()) for id in inputs.examples.ids]
        inside = [self.value in (each if isinstance(each, tuple) else (str(each),)) for each in words]
        return np.array(inside, dtype=np.float64) + inputs.draws("order")
