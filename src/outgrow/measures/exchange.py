"""The exchange rate of two kinds of labels: how many of one make as good a student as one of the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outgrow.measures.delta import function_of_means, slope_values
from outgrow.types import Doubles

FLAT = 1e-9  # what doubling the labels adds, below which it adds nothing


def learning_values(sizes: Sequence[float], scores: Sequence[Doubles]) -> Doubles:
    """The influence values of what doubling the number of labels adds to a score: the least-squares slope against
    log2 of the size. scores: [S, N] for each of the sizes."""
    return slope_values(np.log2(sizes).tolist(), scores)


def worth_values(size: float, score: Doubles, sizes: Sequence[float], scores: Sequence[Doubles]) -> Doubles:
    """The influence values of log2 of the exchange rate: how many of `size` labels, whose student has `score`, replace
    one label of the other kind, whose students have `scores` with `sizes` labels.

    The score with n labels of the other kind is taken as a line in log2 n. Its inverse at the mean of `score` is the
    number of labels that makes as good a student. Raises FloatingPointError where that line is flat.
    """
    return np.asarray(np.log2(size) - needed_values(score, sizes, scores), dtype=np.float64)


def needed_values(reached: Doubles, sizes: Sequence[float], scores: Sequence[Doubles]) -> Doubles:
    """The influence values of log2 of the number of labels with which the students that have `scores` with `sizes`
    labels reach the mean of `reached`: the inverse of their line in log2 n.

    Raises FloatingPointError where that line is flat.
    """
    x = np.log2(sizes)
    centred = x - x.mean()

    def log_size(goal: float, *means: float) -> float:
        slope = float(centred @ np.asarray(means)) / float(centred @ centred)
        if abs(slope) < FLAT:
            return float("nan")
        return float(x.mean() + (goal - float(np.mean(means))) / slope)

    return function_of_means(log_size, reached, *scores)
