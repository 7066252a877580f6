"""A model of one weight and an objective worked by hand: what the training loop does, without any network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from outgrow.training.loop import TrainingConfig
from outgrow.types import Ints, UserError


@dataclass(frozen=True, kw_only=True)
class Plain(TrainingConfig):
    """Plain gradient descent at a constant rate, so that every update can be worked out by hand."""

    def optimisers(self, module: torch.nn.Module) -> tuple[torch.optim.Optimizer, ...]:
        return (torch.optim.SGD(module.parameters(), lr=self.learning_rate),)


def weight(start: float = 1.0) -> torch.nn.Module:
    """y = w x."""
    module = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(start)
    return module


class Straight:
    """The loss of row i is w * slopes[i]: its gradient is slopes[i], wherever w is.

    `spoil(update, bf16)` may give another number for the loss of an update. `losses` are the validation losses of the
    checks, the last one for all that follow; an exception among them is raised.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        slopes: Sequence[float],
        losses: Sequence[float | Exception] = (1.0,),
        spoil: Callable[[int, bool], float | None] = lambda update, bf16: None,
        most_rows: int | None = None,
    ) -> None:
        self.size, self.slopes = len(slopes), torch.tensor(slopes)
        self.rows: list[list[int]] = []
        self.checks: list[float] = []  # the weight at each
        self._module, self._losses, self._spoil, self._most = module, losses, spoil, most_rows or self.size

    @property
    def w(self) -> torch.Tensor:
        found: torch.Tensor = self._module.weight
        return found

    def micro_batches(self, rows: Ints) -> list[Any]:
        self.rows.append(rows.tolist())
        return [rows[i : i + self._most] for i in range(0, len(rows), self._most)]

    def targets(self, micro_batches: list[Any], progress: float) -> list[Any]:
        return [None] * len(micro_batches)

    def per_example(self, micro_batch: Any, target: Any) -> torch.Tensor:
        other = self._spoil(len(self.rows) - 1, torch.is_autocast_enabled("cpu"))
        loss = self.w[0, 0] * self.slopes[micro_batch]
        return loss if other is None else loss * other

    def validate(self) -> dict[str, float]:
        loss = self._losses[min(len(self.checks), len(self._losses) - 1)]
        self.checks.append(self.w.item())
        if isinstance(loss, Exception):
            raise loss
        return {"validation_loss": loss}


def not_numbers() -> UserError:
    return UserError("the model's answers are not numbers: look at its weights")
