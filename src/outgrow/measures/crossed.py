"""The mean of a seeds × examples table, with a confidence interval over seeds and test groups.

Every model is scored on the same test examples for every seed, so seeds (rows) and examples (columns, clustered in
groups) are crossed random effects: score = mean + seed + group + residual. The variance of the mean is

    V = V_seed + V_group − V_both

the two-way clustered variance of Cameron, Gelbach & Miller 2011 ("Robust inference with multiway clustering"), with the
expected mean squares of the two-way random-effects analysis of variance (Searle, Casella & McCulloch 1992, ch. 4), so
that it is unbiased for few seeds. The jackknife accounts for groups of unequal size (MacKinnon, Nielsen & Webb 2023,
"Leverage, influence, and the jackknife in clustered regression models"). Then

    half width² = t²(seeds − 1) · (V_seed − V_both) + t²(groups − 1) · V_group

with separate t quantiles, since one component is estimated from few seeds and the other from many groups (Banerjee
1960, "Approximate confidence interval for linear functions of means of k populations", Sankhyā 22). A single t quantile
with Satterthwaite's pooled degrees of freedom gives too little coverage if much of the variance is between few seeds:
docs/decisions/0002-intervals.md.
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

SMALLEST_P = 1e-12  # a smaller p-value says no more: it rests on the far tail of a distribution that is assumed

Groups: TypeAlias = Sequence[str] | Sequence[int] | npt.NDArray[Any]


class OneGroupError(ValueError):
    """All examples are in one group, so the variance between groups cannot be estimated."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean and its confidence interval. seed_noise: False if there was one seed, so that only groups vary."""

    mean: float
    low: float
    high: float
    seed_noise: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Crossed:
    """Means of K measures of the same seeds × examples, and the three components of their covariance.

    mean: float64 [K]. seed, group, both: the covariance components V_seed, V_group and V_both, float64 [K, K]; with one
    seed, `seed` and `both` are zero. seeds, groups: their numbers. effective_groups: N² / Σ n_g² for groups of n_g
    examples (Kish 1965).
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
        parts = self.components(direction)
        return math.sqrt(sum(t_quantile(df, level) ** 2 * variance for variance, df in parts))

    def p_value(self, direction: Doubles) -> float:
        """The two-sided p-value of direction · mean = 0: the interval of level 1 − p ends at zero. At least 1e-12."""
        return p_value_of(float(direction @ self.mean), self.components(direction))

    def components(self, direction: Doubles) -> list[tuple[float, float]]:
        """The variances of direction · mean over groups and, of several seeds, over seeds, none of them negative, each
        with the degrees of freedom that it is estimated from."""
        seed, group, both = (float(direction @ part @ direction) for part in (self.seed, self.group, self.both))
        over_groups = max(group, both), self.effective_groups - 1.0
        return [over_groups, (max(seed - both, 0.0), self.seeds - 1.0)] if self.seeds > 1 else [over_groups]


def p_value_of(mean: float, components: Sequence[tuple[float, float]]) -> float:
    """The two-sided p-value of a mean of zero, from the variances of its parts and their degrees of freedom: the
    interval of level 1 − p ends at zero. At least 1e-12."""
    from scipy.special import stdtrit

    if mean == 0.0 or not sum(variance for variance, _ in components):
        return 1.0 if mean == 0.0 else SMALLEST_P

    def covers_zero(p: float) -> bool:
        return bool(sum(stdtrit(df, p / 2) ** 2 * variance for variance, df in components) >= mean**2)

    inside, outside = math.log(SMALLEST_P), 0.0  # of log p: the interval gets narrower as p grows
    if not covers_zero(SMALLEST_P):
        return SMALLEST_P
    while outside - inside > 1e-10:
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if covers_zero(math.exp(middle)) else (inside, middle)
    return math.exp(outside)


def crossed(values: npt.NDArray[Any], groups: Groups) -> Crossed:
    """Means and covariance components of K measures over seeds and examples.

    values: [K measures, S seeds, N examples]. groups: the group of each example, [N].

    Raises ValueError for no values, NaN or infinity, or groups of another length; OneGroupError for a single group.
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
    seed, group = cell.sum(axis=2), cell.mean(axis=1)  # effects of seed s and group g on the mean
    residual = cell - seed[:, :, None] * (sizes / examples) - group[:, None, :]
    remaining = 1.0 - sizes / examples  # leaving group g out changes the mean by group / remaining
    jackknife = (count - 1) / count
    group, residual = group / remaining, (residual / remaining).reshape(len(mean), -1)
    pairs = max(seeds * (seeds - 1), 1)
    return Crossed(
        mean=mean,
        seed=seed @ seed.T / pairs,
        group=jackknife * group @ group.T,
        both=jackknife * residual @ residual.T / pairs,
        seeds=seeds,
        groups=count,
        effective_groups=float(examples**2 / np.square(sizes, dtype=np.float64).sum()),
    )


