"""Predictions of one number from another for tasks that had no part in it, and how far they are off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outgrow.measures.rank import rank_correlation
from outgrow.types import Doubles


@dataclass(frozen=True, kw_only=True)
class Line:
    """y = intercept + slope · x."""

    intercept: float
    slope: float

    def at(self, x: Doubles | float) -> Doubles:
        """The value of the line, in the shape of x."""
        return np.asarray(self.intercept + self.slope * np.asarray(x, dtype=np.float64), dtype=np.float64)


def line_through(x: Doubles, y: Doubles) -> Line:
    """The least-squares line; a level one where all x are equal."""
    centred = x - x.mean()
    spread = float((centred**2).sum())
    slope = float((centred * y).sum()) / spread if spread > 1e-24 else 0.0
    return Line(intercept=float(y.mean()) - slope * float(x.mean()), slope=slope)


def left_out(x: Doubles, y: Doubles) -> Doubles:
    """For each task the line of the other tasks at its x: arrays [T, C], T of at least two."""
    tasks = range(len(x))
    return np.array([line_through(np.delete(x, t, 0), np.delete(y, t, 0)).at(x[t]) for t in tasks])


def reach(x: Doubles, y: Doubles, level: float) -> float:
    """How far predictions for a task that is left out are off, at the share `level` of its cells: the quantile of their
    distances in which every task weighs the same, with that of the new task beside them at infinity (hierarchical
    conformal prediction: Dunn, Wasserman & Ramdas 2023).

    Where tasks are so few that it would be infinity it is the largest distance.
    """
    off = np.sort(np.abs(left_out(x, y) - y).ravel())
    place = int(np.ceil(level * (len(y) + 1) * y.shape[1] - 1e-9)) - 1
    return float(off[min(place, len(off) - 1)])


def covered(x: Doubles, y: Doubles, level: float) -> Doubles:
    """For each task the share of its values within `reach` of the prediction, where both come from the other tasks."""
    shares = []
    for t in range(len(x)):
        others, own = np.delete(x, t, 0), np.delete(y, t, 0)
        off = np.abs(line_through(others, own).at(x[t]) - y[t])
        shares.append(float((off <= reach(others, own, level)).mean()))
    return np.array(shares)


def left_out_of_best(every: Sequence[Doubles], y: Doubles) -> Doubles:
    """The same where for each task that number is taken whose rank correlation with y is largest on the other tasks."""
    found = []
    for t in range(len(y)):
        others = np.delete(y, t, 0)
        best = max(every, key=lambda x: abs(rank_correlation(np.delete(x, t, 0), others)))
        found.append(line_through(np.delete(best, t, 0), others).at(best[t]))
    return np.array(found)
