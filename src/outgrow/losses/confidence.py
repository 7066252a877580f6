"""Auxiliary confidence: the student may trust itself over its labels (Burns et al. 2023, A.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from outgrow.losses.base import Loss
from outgrow.ranges import SHARE, check_ranges
from outgrow.types import Shape, UserError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Confidence(Loss):
    """(1 - a) CE(f, weak) + a CE(f, hardened f); a rises from 0 to `weight` over the share `warmup` of training.

    prior: each class's share, (0.5, 0.5) for the paper's balanced binary tasks; where none is declared the batch's mean
    weak label, as in OpenAI's released code. The hardened shares match it, unless each example has its own choices,
    such as legal moves. weight and warmup are the paper's; OpenAI's code has warmup = 0.1, and a ramp that jumps."""

    kind: ClassVar[str] = "loss/confidence"
    needs_logits: ClassVar[bool] = True
    weight: float = 0.5
    warmup: float = 0.2
    prior: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_ranges(self, weight=SHARE, warmup=SHARE)
        if self.prior and not (all(map(SHARE.holds, self.prior)) and abs(sum(self.prior) - 1) <= 1e-6):
            raise UserError(f"prior is {self.prior}: give each class a share, together 1")

    def check(self, shape: Shape) -> None:
        if self.prior and shape.choices and len(self.prior) != len(shape.choices):
            raise UserError(f"prior has {len(self.prior)} shares and the task {shape.most} choices: give one for each")

    def targets(self, logits: torch.Tensor | None, weak: torch.Tensor, progress: float) -> torch.Tensor:
        import torch

        assert logits is not None
        if weak.ndim > 2:  # each fit has shares of its own
            each = [self.targets(own, labels, progress) for own, labels in zip(logits, weak, strict=True)]
            return torch.stack(each)
        prior = self.prior or tuple(weak.double().mean(0).tolist())
        share = min(progress / self.warmup, 1.0) if self.warmup else 1.0
        return weak.lerp(hardened(logits, weak, prior), self.weight * share)


def hardened(logits: torch.Tensor, weak: torch.Tensor, prior: tuple[float, ...]) -> torch.Tensor:
    """The student's choices, one-hot: argmax of f * w, with w such that each class's share of the batch is its prior.

    A class gets floor(n * prior) of n examples and at most one more, as the student likes; of equals, first the one
    the supervisor thinks likelier. It is plain argmax for a single example and where choices are missing."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    (n, k), chosen = logits.shape, logits.argmax(1)
    if n > 1 and bool(logits.isfinite().all()):
        if len(prior) != k:
            raise UserError(f"prior has {len(prior)} shares and the examples {k} choices: give one for each")
        shares = n * np.array(prior)
        least, most = np.floor(shares + 1e-4).astype(int), np.ceil(shares - 1e-4)  # forgiving the mean's rounding
        places = np.concatenate([np.repeat(np.arange(k), least), np.flatnonzero(most > least)])
        worth = (logits.double().log_softmax(1) + 1e-6 * weak).cpu().numpy()[:, places]
        worth[:, : least.sum()] += 1e6  # these places are filled first
        chosen = chosen.new_tensor(places[linear_sum_assignment(worth, maximize=True)[1]])  # its prices are log w
    return weak.new_zeros(n, k).scatter(1, chosen[:, None], 1.0)
