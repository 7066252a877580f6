"""The difference of two means that share no seeds: of the same examples by other seeds, or of other examples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.crossed import Crossed, Groups, crossed, p_value_of, t_quantile
from outgrow.measures.difference import Difference


def unpaired(
    a: npt.NDArray[Any], b: npt.NDArray[Any], groups_a: Groups, groups_b: Groups, *, level: float = 0.95
) -> Difference:
    """The mean of `a` minus that of `b`, whose seeds and examples differ, with its interval and p-value.

    a, b: scores [S, N] with groups [N] of their own. The variances of both means add up, each part with its own
    quantile, as in `crossed`. Raises ValueError as `paired` does.
    """
    parts = [crossed(np.asarray(each)[None], groups) for each, groups in ((a, groups_a), (b, groups_b))]
    mean = float(parts[0].mean[0] - parts[1].mean[0])
    return _difference(mean, [part for each in parts for part in each.components(np.ones(1))], parts, level)


def by_example(a: npt.NDArray[Any], b: npt.NDArray[Any], groups: Groups, *, level: float = 0.95) -> Difference:
    """The mean of `a` minus that of `b`, of the same examples by seeds that have nothing to do with each other.

    a, b: scores [S, N] and [T, N]. groups: [N]. What examples share is paired: the variance over groups is that of the
    difference of the means over seeds. The variances over seeds add up. Raises ValueError as `paired` does.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    both = crossed((first.mean(axis=0) - second.mean(axis=0))[None, None], groups)
    parts = [crossed(each[None], groups) for each in (first, second)]
    over_seeds = [part for each in parts for part in each.components(np.ones(1))[1:]]
    return _difference(float(both.mean[0]), [*both.components(np.ones(1)), *over_seeds], parts, level)


def _difference(mean: float, components: list[tuple[float, float]], parts: list[Crossed], level: float) -> Difference:
    half = math.sqrt(sum(variance * t_quantile(df, level) ** 2 for variance, df in components))
    noise = all(part.seeds > 1 for part in parts)
    return Difference(mean=mean, low=mean - half, high=mean + half, seed_noise=noise, p=p_value_of(mean, components))
