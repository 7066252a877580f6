"""Agreement of several annotators beyond chance, with gaps: Krippendorff's alpha and Fleiss' kappa.

Both are 1 for full agreement and about 0 for annotators that guess; votes are counts [n, k], how many annotators give
each class to each item, so that items may have different numbers of votes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.types import Doubles


@dataclass(frozen=True, kw_only=True)
class Chance:
    """Two measures with percentile intervals over items, by the bootstrap.

    alpha: Krippendorff's alpha for nominal data (Krippendorff 2004, "Content analysis", section 11.3). kappa: Fleiss'
    kappa (Fleiss 1971), for items with different numbers of votes: each item's share of agreeing pairs, averaged.
    observed: the share of pairs of votes that agree, averaged over items. items: those with two votes at least.
    """

    alpha: float
    alpha_low: float
    alpha_high: float
    kappa: float
    kappa_low: float
    kappa_high: float
    observed: float
    items: int


def beyond_chance(votes: npt.NDArray[Any], *, level: float = 0.95, draws: int = 1000, seed: int = 0) -> Chance | None:
    """Both measures for votes [n, k]; None where they are not defined: fewer than two items have two votes, or all
    votes are of one class. Raises ValueError for counts that are negative or NaN."""
    counts = np.asarray(votes, dtype=np.float64)
    if counts.ndim != 2 or not (counts >= 0).all():
        raise ValueError(f"votes are counts [items, classes] that are not negative, got shape {counts.shape}")
    paired = counts[counts.sum(1) >= 2]
    if len(paired) < 2 or (paired.sum(0) > 0).sum() < 2:
        return None
    kinds, sizes = np.unique(paired, axis=0, return_counts=True)
    parts = _parts(kinds)
    alpha, kappa, observed = _both(parts, sizes[None].astype(np.float64))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(paired), sizes / len(paired), size=draws).astype(np.float64)
    alphas, kappas, _ = _both(parts, drawn)
    tails = [(1 - level) / 2, (1 + level) / 2]
    alpha_low, alpha_high = np.nanquantile(alphas, tails).tolist()
    kappa_low, kappa_high = np.nanquantile(kappas, tails).tolist()
    return Chance(
        alpha=float(alpha[0]), alpha_low=alpha_low, alpha_high=alpha_high,
        kappa=float(kappa[0]), kappa_low=kappa_low, kappa_high=kappa_high,
        observed=float(observed[0]), items=len(paired),
    )  # fmt: skip


def _parts(kinds: Doubles) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Of each kind of item: its number of votes, its votes by class, its pairs that agree, its share of them."""
    m = kinds.sum(1)
    agreeing = (kinds * (kinds - 1)).sum(1)
    return m, kinds, agreeing / (m - 1), agreeing / (m * (m - 1))


def _both(parts: tuple[Doubles, Doubles, Doubles, Doubles], weights: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """alpha, kappa and the observed agreement for each row of weights of the kinds, [draws]; NaN for one class only."""
    m, kinds, agreeing, share = parts
    totals, by_class = weights @ m, weights @ kinds
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = (by_class * (by_class - 1)).sum(1) / (totals * (totals - 1))
        alpha = 1 - (1 - weights @ agreeing / totals) / (1 - expected)
        observed = weights @ share / weights.sum(1)
        chance = np.square(by_class / totals[:, None]).sum(1)
        kappa = (observed - chance) / (1 - chance)
    return np.where(expected < 1, alpha, np.nan), np.where(chance < 1, kappa, np.nan), observed
