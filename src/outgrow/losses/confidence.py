"""Auxiliary confidence loss: part of the target is the student's own prediction (Burns et al. 2023, A.4)."""

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
    """(1 - a) CE(f, weak) + a CE(f, hardened f), with a rising linearly from 0 to `weight`, over `warmup` of training.

    Defaults as in the paper; OpenAI's released code has warmup = 0.1 and raises a in jumps. prior: the fraction of each
    class among the hardened predictions, (0.5, 0.5) for the paper's balanced binary tasks; default, the batch's mean
    weak label, as in OpenAI's code. It does not apply if examples have different choices, such as legal moves."""

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
        if weak.ndim > 2:  # the default prior differs from fit to fit
            return torch.stack([self.targets(*fit, progress) for fit in zip(logits, weak, strict=True)])
        prior = self.prior or tuple(weak.double().mean(0).tolist())
        ramp = min(progress / self.warmup, 1.0) if self.warmup else 1.0
        return weak.lerp(hardened(logits, weak, prior), self.weight * ramp)


def hardened(logits: torch.Tensor, weak: torch.Tensor, prior: tuple[float, ...]) -> torch.Tensor:
    """The student's predictions, one-hot [n, k], balanced: each class gets floor(n * prior) examples or one more.

    The assignment maximises the total log-probability: the argmax of f * w with a weight w for each class. Ties go to
    the class that the weak label prefers. A single example, and rows with padded choices, get the plain argmax.
    Raises UserError for a prior of another length."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    (n, k), classes = logits.shape, logits.argmax(1)
    if n > 1 and bool(logits.isfinite().all()):
        if len(prior) != k:
            raise UserError(f"prior has {len(prior)} shares and the examples {k} choices: give one for each")
        expected = n * np.array(prior)
        fewest, most = np.floor(expected + 1e-4).astype(int), np.ceil(expected - 1e-4)  # 1e-4: rounding of the mean
        slots = np.concatenate([np.repeat(np.arange(k), fewest), np.flatnonzero(most > fewest)])
        utility = (logits.double().log_softmax(1) + 1e-6 * weak).cpu().numpy()[:, slots]
        utility[:, : fewest.sum()] += 1e6  # the guaranteed slots are filled first
        classes = classes.new_tensor(slots[linear_sum_assignment(utility, maximize=True)[1]])  # dual prices are log w
    return weak.new_zeros(n, k).scatter(1, classes[:, None], 1.0)
