"""Confidence with balanced labels: weak log-odds centred over the batch, as EleutherAI's `w2s` trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from outgrow.losses.base import Loss
from outgrow.losses.confidence import Confidence
from outgrow.ranges import SHARE, check_ranges

if TYPE_CHECKING:
    import torch

LEAST = 1e-7  # added to a probability before its logarithm, so that hard labels have one


@dataclass(frozen=True, kw_only=True)
class LogConfidence(Loss):
    """`Confidence` towards labels whose mean log-probability is the same for every class, and hardened shares that are
    equal. Only where all examples have the same choices; elsewhere, and for one example alone, labels stay as they are.
    """

    kind: ClassVar[str] = "loss/log-confidence"
    needs_logits: ClassVar[bool] = True

    weight: float = 0.5
    warmup: float = 0.2

    def __post_init__(self) -> None:
        check_ranges(self, weight=SHARE, warmup=SHARE)

    def targets(self, logits: torch.Tensor | None, weak: torch.Tensor, progress: float) -> torch.Tensor:
        assert logits is not None
        even = Confidence(weight=self.weight, warmup=self.warmup, prior=(1 / weak.shape[-1],) * weak.shape[-1])
        if weak.shape[-2] > 1 and bool(logits.isfinite().all()):
            log_probs = (weak + LEAST).log()
            weak = (log_probs - log_probs.mean(-2, keepdim=True)).softmax(-1)
        return even.targets(logits, weak, progress)
