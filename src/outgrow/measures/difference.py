"""Is one method better than another on the same seeds and the same test examples?"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from outgrow.measures.crossed import Groups, Interval, mean_interval, same_shape


def paired(a: npt.NDArray[Any], b: npt.NDArray[Any], groups: Groups, *, level: float = 0.95) -> Interval:
    """The mean of a − b, scores [S, N] (or [1, N] where no seed plays a part), with groups [N].

    Pairing by seed and example takes out what both share: hard examples, a poor supervisor. `a` improves on `b` where
    the interval lies above zero. ValueError: no scores, NaN, shapes that do not fit, or all examples of one group.
    """
    first, second = same_shape(a, b)
    return mean_interval(first - second, groups, level=level)
