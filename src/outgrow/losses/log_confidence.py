"""Confidence loss with balanced labels: weak log-odds are centred over the batch, as in EleutherAI's `w2s`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from outgrow.losses.base import Loss
from outgrow.losses.confidence import Confidence
from outgrow.ranges import SHARE, check_ranges

if TYPE_CHECKING:
    import torch

EPSILON = 1e-7  # added to probabilities, so that hard labels have a finite logarithm


@dataclass(frozen=True, kw_only=True)
class LogConfidence(Loss):
    """The `Confidence` loss with a uniform prior, on weak labels that are rebalanced within the optimiser batch.

    Rebalancing makes the mean log-probability the same for every class. It is skipped for a single example, and if
    examples have different choices. weight, warmup: as in `Confidence`.
    """

    kind: ClassVar[str] = "loss/log-confidence"
    needs_logits: ClassVar[bool] = True

    weight: float = 0.5
    warmup: float = 0.2

    def __post_init__(self) -> None:
        check_ranges(self, weight=SHARE, warmup=SHARE)

    def targets(self, logits: torch.Tensor | None, weak: torch.Tensor, progress: float) -> torch.Tensor:
        assert logits is not None
        uniform = Confidence(weight=self.weight, warmup=self.warmup, prior=(1 / weak.shape[-1],) * weak.shape[-1])
        if weak.shape[-2] > 1 and bool(logits.isfinite().all()):
            log_probs = (weak + EPSILON).log()
            weak = (log_probs - log_probs.mean(-2, keepdim=True)).softmax(-1)
        return uniform.targets(logits, weak, progress)
