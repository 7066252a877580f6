"""The rank correlation of two numbers of T × C items: C cells of each of T tasks, the same cells for every task.

Cells of one task are alike, so tasks are drawn together. The interval resamples whole tasks. The test exchanges the
tasks of one number and leaves each cell at its place, so that it is exact however alike the cells of a task are, and
what differs between cells alone (one student is always better) is no evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outgrow.measures.crossed import Interval
from outgrow.measures.holm import holm
from outgrow.types import Doubles

DRAWS = 999
LEVEL = 0.95
POWER = 0.84  # standard deviations beyond the critical value, from which on four of five draws are found certain


@dataclass(frozen=True, kw_only=True)
class RankCorrelation:
    """Spearman's correlation with its 95 % interval over tasks.

    p: that there is none, corrected for the number of correlations that are tested together (Holm). smallest: the
    size of a correlation that would have been found certain in four of five draws.
    """

    interval: Interval
    p: float
    smallest: float

    @property
    def certain(self) -> bool:
        """Whether there is a correlation, by the corrected p-value."""
        return self.p < 1 - LEVEL


def rank_correlation(x: Doubles, y: Doubles) -> float:
    """Spearman's correlation of arrays of one shape; ties share a rank. 0 where one of them is constant."""
    return float((_standard(x.reshape(1, -1)) * _standard(y.reshape(1, -1))).sum())


def rank_correlations(every: list[Doubles], y: Doubles) -> list[RankCorrelation]:
    """The correlation of each of several numbers with y, arrays [T, C] all.

    The probability that any of them is called certain where no number has to do with y is at most 5 %.
    """
    nulls = [_exchanged(x, y) for x in every]
    found = [rank_correlation(x, y) for x in every]
    p_values = [
        (1 + int((np.abs(null) >= abs(r) - 1e-12).sum())) / (1 + DRAWS) for r, null in zip(found, nulls, strict=True)
    ]
    strict = 1 - (1 - LEVEL) / max(len(every), 1)
    return [
        RankCorrelation(
            interval=_interval(x, y, r),
            p=p,
            smallest=min(float(np.quantile(np.abs(null), strict) + POWER * null.std()), 1.0),
        )
        for x, r, null, p in zip(every, found, nulls, holm(p_values), strict=True)
    ]


def _standard(values: Doubles) -> Doubles:
    """Centred ranks of unit length of each row, [n, items]; zeros where all of it are equal."""
    from scipy.stats import rankdata

    centred = rankdata(values, axis=1)
    centred -= centred.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12), dtype=np.float64)


def _exchanged(x: Doubles, y: Doubles) -> Doubles:
    """The correlation with the tasks of x exchanged at random, [DRAWS]."""
    a, b = (_standard(each.reshape(1, -1)).reshape(each.shape) for each in (x, y))
    products, rng = a @ b.T, np.random.default_rng(0)
    orders = rng.permuted(np.tile(np.arange(len(x)), (DRAWS, 1)), axis=1)
    return np.asarray(products[orders, np.arange(len(x))].sum(axis=1), dtype=np.float64)


def _interval(x: Doubles, y: Doubles, found: float) -> Interval:
    """The percentiles of the correlation over tasks drawn with replacement (Davison & Hinkley 1997, section 3.8)."""
    tasks = np.random.default_rng(0).integers(0, len(x), (DRAWS, len(x)))
    drawn = (_standard(x[tasks].reshape(DRAWS, -1)) * _standard(y[tasks].reshape(DRAWS, -1))).sum(axis=1)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean=found, low=float(low), high=float(high), seed_noise=False)
