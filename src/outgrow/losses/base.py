"""The base class of losses: targets for the whole optimiser batch, then a loss for each example of a micro-batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from outgrow.types import Shape

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Base class of losses. Subclass it, add fields, override one or both methods. The default is cross-entropy.

    Examples with fewer choices than the widest of the batch are padded: logits with -inf, probabilities with 0. If
    examples have different choices, such as legal moves, every row that `targets` receives has at least one padded
    column.
    """

    kind: ClassVar[str]  # not needed by a plug-in from outside the package
    version: ClassVar[int] = 1
    fixed_targets: ClassVar[bool] = False  # whether it is cross-entropy to the unchanged labels
    needs_logits: ClassVar[bool] = False  # whether `targets` reads the student's logits (one more forward pass)

    def check(self, shape: Shape) -> None:
        """Raises UserError if the loss does not support a task of this shape. Default: every task is supported."""

    def targets(self, logits: torch.Tensor | None, weak: torch.Tensor, progress: float) -> torch.Tensor:
        """Target probabilities [..., batch, choices], without gradient, for the whole optimiser batch.

        logits: the student's logits, [..., batch, choices]; None unless `needs_logits`. weak: the probabilities of the
        weak labels, in the same shape. progress: the fraction of training that is done, in [0, 1). Leading dimensions
        are independent fits that are computed in one batch.
        """
        return weak

    def per_example(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of each example, [..., batch], in nats: -sum over choices of target * log softmax(logits)."""
        log_probs = logits.float().log_softmax(-1)
        return -(targets * log_probs.masked_fill(targets == 0, 0.0)).sum(-1)
