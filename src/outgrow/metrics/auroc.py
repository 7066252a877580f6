"""AUROC: the area under the ROC curve; of more than two classes, the mean of each class against the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outgrow.measures.area import area_values
from outgrow.metrics.base import Metric, UndefinedError
from outgrow.types import Doubles, Ints


@dataclass(frozen=True, kw_only=True)
class Auroc(Metric):
    """The probability that an example of a class has a larger predicted probability of it than one of another class;
    ties count half. The mean over classes (scikit-learn's `roc_auc_score(multi_class="ovr", average="macro")`).

    Its influence values are those of `measures.area`.
    """

    def values(self, probs: Doubles, truth: Ints, classes: Sequence[str]) -> Doubles:
        occurring = np.unique(truth)
        if len(occurring) < 2:
            raise UndefinedError("the area under the ROC curve needs examples of two classes")
        averaged = (1,) if probs.shape[1] == 2 else occurring  # the area is the same for each of two classes
        areas = [area_values(probs[:, c], truth == c) for c in averaged]
        mean: Doubles = np.mean(areas, axis=0)
        return mean
