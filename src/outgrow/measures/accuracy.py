"""Means and proportions of examples, such as accuracy, with confidence intervals over seeds and test groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.crossed import Groups, Interval, crossed, fieller_interval, same_shape


def accuracy(correct: npt.NDArray[Any], groups: Groups, *, level: float = 0.95) -> Interval:
    """The mean of `correct` and its confidence interval.

    correct: [S seeds, N examples], from 0 (wrong) to 1 (right). groups: the group of each example, [N]. level: the
    confidence level. With one seed the interval covers variation between groups only, and `seed_noise` is False.

    Raises ValueError for no scores, NaN, scores outside 0 to 1, groups of another length, or a single group.
    """
    interval = share(correct, np.ones_like(correct, dtype=np.float64), groups, level=level)
    assert interval is not None  # the denominator is 1 for every example
    return interval


def share(hit: npt.NDArray[Any], among: npt.NDArray[Any], groups: Groups, *, level: float = 0.95) -> Interval | None:
    """The proportion of the examples in `among` that are in `hit`: the sum of hit · among over the sum of among.

    hit, among: weights from 0 (out) to 1 (in), [S, N] or [1, N]. The denominator may vary between seeds and groups, so
    this is a ratio of two means, with Fieller's interval. None if too few examples are in `among` for an interval.
    Raises ValueError as `accuracy` does.
    """
    inside, weight = same_shape(hit, among)
    if inside.size and (min(inside.min(), weight.min()) < 0 or max(inside.max(), weight.max()) > 1):
        raise ValueError("a share needs values between 0 (not) and 1 (in)")
    interval = mean_among(inside, weight, groups, level=level)
    if interval is None:
        return None
    none, every = not (inside * weight).any(), not ((1.0 - inside) * weight).any()
    groups_among = effective_groups(weight.mean(axis=0), groups)
    low, high = bounded(interval.low, interval.high, none, every, groups_among, level)
    return replace(interval, low=low, high=high)


def mean_among(
    values: npt.NDArray[Any], among: npt.NDArray[Any], groups: Groups, *, level: float = 0.95
) -> Interval | None:
    """The mean of `values` over the examples in `among`, as in `share`: the sum of values · among over that of among.

    None if too few examples are in `among` for an interval. Raises ValueError as `accuracy` does, for any values.
    """
    value, weight = same_shape(values, among)
    parts = crossed(np.stack([value * weight, weight]), groups)
    ratio = fieller_interval(parts, level=level)
    if ratio is None:
        return None
    mean = float(parts.mean[0] / parts.mean[1])
    return Interval(mean=mean, low=ratio[0], high=ratio[1], seed_noise=parts.seeds > 1)


def bounded(low: float, high: float, none: bool, every: bool, groups: float, level: float) -> tuple[float, float]:
    """The interval of a proportion, clipped to 0 to 1. none, every: whether no example, or every example, is a hit.

    In these two cases the estimated variance is 0, so the interval is the exact binomial one (Clopper & Pearson 1934)
    with groups as trials.
    """
    if none or every:
        bound = unseen(groups, level)
        return (0.0, bound) if none else (1.0 - bound, 1.0)
    return max(low, 0.0), min(high, 1.0)


def unseen(groups: float, level: float) -> float:
    """The upper bound of the share of groups that have what none of so many groups has (Clopper & Pearson 1934)."""
    return float(1.0 - ((1.0 - level) / 2) ** (1 / groups))


def effective_groups(weight: npt.NDArray[np.float64], groups: Groups) -> float:
    """The effective number of groups, (Σ w_g)² / Σ w_g² (Kish 1965). weight: of each example, [N]."""
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(codes, weights=weight)
    return float(sizes.sum() ** 2 / np.square(sizes).sum())
