"""Two sets of examples: how far scores tell them apart, and how much their means differ, as influence values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from outgrow.types import Doubles, Ints


def area_values(score: Doubles, positive: npt.NDArray[np.bool_]) -> Doubles:
    """The area under the ROC curve, plus the influence of each example, float64 [N]; their mean is the area.

    It is the probability that a positive example has a larger score than another one; ties count half. score: [N].
    positive: [N], with both kinds. The values are the structural components of DeLong, DeLong & Clarke-Pearson 1988
    ("Comparing the areas under two or more correlated receiver operating characteristic curves", Biometrics 44).
    """
    inside, outside = np.sort(score[positive]), np.sort(score[~positive])
    beaten = _below(outside, score[positive]) / len(outside)  # of each positive example: the others below it
    beating = 1.0 - _below(inside, score[~positive]) / len(inside)
    area = beaten.mean()
    values = np.empty(len(score))
    values[positive] = area + (beaten - area) * len(score) / len(inside)
    values[~positive] = area + (beating - area) * len(score) / len(outside)
    return values


def difference_values(score: Doubles, positive: npt.NDArray[np.bool_]) -> Doubles:
    """The mean of the positive examples less that of the others, plus the influence of each, float64 [N]."""
    first, second = score[positive].mean(), score[~positive].mean()
    values = np.full(len(score), first - second)
    values[positive] += (score[positive] - first) * len(score) / positive.sum()
    values[~positive] -= (score[~positive] - second) * len(score) / (~positive).sum()
    return values


def matched(lengths: Ints, others: Ints, tolerance: float = 0.05) -> tuple[Ints, Ints]:
    """The largest number of pairs of examples of both sets, each in one pair, whose lengths differ by at most the
    share `tolerance` of the longer one: their places in either set, in pairs."""
    order, other_order = np.argsort(lengths, kind="stable"), np.argsort(others, kind="stable")
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < len(order) and j < len(other_order):
        one, other = int(lengths[order[i]]), int(others[other_order[j]])
        if abs(one - other) <= tolerance * max(one, other):
            pairs.append((int(order[i]), int(other_order[j])))
            i, j = i + 1, j + 1
        elif one < other:
            i += 1
        else:
            j += 1
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _below(among: Doubles, score: Doubles) -> Doubles:
    """How many of the sorted `among` lie below each score, ties counted half."""
    return (np.searchsorted(among, score, "left") + np.searchsorted(among, score, "right")) / 2.0
