"""Log-loss: minus the logarithm of the probability of the right class, in nats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.metrics.base import Metric
from outgrow.types import Doubles, Ints

SMALLEST = float(np.finfo(np.float32).eps)  # probabilities are stored as float32: a zero may be this much


@dataclass(frozen=True, kw_only=True)
class LogLoss(Metric):
    """−log p of the right class (Good 1952, "Rational decisions"). Probabilities are at least 1.2e-7, as in
    scikit-learn's `log_loss` of float32."""

    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    percent: ClassVar[bool] = False

    def values(self, probs: Doubles, truth: Ints, classes: Sequence[str]) -> Doubles:
        of_truth = np.take_along_axis(probs, truth[:, None], axis=1)[:, 0]
        values: Doubles = -np.log(np.clip(of_truth, SMALLEST, 1.0))
        return values
