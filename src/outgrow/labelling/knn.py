"""k nearest neighbours: smooths weak labels over neighbours in the student's frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule
from outgrow.ranges import check_ranges, whole
from outgrow.types import Labels, classes_of

CHUNK = 256  # rows of the distance matrix that are in memory at once


@dataclass(frozen=True, kw_only=True)
class KNN(Rule):
    """Replaces each label by the mean label of the example's nearest neighbours, without its own label.

    Distances are Euclidean between standardised features. Isolated label errors are outvoted by their neighbours.
    neighbours: how many, or all other examples if there are fewer.
    """

    kind: ClassVar[str] = "rule/knn"
    shared_choices: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("student/features",)

    neighbours: int = 20

    def __post_init__(self) -> None:
        check_ranges(self, neighbours=whole(1))

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        (weak,) = labels
        features = evidence.features["student/features"]
        n, k = len(weak), min(self.neighbours, len(weak) - 1)
        if not k:
            return weak
        probs = classes_of(weak)
        x = (features - features.mean(0)) / np.maximum(features.std(0), 1e-6)
        squared_norms = (x**2).sum(1)
        smoothed = np.empty_like(probs)
        for start in range(0, n, CHUNK):
            rows = np.arange(start, min(start + CHUNK, n))
            distance = squared_norms - 2 * x[rows] @ x.T  # squared distance less a constant for each row
            distance[np.arange(len(rows)), rows] = np.inf
            smoothed[rows] = probs[np.argpartition(distance, k - 1, axis=1)[:, :k]].mean(1)
        return Labels.from_rows(weak.ids, list(smoothed))
