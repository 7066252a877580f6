"""What a loss is: targets for the whole optimiser batch, then a value for each example of a micro-batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from outgrow.types import Shape

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Subclass it, add fields, write one or both methods. Unchanged they are cross-entropy to the labels.

    Choices are padded to the widest example of the batch: logits are -inf and probabilities 0 where there is none.
    Where examples have choices of their own, such as legal moves, `targets` sees one such place at least in every row.
    """

    kind: ClassVar[str]  # a plug-in from outside the package needs none
    version: ClassVar[int] = 1
    fixed_targets: ClassVar[bool] = False  # whether it is cross-entropy to the labels as they are, as a probe needs it
    needs_logits: ClassVar[bool] = False  # whether `targets` reads the student's logits (one more forward pass)

    def check(self, shape: Shape) -> None:
        """Raise a UserError where the loss does not fit a task of this shape. Default: never."""

    def targets(self, logits: torch.Tensor | None, weak: torch.Tensor, progress: float) -> torch.Tensor:
        """Target probabilities [..., batch, choices], without gradient, from the whole optimiser batch.

        logits: the student's, [..., batch, choices], None unless `needs_logits`. weak: label probabilities of the same
        shape. progress: the share of training done, in [0, 1). Leading dimensions are fits that are computed together:
        none sees another.
        """
        return weak

    def per_example(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of each example, [..., batch], in nats: -sum over choices of target * log softmax(logits)."""
        log_probs = logits.float().log_softmax(-1)
        return -(targets * log_probs.masked_fill(targets == 0, 0.0)).sum(-1)
