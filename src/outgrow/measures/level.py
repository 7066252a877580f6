"""The level of a model: the difficulty up to which it knows half of the answers.

What it knows at a difficulty is its accuracy there beyond guessing, (accuracy − chance) / (1 − chance), and never rises
with difficulty: isotonic regression (Barlow, Bartholomew, Bremner & Brunk 1972), which assumes no other form.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.types import Doubles

HALF = 0.5


def ranks(difficulty: Doubles) -> Doubles:
    """The rank of each example by its difficulty, from 0 for the easiest to 1; equal ones share a rank. [N]."""
    from scipy.stats import rankdata

    return np.asarray((rankdata(difficulty) - 1) / max(len(difficulty) - 1, 1), dtype=np.float64)


def known_at(rank: Doubles, correct: Doubles, chance: float, groups: npt.NDArray[Any]) -> Doubles:
    """The share of answers that a model knows at the difficulty of each example, by the answers to others: half of the
    groups say what is known at the examples of the other half. So bands of it are not chosen by the model's luck on
    their own examples. [N].

    rank: of each example, [N]. correct: 1 right and 0 wrong, [S, N]. chance: the mean probability of a right guess.
    groups: a number for each example, [N].
    """
    _, codes = np.unique(groups, return_inverse=True)
    even = codes % 2 == 0
    known = np.empty(len(rank))
    for own, others in ((even, ~even), (~even, even)):
        known[own] = np.interp(rank[own], *_curve(rank[others], correct[:, others], chance))
    return known


def level(rank: Doubles, correct: Doubles, chance: float) -> float | None:
    """The rank up to which a model knows half of the answers; None if it knows less of the easiest, or never less."""
    places, known = _curve(rank, correct, chance)
    if known[0] < HALF or known[-1] >= HALF:
        return None
    return float(places[known >= HALF].max())


def falls(rank: Doubles, correct: Doubles) -> bool:
    """Whether harder examples are right less often: a negative correlation with the rank."""
    return float((rank - rank.mean()) @ correct.mean(axis=0)) < 0


def _curve(rank: Doubles, correct: Doubles, chance: float) -> tuple[Doubles, Doubles]:
    """The distinct ranks, rising, and what is known there."""
    from scipy.optimize import isotonic_regression

    known = (correct.mean(axis=0) - chance) / (1.0 - chance)
    places, inverse, count = np.unique(rank, return_inverse=True, return_counts=True)
    mean = np.bincount(inverse, weights=known) / count
    return places, np.asarray(isotonic_regression(mean, weights=count, increasing=False).x, dtype=np.float64)
