"""Accuracy, and any other share of examples, with an interval over seeds and test groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.crossed import Groups, Interval, crossed, fieller_interval, same_shape


def accuracy(correct: npt.NDArray[Any], groups: Groups, *, level: float = 0.95) -> Interval:
    """Mean of correct [S seeds, N examples], each between 0 (wrong) and 1 (right), with groups [N].

    With one seed the interval is over groups only and says so (`seed_noise` is False).
    ValueError: no scores, NaN, scores outside 0 to 1, groups of another length, or all examples of one group.
    """
    found = share(correct, np.ones_like(correct, dtype=np.float64), groups, level=level)
    assert found is not None  # every example counts, so there is something to take the share of
    return found


def share(hit: npt.NDArray[Any], among: npt.NDArray[Any], groups: Groups, *, level: float = 0.95) -> Interval | None:
    """What share of the examples in `among` are in `hit`: the sum of hit · among over the sum of among.

    hit, among: between 0 (not) and 1 (in) [S, N] or [1, N]. How many are among may vary from seed to seed and group to
    group, so this is a ratio of two means and has Fieller's interval. None where too few are among to state any.
    ValueError: as `accuracy`.
    """
    inside, weight = same_shape(hit, among)
    if inside.size and (min(inside.min(), weight.min()) < 0 or max(inside.max(), weight.max()) > 1):
        raise ValueError("a share needs values between 0 (not) and 1 (in)")
    parts = crossed(np.stack([inside * weight, weight]), groups)
    ratio = fieller_interval(parts, level=level)
    if ratio is None:
        return None
    mean, hits = float(parts.mean[0] / parts.mean[1]), inside * weight
    none, every = not hits.any(), not ((1.0 - inside) * weight).any()
    low, high = bounded(*ratio, none, every, _effective(weight.mean(axis=0), groups), level)
    return Interval(mean=mean, low=low, high=high, seed_noise=parts.seeds > 1)


def bounded(low: float, high: float, none: bool, every: bool, groups: float, level: float) -> tuple[float, float]:
    """The interval of a share, within 0 to 1. `none`, `every`: whether no example is a hit, or each.

    There nothing varies, and the variance knows nothing of what was not seen: the exact binomial bound does (Clopper &
    Pearson 1934), with groups as its trials.
    """
    unseen = ((1.0 - level) / 2) ** (1 / groups)
    if none or every:
        return (0.0, 1.0 - unseen) if none else (unseen, 1.0)
    return max(low, 0.0), min(high, 1.0)


def _effective(weight: npt.NDArray[np.float64], groups: Groups) -> float:
    """The number of equal groups that these examples are worth (Kish 1965), weight [N]."""
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(codes, weights=weight)
    return float(sizes.sum() ** 2 / np.square(sizes).sum())
