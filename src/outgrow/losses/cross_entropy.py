"""Cross-entropy to soft or hard labels: naive finetuning (Burns et al. 2023, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from outgrow.losses.base import Loss

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Loss):
    """-sum over choices of target * log softmax(logits)."""

    def value(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        log_probs = logits.float().log_softmax(-1)
        return -(targets * log_probs.masked_fill(targets == 0, 0.0)).sum(-1)
