"""The mean of a seeds × examples table, and how far it would move with other seeds and other test groups.

Every model is scored on the same test examples for every seed, so rows (seeds) and columns (examples, which hang
together in groups) are crossed, and both are samples: score = mean + seed + group + rest. The variance of the mean is

    V = V_seed + V_group − V_both

the two-way clustered variance of Cameron, Gelbach & Miller 2011 ("Robust inference with multiway clustering"), here
with the expectations of the two-way random-effects analysis of variance (Searle, Casella & McCulloch 1992, ch. 4), so
that it is unbiased for few seeds; groups of unequal size are dealt with by the jackknife (MacKinnon, Nielsen & Webb
2023, "Leverage, influence, and the jackknife in clustered regression models"). Then

    half width² = t²(seeds − 1) · (V_seed − V_both) + t²(groups − 1) · V_group

since the seeds' own part rests on few seeds and the rest on many groups (Banerjee 1960, "Approximate confidence
interval for linear functions of means of k populations", Sankhyā 22). One t quantile with Satterthwaite's pooled
degrees of freedom covers too little where few seeds matter much: docs/decisions/0002-intervals.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from outgrow.types import Doubles

Groups: TypeAlias = Sequence[str] | Sequence[int] | npt.NDArray[Any]


class OneGroupError(ValueError):
    """All examples are of one group: nothing shows how much groups differ."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean and its confidence interval. `seed_noise` is False where there was one seed and only groups vary."""

    mean: float
    low: float
    high: float
    seed_noise: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Crossed:
    """Means of K measures of the same seeds × examples, and the three parts of their covariance.

    mean: float64 [K]. seed, group, both: float64 [K, K]; with one seed, `seed` and `both` are zero.
    effective_groups: the number of equal groups that N examples in these groups are worth, N² / Σ n_g² (Kish 1965).
    """

    mean: Doubles
    seed: Doubles
    group: Doubles
    both: Doubles
    seeds: int
    groups: int
    effective_groups: float

    def half_width(self, direction: Doubles, level: float) -> float:
        """Half of the confidence interval of direction · mean, direction float64 [K]."""
        seed, group, both = (float(direction @ part @ direction) for part in (self.seed, self.group, self.both))
        square = t_quantile(self.effective_groups - 1.0, level) ** 2 * max(group, both)
        if self.seeds > 1:  # a component of variance is never negative, hence both maxima
            square += t_quantile(self.seeds - 1.0, level) ** 2 * max(seed - both, 0.0)
        return math.sqrt(square)


