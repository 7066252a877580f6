"""F1: the harmonic mean of precision and recall, of one class or the mean over classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from outgrow.metrics.base import Metric
from outgrow.types import Doubles, Ints, Shape, UserError


@dataclass(frozen=True, kw_only=True)
class F1(Metric):
    """2 TP / (2 TP + FP + FN) of class `of`; without it, the mean over the classes that occur or are predicted (macro
    F1, scikit-learn's `f1_score`). 0 for a class without any of the three.

    F1 is a ratio of two means, 2·[both] and [predicted] + [true], so the influence of an example is
    (2·both − F1 · (predicted + true)) / (mean of predicted + true).
    """

    of: str = ""

    @property
    def name(self) -> str:
        return f"F1 of {self.of}" if self.of else "macro F1"

    def check(self, shape: Shape) -> None:
        super().check(shape)
        if self.of and shape.choices and self.of not in shape.choices:
            raise UserError(f"metric f1: no class called {self.of!r}: choose one of {', '.join(shape.choices)}")

    def values(self, probs: Doubles, truth: Ints, classes: Sequence[str]) -> Doubles:
        predicted = probs.argmax(axis=1)
        counted = [list(classes).index(self.of)] if self.of else np.union1d(truth, predicted).tolist()
        mean: Doubles = np.mean([_of_class(predicted == c, truth == c) for c in counted], axis=0)
        return mean


def _of_class(predicted: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> Doubles:
    """The F1 of one class, plus the influence of each example, float64 [N]."""
    twice, total = 2.0 * (predicted & true), predicted.astype(np.float64) + true
    if not total.any():
        return total
    f1 = twice.mean() / total.mean()
    values: Doubles = f1 + (twice - f1 * total) / total.mean()
    return values
