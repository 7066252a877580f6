"""Means over many rows of which few are audited, by prediction-powered inference.

A guess of the value is known for every row, the value itself for the audited ones. With f the guesses and Y the values,

    mean = λ · mean of f over the other rows + mean of (Y − λ f) over the audited rows

is unbiased for every λ that does not depend on the audited values, however bad the guesses are (Angelopoulos, Bates,
Fannjiang, Jordan & Zrnic 2023, "Prediction-powered inference"). The λ that makes its variance small is estimated
("PPI++: efficient prediction-powered inference", Angelopoulos, Duchi & Zrnic 2023, section 6): λ = 0 is the classical
mean. Rows that were not drawn at random form a stratum of their own (Fisch et al. 2024, "Stratified prediction-powered
inference").

For the mean over exactly these rows the same is the difference estimator of survey sampling with its correction for a
finite population (Särndal, Swensson & Wretman 1992, section 6.3): f is averaged over all rows, and

    variance = (1 − n / rows) · variance of (Y − λ f) / n
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.crossed import t_quantile
from outgrow.types import Doubles


@dataclass(frozen=True, kw_only=True, eq=False)
class Stratum:
    """Rows of which some are audited, at random.

    values: float64 [n] of the audited rows. guesses: float64 [n] of the same rows. others: float64 [m], the guesses of
    the rows that are not audited. Guesses must not depend on the audited values.
    """

    values: Doubles
    guesses: Doubles
    others: Doubles

    @property
    def rows(self) -> int:
        return len(self.values) + len(self.others)


@dataclass(frozen=True, kw_only=True)
class PPIEstimate:
    """A mean with its confidence interval.

    standard_error: of the mean. power: λ of each stratum, from 0 (guesses are not used) to 1. audits, rows: how many
    rows are audited, and how many there are. audits_to_halve: how many more random audits would halve the interval;
    None where none do.
    """

    mean: float
    low: float
    high: float
    standard_error: float
    power: tuple[float, ...]
    audits: int
    rows: int
    audits_to_halve: int | None


def powered_mean(
    strata: Sequence[Stratum], *, finite: bool = False, proportion: bool = False, level: float = 0.95
) -> PPIEstimate:
    """The mean of a value over all rows, from the audited rows and the guesses of all.

    Args:
        strata: Disjoint sets of rows; in each the audited rows are a random sample, or all of its rows.
        finite: The mean over these rows; by default over the population that they are a sample of.
        proportion: Values are 0 or 1, and the interval of a stratum is Wilson's with the effective number of audits
            (Kott & Carr 1997; Franco et al. 2019), which also holds near 0 and 1; by default it is Student's. Strata
            are joined by their distances to the means (Zou 2008, "MOVER").
        level: The confidence level.

    Returns:
        The mean with its interval and standard error.

    Raises:
        ValueError: Shapes that do not fit, values that are NaN, or a stratum with rows of which fewer than two are
            audited while others are not.

    Example:
        >>> guesses = np.arange(1000) % 10 / 10
        >>> stratum = Stratum(values=guesses[:100], guesses=guesses[:100], others=guesses[100:])
        >>> round(powered_mean([stratum]).mean, 3)
        0.45
    """
    for each in strata:
        _check(each)
    total = sum(each.rows for each in strata)
    weights = np.array([each.rows / total for each in strata])
    parts = [_part(each, finite) for each in strata]
    mean = float(weights @ [part[0] for part in parts])
    variances = np.square(weights) * [part[1] + part[2] for part in parts]
    variance = float(variances.sum())
    halves = [_halves(each, part, proportion, level) for each, part in zip(strata, parts, strict=True)]
    below, above = (math.sqrt(float(np.square(weights * side).sum())) for side in np.transpose(halves))
    return PPIEstimate(
        mean=mean,
        low=max(mean - below, 0.0) if proportion else mean - below,
        high=min(mean + above, 1.0) if proportion else mean + above,
        standard_error=math.sqrt(variance),
        power=tuple(part[3] for part in parts),
        audits=sum(len(each.values) for each in strata),
        rows=total,
        audits_to_halve=_to_halve(strata, parts, weights, variance, finite),
    )


def classical(values: npt.NDArray[Any], rows: int | None = None, *, level: float = 0.95) -> PPIEstimate:
    """The share of ones among audited rows alone, with Wilson's interval. rows: that of a finite population."""
    values = np.asarray(values, dtype=np.float64)
    others = np.zeros(0 if rows is None else rows - len(values))
    stratum = Stratum(values=values, guesses=np.zeros(len(values)), others=others)
    return powered_mean([stratum], finite=rows is not None, proportion=True, level=level)


