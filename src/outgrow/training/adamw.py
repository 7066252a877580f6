"""AdamW by torch's fused kernel (Loshchilov and Hutter 2019).

`torch.optim.AdamW` calls the same kernel, and imports the compiler of torch when it is made: 1.8 s in every process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from outgrow.training.sharded import like

if TYPE_CHECKING:
    import torch

BETAS, EPSILON = (0.9, 0.999), 1e-8  # torch's defaults


class AdamW:
    """Updates groups of weights: dicts of `params`, `weight_decay` and the learning rate `lr`. The state of a weight
    has the names and the order of torch's, so that checkpoints can be exchanged."""

    def __init__(self, groups: Sequence[dict[str, Any]], lr: float) -> None:
        self.param_groups: list[dict[str, Any]] = [{"lr": lr, **group} for group in groups]
        self._state: dict[int, dict[str, torch.Tensor]] = {}

    @property
    def _weights(self) -> list[torch.nn.Parameter]:
        return [weight for group in self.param_groups for weight in group["params"]]

    def step(self) -> None:
        """One update of every weight that has a gradient."""
        import torch

        with torch.no_grad():
            first = 0
            for group in self.param_groups:
                numbers = range(first, first := first + len(group["params"]))
                pairs = zip(numbers, group["params"], strict=True)
                updated = [(weight, self._of(i, weight)) for i, weight in pairs if weight.grad is not None]
                if updated:
                    _update(updated, group["lr"], group["weight_decay"])

    def _of(self, number: int, weight: torch.nn.Parameter) -> dict[str, torch.Tensor]:
        import torch

        if number not in self._state:
            self._state[number] = {
                "step": torch.zeros((), dtype=torch.float32, device=weight.device),
                "exp_avg": torch.zeros_like(weight, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(weight, memory_format=torch.preserve_format),
            }
        return self._state[number]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients; they are built anew by the next backward pass."""
        for weight in self._weights:
            weight.grad = None

    def state_dict(self) -> dict[str, Any]:
        """`state`: by the number of a weight, its step and its two moments."""
        return {"state": self._state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state of a checkpoint, on the devices of the weights."""
        weights = self._weights
        self._state = {
            i: {name: like(tensor, weights[i]) for name, tensor in each.items()} for i, each in state["state"].items()
        }


def _update(updated: Sequence[tuple[Any, dict[str, Any]]], lr: float, weight_decay: float) -> None:
    import torch

    steps = [state["step"] for _, state in updated]
    torch._foreach_add_(steps, 1)
    torch._fused_adamw_(
        [weight for weight, _ in updated],
        [weight.grad for weight, _ in updated],
        [state["exp_avg"] for _, state in updated],
        [state["exp_avg_sq"] for _, state in updated],
        [],
        steps,
        amsgrad=False,
        lr=lr,
        beta1=BETAS[0],
        beta2=BETAS[1],
        weight_decay=weight_decay,
        eps=EPSILON,
        maximize=False,
    )
