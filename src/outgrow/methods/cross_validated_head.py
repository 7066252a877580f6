"""A linear head on frozen features for few rows: its penalty is chosen by cross-validation, and no row is held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.losses.base import Loss
from outgrow.methods.base import FeatureData, FeatureMethod, HeadWeights
from outgrow.methods.head import PENALTIES, Head
from outgrow.ranges import check_ranges, whole
from outgrow.training.features import FeatureSpec
from outgrow.training.linear import Design, regress
from outgrow.types import Doubles, UserError


@dataclass(frozen=True, kw_only=True)
class CrossValidatedHead(FeatureMethod):
    """Multinomial regression on the features that `head` reads. The penalty is the one of the lowest cross-entropy over
    `folds` parts of the training rows; the validation slice is not read.

    folds: drawn by the seed, of whole groups, so that no copy of a text tells the label of another; as many as there
    are groups, where there are fewer.
    """

    kind: ClassVar[str] = "method/cross-validated-head"
    version: ClassVar[int] = 2  # 2: folds of whole groups

    folds: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, folds=whole(2, 100))

    @property
    def feature_spec(self) -> FeatureSpec:
        return self._head.feature_spec

    @property
    def _head(self) -> Head:
        return Head(precision=self.precision)

    def fit(self, data: FeatureData, loss: Loss, seed: int) -> HeadWeights:
        if not loss.fixed_targets:
            raise UserError("cross-validated-head learns by cross-entropy only: use head, or leave the loss out")
        x, labels = data.design.values, data.labels
        groups = int(data.groups.max(initial=-1)) + 1
        if groups < 2:
            raise UserError(f"a cross-validated head needs two different texts at least, there are {groups}: give more")
        fold = (np.random.default_rng(seed).permutation(groups) % min(self.folds, groups))[data.groups]
        losses = np.zeros(len(PENALTIES))
        for number in range(fold.max() + 1):
            mine = fold == number
            (found,) = regress(Design(x[~mine]), [labels[~mine]], x[mine], [labels[mine]], PENALTIES)
            losses += mine.sum() * np.array([point["validation_loss"] for point in found.curve])
        best = PENALTIES[int(losses.argmin())]
        (head,) = regress(data.design, [labels], x, [labels], (best,))
        curve = tuple({"penalty": p, "loss": float(each) / len(x)} for p, each in zip(PENALTIES, losses, strict=True))
        return HeadWeights(weights={"weight": head.weight, "bias": head.bias}, curve=curve)

    def predict(self, head: HeadWeights, features: Doubles) -> Doubles:
        return self._head.predict(head, features)
