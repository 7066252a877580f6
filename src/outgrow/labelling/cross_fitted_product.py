"""Cross-fitted product: each label times the prediction of a student that has not learned from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule
from outgrow.labelling.cross_fitted_agreement import CrossFittedAgreement
from outgrow.ranges import above, check_ranges, whole
from outgrow.types import Labels


@dataclass(frozen=True, kw_only=True)
class CrossFittedProduct(Rule):
    """Replaces every label by its product with an out-of-fold student's prediction, normalised.

    The student is that of `cross-fitted-agreement`, after `rounds` rounds with its `share`. No row is dropped, so a
    class whose labels the student does not confirm loses less than there.
    """

    kind: ClassVar[str] = "rule/cross-fitted-product"
    shared_choices: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("student/folds:5",)

    share: float = 0.5
    rounds: int = 3

    def __post_init__(self) -> None:
        check_ranges(self, share=above(0, 1), rounds=whole(1, 20))

    @property
    def training_rule(self) -> Rule | None:
        return CrossFittedAgreement(share=self.share, rounds=self.rounds)

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        (weak,) = labels
        return product(weak, evidence.predictions["student/folds:5"])


def product(weak: Labels, predictions: Labels) -> Labels:
    """The product of two distributions of each example, normalised. Where it is zero everywhere, the weak label."""
    rows = []
    for own, other in zip(weak.rows(), predictions.rows(), strict=True):
        both = own.astype(float) * other
        rows.append(both / both.sum() if both.sum() > 0 else own)
    return Labels.from_rows(weak.ids, rows)
