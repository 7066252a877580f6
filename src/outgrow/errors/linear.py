"""Linear: the examples on one side of a hyperplane in a model's features are wrong, all with the same answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from outgrow.errors.base import ErrorInputs, Errors
from outgrow.models.base import Model
from outgrow.types import Doubles, Ints


@dataclass(frozen=True, kw_only=True)
class Linear(Errors):
    """Errors that are easy to imitate: beyond a plane in the frozen features of `model` all answers are one class, the
    first.

    The seed draws the direction, in standardised features. If the examples of other classes do not suffice for the
    accuracy, those of the first class on the other side are wrong, too, with the second as answer. model: the student's
    own, so that it can see the direction.
    """

    kind: ClassVar[str] = "errors/linear"
    needs: ClassVar[str] = "features"
    shared_choices: ClassVar[bool] = True

    model: Model

    def map_models(self, change: Callable[[Model], Model]) -> Self:
        return replace(self, model=change(self.model))

    def order(self, inputs: ErrorInputs) -> Doubles:
        assert inputs.features is not None
        seed = int.from_bytes(hashlib.blake2b(f"direction {inputs.seed}".encode(), digest_size=8).digest(), "big")
        direction = np.random.default_rng(seed).normal(size=inputs.features.shape[1])
        scaled = (inputs.features - inputs.features.mean(0)) / np.maximum(inputs.features.std(0), 1e-6)
        along = scaled @ direction
        place = 1 / (1 + np.exp(-along / max(float(along.std()), 1e-6)))  # in (0, 1)
        return np.asarray(np.where(inputs.right() != 0, 1 + place, -place), dtype=np.float64)

    def answers(self, inputs: ErrorInputs) -> Ints:
        return np.where(inputs.right() != 0, 0, 1)
