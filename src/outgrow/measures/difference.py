"""The paired difference of two methods on the same seeds and test examples."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from outgrow.measures.crossed import Groups, Interval, mean_interval, same_shape


def paired(a: npt.NDArray[Any], b: npt.NDArray[Any], groups: Groups, *, level: float = 0.95) -> Interval:
    """The mean of a − b and its confidence interval. `a` is better than `b` if the interval lies above zero.

    a, b: scores [S, N], or [1, N] if they do not depend on the seed. groups: [N]. Pairing by seed and example removes
    the variation that both share, such as hard examples or a poor supervisor.

    Raises ValueError for no scores, NaN, shapes that do not fit, or a single group.
    """
    first, second = same_shape(a, b)
    return mean_interval(first - second, groups, level=level)
