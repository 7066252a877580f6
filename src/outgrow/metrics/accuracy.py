"""Accuracy: the share of right answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.metrics.base import Metric
from outgrow.types import Doubles, Ints


@dataclass(frozen=True, kw_only=True)
class Accuracy(Metric):
    """The mean of the scores that the task gives: 1 where the most probable choice is right, else 0."""

    detailed: ClassVar[bool] = False

    def values(self, probs: Doubles, truth: Ints, classes: Sequence[str]) -> Doubles:
        values: Doubles = (probs.argmax(axis=1) == truth).astype(np.float64)
        return values
