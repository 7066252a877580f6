"""Muon: momentum, made orthogonal, for the matrices between the embeddings (Jordan et al. 2024).

torch's own Muon works in bfloat16 always, which a processor without such units does a hundred times slower; here the
precision of training decides. At equal compute it took a chess model of 0.6M weights further than AdamW did
(docs/log.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # the quintic of the source: singular values end between about 0.7 and 1.2


class Muon(torch.optim.Optimizer):
    """For two-dimensional weights only; `lr` is the size of an update in spectral norm, for a square matrix. `dtype` is
    what the iteration calculates in: momentum and weights keep theirs."""

    def __init__(
        self,
        weights: Iterable[torch.nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                velocity = self.state[weight].setdefault("velocity", torch.zeros_like(weight))
                velocity.lerp_(weight.grad, 1 - group["momentum"])
                update = orthogonal(weight.grad.lerp(velocity, group["momentum"]).to(self._dtype)).to(weight.dtype)
                scale = max(1.0, weight.size(0) / weight.size(1)) ** 0.5
                weight.add_(update, alpha=-group["lr"] * scale)


def orthogonal(matrix: torch.Tensor, rounds: int = 5) -> torch.Tensor:
    """The nearest matrix with all singular values about 1, by Newton-Schulz iteration."""
    a, b, c = COEFFICIENTS
    wide = matrix if matrix.size(0) <= matrix.size(1) else matrix.T
    wide = wide / wide.norm().clamp(min=1e-7)
    for _ in range(rounds):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide if matrix.size(0) <= matrix.size(1) else wide.T
