"""One class: the examples of one class are wrong, all with the same answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.errors.base import ErrorInputs, Errors
from outgrow.tasks.base import Task
from outgrow.types import Doubles, Ints, UserError


@dataclass(frozen=True, kw_only=True)
class OneClass(Errors):
    """Examples of the class `of` are wrong first, in random order, and are answered with the class after it; if they do
    not suffice for the accuracy, others do. of: default, the first class."""

    kind: ClassVar[str] = "errors/one-class"
    shared_choices: ClassVar[bool] = True

    of: str = ""

    def check(self, task: Task) -> None:
        """Raises UserError where the task has no such class."""
        super().check(task)
        classes = task.load().rows[0].example.choices
        if self.of and self.of not in classes:
            raise UserError(
                f"errors one-class: task {task.name} has no class {self.of!r}: choose {' or '.join(classes)}"
            )

    def order(self, inputs: ErrorInputs) -> Doubles:
        order: Doubles = (inputs.right() == self._place(inputs)).astype(np.float64) + inputs.draws("order")
        return order

    def answers(self, inputs: ErrorInputs) -> Ints:
        return np.asarray((inputs.right() + 1) % inputs.truth.widths, dtype=np.int64)

    def _place(self, inputs: ErrorInputs) -> int:
        return inputs.examples.rows[0].choices.index(self.of) if self.of else 0