def mean_interval(values: npt.NDArray[Any], groups: Groups, *, level: float = 0.95) -> Interval:
    """The mean of values [S, N] with groups [N], and its confidence interval. Raises ValueError as `crossed` does."""
    parts = crossed(np.asarray(values)[None], groups)
    mean, half = float(parts.mean[0]), parts.half_width(np.ones(1), level)
    return Interval(mean=mean, low=mean - half, high=mean + half, seed_noise=parts.seeds > 1)


def fieller_interval(parts: Crossed, *, level: float) -> tuple[float, float] | None:
    """Fieller's confidence interval of the ratio mean[0] / mean[1] (Fieller 1954).

    It covers all r for which a test of mean[0] − r · mean[1] = 0 does not reject. None unless the interval of mean[1]
    lies above zero: only then is the set of these r bounded. Because of the maxima in `half_width` the set may be
    several intervals; the result is the smallest interval that contains them.

    With r = estimate + u, the test statistic minus its critical value is A u² + B u + C for each outcome of the two
    maxima, so every end point is a root of one of four quadratics.
    """
    if parts.mean[1] <= parts.half_width(np.array([0.0, 1.0]), level):
        return None
    estimate = float(parts.mean[0] / parts.mean[1])
    offsets = [0.0]
    for variance in _variances(parts, level):
        along, across = np.array([1.0, -estimate]), np.array([0.0, -1.0])
        a = float(parts.mean[1] ** 2 - across @ variance @ across)
        b, c = -2 * float(along @ variance @ across), -float(along @ variance @ along)
        offsets += [u for u in _roots(a, b, c) if _accepted(parts, np.array([1.0, -(estimate + u)]), level)]
    return estimate + min(offsets), estimate + max(offsets)


def _variances(parts: Crossed, level: float) -> list[Doubles]:
    """One matrix V [K, K] with half_width² = d · V · d for each outcome of the two maxima in `half_width`."""
    over_groups = t_quantile(parts.effective_groups - 1.0, level) ** 2
    variances = [over_groups * part for part in (parts.group, parts.both)]
    if parts.seeds == 1:
        return variances
    over_seeds = t_quantile(parts.seeds - 1.0, level) ** 2
    return [*variances, *(part + over_seeds * (parts.seed - parts.both) for part in variances)]


def _roots(a: float, b: float, c: float) -> list[float]:
    """The real roots of a u² + b u + c."""
    square = b * b - 4 * a * c
    if square < 0:
        return []
    q = -(b + math.copysign(math.sqrt(square), b)) / 2  # terms of equal sign: no cancellation
    return [numerator / denominator for numerator, denominator in ((q, a), (c, q)) if denominator]


def _accepted(parts: Crossed, direction: Doubles, level: float) -> bool:
    """Whether a test of direction · mean = 0 does not reject, up to rounding."""
    return abs(float(direction @ parts.mean)) <= parts.half_width(direction, level) * (1 + 1e-6)


def same_shape(*tables: npt.NDArray[Any]) -> list[Doubles]:
    """The tables as float64 [S, N]. One of shape [1, N], which does not depend on the seed, is repeated for every seed.

    Raises ValueError for shapes that do not fit.
    """
    arrays = [np.asarray(table, dtype=np.float64) for table in tables]
    shapes = [array.shape for array in arrays]
    seeds = max((shape[0] for shape in shapes if len(shape) == 2), default=0)
    if not all(len(shape) == 2 and shape[0] in (1, seeds) and shape[1] == shapes[0][1] for shape in shapes):
        raise ValueError(f"shapes {shapes} do not fit: give [seeds, examples], or [1, examples] for a constant one")
    return [np.broadcast_to(array, (seeds, shapes[0][1])) for array in arrays]


@cache
def t_quantile(df: float, level: float) -> float:
    """The two-sided quantile t of Student's distribution: P(−t ≤ T ≤ t) = level. Raises ValueError for the level."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"the level must lie between 0 and 1, got {level}")
    from scipy.special import stdtrit  # not at the top: planning an experiment needs no scipy

    return float(stdtrit(df, (1.0 + level) / 2.0))
