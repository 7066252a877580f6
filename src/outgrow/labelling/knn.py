"""k nearest neighbours: an example's label is what its neighbours' labels say, in the student's frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.labelling.base import Rule, classes_of
from outgrow.ranges import check_ranges, whole
from outgrow.types import Doubles, Labels

CHUNK = 256  # examples whose distances to all others are held at once


@dataclass(frozen=True, kw_only=True)
class KNN(Rule):
    """The mean label of the `neighbours` nearest other examples (all others where there are fewer): Euclidean distance
    between standardised features. An example's own label does not count: mistakes that stand alone are voted down."""

    kind: ClassVar[str] = "rule/knn"
    shared_choices: ClassVar[bool] = True
    needs_features: ClassVar[bool] = True

    neighbours: int = 20

    def __post_init__(self) -> None:
        check_ranges(self, neighbours=whole(1))

    def apply(self, labels_of_each: Sequence[Labels], features: Doubles | None = None) -> Labels:
        (labels,) = labels_of_each
        assert features is not None
        n, k = len(labels), min(self.neighbours, len(labels) - 1)
        if not k:
            return labels
        weak = classes_of(labels)
        x = (features - features.mean(0)) / np.maximum(features.std(0), 1e-6)
        squared = (x**2).sum(1)
        found = np.empty_like(weak)
        for start in range(0, n, CHUNK):
            rows = np.arange(start, min(start + CHUNK, n))
            distance = squared - 2 * x[rows] @ x.T  # but for the row's own square
            distance[np.arange(len(rows)), rows] = np.inf
            found[rows] = weak[np.argpartition(distance, k - 1, axis=1)[:, :k]].mean(1)
        return Labels.from_rows(labels.ids, list(found))
