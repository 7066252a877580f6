"""Model: the errors of a real small model, fewer or more of them, to meet the accuracy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from outgrow.errors.base import ErrorInputs, Errors
from outgrow.models.base import Model
from outgrow.types import Doubles, Ints


@dataclass(frozen=True, kw_only=True)
class OfModel(Errors):
    """The errors that `model` makes after it was fitted to weak_train, by its recipe.

    If it errs too often for the accuracy, a part of its errors is kept, at random. If it errs too seldom, its right
    answers follow, those first that it was least sure of, each with its most probable wrong choice.
    """

    kind: ClassVar[str] = "errors/model"
    needs: ClassVar[str] = "predictions"

    model: Model

    def map_models(self, change: Callable[[Model], Model]) -> Self:
        return replace(self, model=change(self.model))

    def order(self, inputs: ErrorInputs) -> Doubles:
        assert inputs.predictions is not None
        wrong = inputs.truth.probability_of(inputs.predictions.hard()) == 0
        margin = [row[right] - _best_wrong(row, truth)[1] for row, truth, right in _rows(inputs)]
        return np.where(wrong, 2 + inputs.draws("order"), -np.array(margin))

    def answers(self, inputs: ErrorInputs) -> Ints:
        return np.array([_best_wrong(row, truth)[0] for row, truth, _ in _rows(inputs)], dtype=np.int64)


def _rows(inputs: ErrorInputs) -> list[tuple[Doubles, Doubles, int]]:
    """Of each example the predicted probabilities, the truth, and the right choice."""
    assert inputs.predictions is not None
    pairs = zip(inputs.predictions.rows(), inputs.truth.rows(), inputs.right().tolist(), strict=True)
    return [(row.astype(np.float64), truth.astype(np.float64), right) for row, truth, right in pairs]


def _best_wrong(row: Doubles, truth: Doubles) -> tuple[int, float]:
    """The most probable choice that is wrong, and its probability; the first, with 0, where none is wrong."""
    masked = np.where(truth > 0, -1.0, row)
    place = int(masked.argmax())
    return place, max(float(masked[place]), 0.0)
