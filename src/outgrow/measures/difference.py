"""The paired difference of two methods on the same seeds and test examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.crossed import Groups, Interval, crossed, same_shape


@dataclass(frozen=True, kw_only=True)
class Difference(Interval):
    """A mean difference with its confidence interval. p: the two-sided p-value of no difference, 1 minus the level of
    the confidence interval that ends at zero."""

    p: float


def paired(a: npt.NDArray[Any], b: npt.NDArray[Any], groups: Groups, *, level: float = 0.95) -> Difference:
    """The mean of a − b, its confidence interval and its p-value. `a` is better than `b` if the interval lies above
    zero, which is where p is below 1 − level.

    a, b: scores [S, N], or [1, N] if they do not depend on the seed. groups: [N]. Pairing by seed and example removes
    the variation that both share, such as hard examples or a poor supervisor.

    Raises ValueError for no scores, NaN, shapes that do not fit, or a single group.
    """
    first, second = same_shape(a, b)
    parts, only = crossed((first - second)[None], groups), np.ones(1)
    mean, half = float(parts.mean[0]), parts.half_width(only, level)
    seed_noise = parts.seeds > 1
    return Difference(mean=mean, low=mean - half, high=mean + half, seed_noise=seed_noise, p=parts.p_value(only))
