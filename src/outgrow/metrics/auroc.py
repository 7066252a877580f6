"""AUROC: the area under the ROC curve; of more than two classes, the mean of each class against the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from outgrow.metrics.base import Metric, UndefinedError
from outgrow.types import Doubles, Ints


@dataclass(frozen=True, kw_only=True)
class Auroc(Metric):
    """The probability that an example of a class has a larger predicted probability of it than one of another class;
    ties count half. The mean over classes (scikit-learn's `roc_auc_score(multi_class="ovr", average="macro")`).

    The influence values are the structural components of DeLong, DeLong & Clarke-Pearson 1988 ("Comparing the areas
    under two or more correlated receiver operating characteristic curves", Biometrics 44).
    """

    def values(self, probs: Doubles, truth: Ints, classes: Sequence[str]) -> Doubles:
        occurring = np.unique(truth)
        if len(occurring) < 2:
            raise UndefinedError("the area under the ROC curve needs examples of two classes")
        averaged = (1,) if probs.shape[1] == 2 else occurring  # the area is the same for each of two classes
        areas = [_area(probs[:, c], truth == c) for c in averaged]
        mean: Doubles = np.mean(areas, axis=0)
        return mean


def _area(score: Doubles, positive: npt.NDArray[np.bool_]) -> Doubles:
    """The area of one class, plus the influence of each example, float64 [N]."""
    inside, outside = np.sort(score[positive]), np.sort(score[~positive])
    beaten = _below(outside, score[positive]) / len(outside)  # of each example of the class: the others below it
    beating = 1.0 - _below(inside, score[~positive]) / len(inside)
    area = beaten.mean()
    values = np.empty(len(score))
    values[positive] = area + (beaten - area) * len(score) / len(inside)
    values[~positive] = area + (beating - area) * len(score) / len(outside)
    return values


def _below(among: Doubles, score: Doubles) -> Doubles:
    """How many of the sorted `among` lie below each score, ties counted half."""
    return (np.searchsorted(among, score, "left") + np.searchsorted(among, score, "right")) / 2.0