def _check(stratum: Stratum) -> None:
    if stratum.values.shape != stratum.guesses.shape or stratum.values.ndim != 1 or stratum.others.ndim != 1:
        raise ValueError("each audited row needs one value and one guess")
    if not all(np.isfinite(each).all() for each in (stratum.values, stratum.guesses, stratum.others)):
        raise ValueError("some values or guesses are NaN or infinite")
    if len(stratum.values) < 2 and (len(stratum.others) or not len(stratum.values)):
        raise ValueError(f"{len(stratum.values)} of {stratum.rows} rows are audited: an interval needs two at least")


def _part(stratum: Stratum, finite: bool) -> tuple[float, float, float, float]:
    """The mean of a stratum, its variance over audits, that over the other rows, and λ."""
    y, f, n = stratum.values, stratum.guesses, len(stratum.values)
    every = np.concatenate([f, stratum.others])
    if not len(stratum.others):
        return float(y.mean()), 0.0 if finite or n < 2 else float(y.var(ddof=1)) / n, 0.0, 0.0
    spread = float(every.var(ddof=1)) * (1.0 if finite else 1.0 + n / len(stratum.others))
    covariance = float(((y - y.mean()) * (f - f.mean())).mean())
    power = min(max(covariance / spread, 0.0), 1.0) if spread > 0 else 0.0
    rectified = y - power * f
    over_audits = float(rectified.var(ddof=1)) / n
    if finite:
        return power * float(every.mean()) + float(rectified.mean()), (1 - n / len(every)) * over_audits, 0.0, power
    over_others = power**2 * float(stratum.others.var()) / len(stratum.others)
    return power * float(stratum.others.mean()) + float(rectified.mean()), over_audits, over_others, power


def _halves(
    stratum: Stratum, part: tuple[float, float, float, float], proportion: bool, level: float
) -> tuple[float, float]:
    """How far the interval of a stratum's mean reaches below and above it."""
    mean, variance, n = part[0], part[1] + part[2], len(stratum.values)
    if not variance and not (proportion and len(stratum.others)):
        return 0.0, 0.0
    t = t_quantile(n - 1.0, level)
    if not proportion:
        return t * math.sqrt(variance), t * math.sqrt(variance)
    p = min(max(mean, 0.0), 1.0)
    effective = p * (1 - p) / variance if variance and 0 < p < 1 else float(n)  # audits that give this variance
    centre = (p + t**2 / (2 * effective)) / (1 + t**2 / effective)
    half = t / (1 + t**2 / effective) * math.sqrt(p * (1 - p) / effective + t**2 / (4 * effective**2))
    return max(mean - centre + half, 0.0), max(centre + half - mean, 0.0)


def _to_halve(
    strata: Sequence[Stratum],
    parts: Sequence[tuple[float, float, float, float]],
    weights: Doubles,
    variance: float,
    finite: bool,
) -> int | None:
    """How many more audits of the largest stratum with other rows would divide the variance by four."""
    open_ones = [i for i, each in enumerate(strata) if len(each.others)]
    if not open_ones or variance <= 0:
        return None
    i = max(open_ones, key=lambda i: strata[i].rows)
    n, rows = len(strata[i].values), strata[i].rows
    over_audits = float(weights[i] ** 2) * parts[i][1]
    aim = variance / 4 - (variance - over_audits)  # what the audits of this stratum may still leave
    single = over_audits * n / ((1 - n / rows) if finite else 1.0)  # the variance with one audit, of an endless source
    if aim <= 0:
        return None
    needed = single / (aim + single / rows) if finite else single / aim
    return max(math.ceil(needed - 1e-9) - n, 0)