def crossed(values: npt.NDArray[Any], groups: Groups) -> Crossed:
    """Means over seeds and examples of values [K, S, N] (K measures, S seeds, N examples) with groups [N].

    ValueError: no values, a NaN or infinity, groups of another length; OneGroupError where there is only one.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 3 or table.size == 0:
        raise ValueError(f"at least one seed and one example are needed, got a table of shape {table.shape[1:]}")
    if not np.isfinite(table).all():
        raise ValueError(f"{int((~np.isfinite(table)).sum())} values are NaN or infinite")
    names = np.asarray(groups)
    if names.shape != table.shape[2:]:
        raise ValueError(f"{table.shape[2]} examples, but groups of shape {names.shape}: each example needs one")
    _, codes, sizes = np.unique(names, return_inverse=True, return_counts=True)
    seeds, examples, count = table.shape[1], table.shape[2], len(sizes)
    if count < 2:
        raise OneGroupError(f"all {examples} examples are of one group: an interval needs at least two groups")

    mean = table.mean(axis=(1, 2))
    order, starts = np.argsort(codes, kind="stable"), np.concatenate([[0], np.cumsum(sizes)[:-1]])
    cell = np.add.reduceat((table - mean[:, None, None])[:, :, order], starts, axis=2) / examples  # [K, S, G]
    seed, group = cell.sum(axis=2), cell.mean(axis=1)  # what seed s and group g move the mean by
    rest = cell - seed[:, :, None] * (sizes / examples) - group[:, None, :]
    left = 1.0 - sizes / examples  # leaving group g out moves the mean by group / left
    jackknife = (count - 1) / count
    group, rest = group / left, (rest / left).reshape(len(mean), -1)
    pairs = max(seeds * (seeds - 1), 1)
    return Crossed(
        mean=mean,
        seed=seed @ seed.T / pairs,
        group=jackknife * group @ group.T,
        both=jackknife * rest @ rest.T / pairs,
        seeds=seeds,
        groups=count,
        effective_groups=float(examples**2 / np.square(sizes, dtype=np.float64).sum()),
    )


def mean_interval(values: npt.NDArray[Any], groups: Groups, *, level: float = 0.95) -> Interval:
    """The mean of values [S, N] with groups [N] and its `level` confidence interval. ValueErrors: see `crossed`."""
    parts = crossed(np.asarray(values)[None], groups)
    mean, half = float(parts.mean[0]), parts.half_width(np.ones(1), level)
    return Interval(mean=mean, low=mean - half, high=mean + half, seed_noise=parts.seeds > 1)


def fieller_interval(parts: Crossed, *, level: float) -> tuple[float, float] | None:
    """The ends of all ratios r = mean[0] / mean[1] that a test of mean[0] − r · mean[1] = 0 does not reject
    (Fieller 1954).

    None unless the interval of mean[1] lies above zero: that is just when these ratios are bounded. Otherwise they are
    all numbers but an interval, or all numbers. Since half_width takes maxima they may be several intervals: then
    these are the ends of the outermost ones.

    With r = estimate + u, the test statistic less its bound is A u² + B u + C for one choice of the two maxima, so
    every end is a root of one of four quadratics.
    """
    if parts.mean[1] <= parts.half_width(np.array([0.0, 1.0]), level):
        return None
    estimate = float(parts.mean[0] / parts.mean[1])
    found = [0.0]
    for variance in _variances(parts, level):
        along, across = np.array([1.0, -estimate]), np.array([0.0, -1.0])
        a = float(parts.mean[1] ** 2 - across @ variance @ across)
        b, c = -2 * float(along @ variance @ across), -float(along @ variance @ along)
        found += [u for u in _roots(a, b, c) if _accepted(parts, np.array([1.0, -(estimate + u)]), level)]
    return estimate + min(found), estimate + max(found)


def _variances(parts: Crossed, level: float) -> list[Doubles]:
    """The matrices V [K, K] of which one gives half_width² = d · V · d, for each outcome of its two maxima."""
    over_groups = t_quantile(parts.effective_groups - 1.0, level) ** 2
    found = [over_groups * part for part in (parts.group, parts.both)]
    if parts.seeds == 1:
        return found
    over_seeds = t_quantile(parts.seeds - 1.0, level) ** 2
    return [*found, *(part + over_seeds * (parts.seed - parts.both) for part in found)]


def _roots(a: float, b: float, c: float) -> list[float]:
    """The real roots of a u² + b u + c."""
    square = b * b - 4 * a * c
    if square < 0:
        return []
    q = -(b + math.copysign(math.sqrt(square), b)) / 2  # the larger sum: no digits cancel
    return [part / whole for part, whole in ((q, a), (c, q)) if whole]


def _accepted(parts: Crossed, direction: Doubles, level: float) -> bool:
    return abs(float(direction @ parts.mean)) <= parts.half_width(direction, level) * (1 + 1e-6)


def same_shape(*tables: npt.NDArray[Any]) -> list[Doubles]:
    """The tables as float64 [S, N]; one of shape [1, N] (what no seed touches) is repeated for every seed."""
    found = [np.asarray(table, dtype=np.float64) for table in tables]
    shapes = [table.shape for table in found]
    seeds = max((shape[0] for shape in shapes if len(shape) == 2), default=0)
    if not all(len(shape) == 2 and shape[0] in (1, seeds) and shape[1] == shapes[0][1] for shape in shapes):
        raise ValueError(f"shapes {shapes} do not fit: give [seeds, examples], or [1, examples] for a constant one")
    return [np.broadcast_to(table, (seeds, shapes[0][1])) for table in found]


@cache
def t_quantile(df: float, level: float) -> float:
    """The two-sided quantile of Student's t: a share `level` of its mass lies within ± this."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"the level must lie between 0 and 1, got {level}")
    from scipy.special import stdtrit  # here, because planning an experiment needs no scipy

    return float(stdtrit(df, (1.0 + level) / 2.0))
