"""Accuracy over seeds that have different, possibly overlapping examples, such as labels on each transfer subset.

The mean over seeds of each seed's accuracy has the variance V = V_seed + V_group − V_both of
`outgrow.measures.crossed`, here for a seeds × groups table with empty cells. With d_sg the change of the accuracy of
seed s when group g is left out,

    V_group = Σ_g (mean over s of d_sg)²         groups as clusters across seeds
    within  = Σ_s Σ_g d_sg² / S²                 as if no two seeds shared a group
    V_both  = (S · within − V_group) / (S − 1)

each sum over groups times (G − 1) / G. If all seeds have the same examples, these equal the parts of `crossed`. If no
two seeds share a group, V_both = V_group and V = V_seed, the variance of the seeds' accuracies divided by S.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.accuracy import bounded
from outgrow.measures.crossed import Crossed, Groups, Interval, OneGroupError


def accuracy_of_samples(
    correct: Sequence[npt.NDArray[Any]], groups: Sequence[Groups], *, level: float = 0.95
) -> Interval:
    """The mean over seeds of each seed's accuracy, with its confidence interval.

    correct: for every seed, scores [N_s] from 0 to 1. groups: for every seed, the groups [N_s]; equal names are the
    same group across seeds. With one seed the interval covers variation between groups only, and `seed_noise` is False.

    Raises ValueError for no seeds or scores, NaN, scores outside 0 to 1, or lengths that do not fit; OneGroupError if
    all examples of a seed are in one group.
    """
    scores = _checked(correct, groups)
    if not all(((s >= 0) & (s <= 1)).all() for s in scores):
        raise ValueError("an accuracy needs scores between 0 (wrong) and 1 (right)")
    parts = _parts(scores, groups)
    mean, half = float(parts.mean[0]), parts.half_width(np.ones(1), level)
    none, every = not any(s.any() for s in scores), all((s == 1).all() for s in scores)
    low, high = bounded(mean - half, mean + half, none, every, parts.effective_groups, level)
    return Interval(mean=mean, low=low, high=high, seed_noise=parts.seeds > 1)


def mean_of_samples(values: Sequence[npt.NDArray[Any]], groups: Sequence[Groups], *, level: float = 0.95) -> Interval:
    """The same for values of any size, such as the shares of examples in a metric, without bounds.

    Raises ValueError and OneGroupError as `accuracy_of_samples` does.
    """
    every = _checked(values, groups)
    if not all(np.isfinite(s).all() for s in every):
        raise ValueError("some values are NaN or infinite")
    parts = _parts(every, groups)
    mean, half = float(parts.mean[0]), parts.half_width(np.ones(1), level)
    return Interval(mean=mean, low=mean - half, high=mean + half, seed_noise=parts.seeds > 1)


def _checked(values: Sequence[npt.NDArray[Any]], groups: Sequence[Groups]) -> list[npt.NDArray[np.float64]]:
    """The values as float64. Raises ValueError for none."""
    every = [np.asarray(each, dtype=np.float64) for each in values]
    if not every or len(every) != len(groups) or any(s.ndim != 1 or not s.size for s in every):
        raise ValueError("at least one seed is needed, and at least one example of each, with its groups")
    return every


def _parts(scores: Sequence[npt.NDArray[np.float64]], groups: Sequence[Groups]) -> Crossed:
    means = np.array([s.mean() for s in scores])
    if any(np.shape(names) != s.shape for names, s in zip(groups, scores, strict=True)):
        raise ValueError("each example needs one group")
    names, codes = np.unique(np.concatenate([np.asarray(each) for each in groups]), return_inverse=True)
    seeds, count = len(scores), len(names)
    mean_effect, share = np.zeros(count), np.zeros(count)
    within = 0.0
    codes_by_seed = np.split(codes, np.cumsum([len(s) for s in scores])[:-1])
    for s, mean, seed_codes in zip(scores, means, codes_by_seed, strict=True):
        present, inverse, sizes = np.unique(seed_codes, return_inverse=True, return_counts=True)
        if len(present) < 2:
            raise OneGroupError(f"all {len(s)} examples of a seed are of one group: an interval needs two groups")
        effect = np.bincount(inverse, weights=s - mean) / (len(s) - sizes)
        mean_effect[present] += effect / seeds
        share[present] += sizes / len(s) / seeds
        within += (len(present) - 1) / len(present) * float(effect @ effect) / seeds**2
    group = (count - 1) / count * float(mean_effect @ mean_effect)
    pairs = max(seeds * (seeds - 1), 1)
    return Crossed(
        mean=np.array([means.mean()]),
        seed=np.array([[np.square(means - means.mean()).sum() / pairs]]),
        group=np.array([[group]]),
        both=np.array([[(seeds * within - group) / max(seeds - 1, 1)]]),
        seeds=seeds,
        groups=count,
        effective_groups=1.0 / float(share @ share),
    )
