"""Cross-entropy with soft or hard labels: naive finetuning (Burns et al. 2023, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from outgrow.losses.base import Loss


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Loss):
    """-sum over choices of target * log softmax(logits)."""

    kind: ClassVar[str] = "loss/cross-entropy"
    fixed_targets: ClassVar[bool] = True
