"""Cross-fitted agreement: keep the labels that a student confirms without having learned from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule, subset, top_share
from outgrow.ranges import above, check_ranges, whole
from outgrow.types import Labels


@dataclass(frozen=True, kw_only=True)
class CrossFittedAgreement(Rule):
    """Keeps within each weak class the `share` of the rows with the largest product of the weak confidence and an
    out-of-fold student's probability of the weak label, and hardens them.

    The student is a linear head on the frozen features of the model that learns. It first learns from the weak labels,
    then, in each further one of the `rounds`, from what the round before has kept. share: in (0, 1]; the number of rows
    is rounded up, and a hash of the id decides between rows of equal product. The control is `keep-random` with
    `per_class`, then `harden`.
    """

    kind: ClassVar[str] = "rule/cross-fitted-agreement"
    selects: ClassVar[bool] = True
    shared_choices: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("student/folds:5",)

    share: float = 0.5
    rounds: int = 3

    def __post_init__(self) -> None:
        check_ranges(self, share=above(0, 1), rounds=whole(1, 20))

    @property
    def training_rule(self) -> Rule | None:
        return replace(self, rounds=self.rounds - 1) if self.rounds > 1 else None

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        (weak,) = labels
        confirmed = evidence.predictions["student/folds:5"].probability_of(weak.hard())
        product = weak.confidence().astype(np.float64) * confirmed
        kept, _ = top_share(weak, self.share, True, product, "cross-fitted-agreement")
        return subset(weak.hardened(), kept)
