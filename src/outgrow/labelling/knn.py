"""k nearest neighbours: an example's label is what its neighbours' labels say, in the student's frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule
from outgrow.ranges import check_ranges, whole
from outgrow.types import Labels, classes_of

CHUNK = 256  # examples whose distances to all others are held at once


@dataclass(frozen=True, kw_only=True)
class KNN(Rule):
    """The mean label of the `neighbours` nearest other examples (all others where there are fewer): Euclidean distance
    between standardised features. An example's own label does not count: mistakes that stand alone are voted down."""

    kind: ClassVar[str] = "rule/knn"
    shared_choices: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("student/features",)

    neighbours: int = 20

    def __post_init__(self) -> None:
        check_ranges(self, neighbours=whole(1))

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        (own,) = labels
        features = evidence.features["student/features"]
        n, k = len(own), min(self.neighbours, len(own) - 1)
        if not k:
            return own
        weak = classes_of(own)
        x = (features - features.mean(0)) / np.maximum(features.std(0), 1e-6)
        squared = (x**2).sum(1)
        found = np.empty_like(weak)
        for start in range(0, n, CHUNK):
            rows = np.arange(start, min(start + CHUNK, n))
            distance = squared - 2 * x[rows] @ x.T  # but for the row's own square
            distance[np.arange(len(rows)), rows] = np.inf
            found[rows] = weak[np.argpartition(distance, k - 1, axis=1)[:, :k]].mean(1)
        return Labels.from_rows(own.ids, list(found))
