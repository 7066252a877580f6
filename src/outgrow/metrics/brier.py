"""Brier score: the squared distance of the predicted probabilities from the truth, halved: 0 is best, 1 is worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.metrics.base import Metric
from outgrow.types import Doubles, Ints


@dataclass(frozen=True, kw_only=True)
class Brier(Metric):
    """½ Σ_k (p_k − [k is right])² (Brier 1950, "Verification of forecasts expressed in terms of probability").

    Halved, as is usual for two classes, where it is (p − y)² (scikit-learn's `brier_score_loss(scale_by_half=True)`).
    """

    higher_is_better: ClassVar[bool] = False
    percent: ClassVar[bool] = False

    def values(self, probs: Doubles, truth: Ints, classes: Sequence[str]) -> Doubles:
        right = np.eye(probs.shape[1])[truth]
        values: Doubles = 0.5 * np.square(probs - right).sum(axis=1)
        return values
