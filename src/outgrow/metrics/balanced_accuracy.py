"""Balanced accuracy: the mean over classes of the share of their examples that is answered right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outgrow.metrics.base import Metric
from outgrow.types import Doubles, Ints


@dataclass(frozen=True, kw_only=True)
class BalancedAccuracy(Metric):
    """The mean recall of the K classes that occur (Brodersen et al. 2010, "The balanced accuracy and its posterior
    distribution"; scikit-learn's `balanced_accuracy_score`).

    The influence of an example of class c, N_c of N, is (right − recall_c) · N / (K · N_c).
    """

    def values(self, probs: Doubles, truth: Ints, classes: Sequence[str]) -> Doubles:
        right = (probs.argmax(axis=1) == truth).astype(np.float64)
        occurring, codes, counts = np.unique(truth, return_inverse=True, return_counts=True)
        recall = np.bincount(codes, weights=right) / counts
        scale = len(truth) / (len(occurring) * counts)
        values: Doubles = recall.mean() + (right - recall[codes]) * scale[codes]
        return values
