"""Losses: what a student aims at, and the loss of each example. `for_trainer` gives one to transformers' Trainer."""

from __future__ import annotations

import dataclasses
import inspect
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outgrow.losses.base import Loss
from outgrow.types import UserError

if TYPE_CHECKING:
    import torch


def for_trainer(loss: str | Loss, **fields: Any) -> TrainerLoss:
    """A loss as `compute_loss_func` of a `transformers.Trainer`.

    Args:
        loss: The name of a loss, such as `"confidence"`, or a `Loss`.
        fields: The fields of the named loss.

    Returns:
        The function. Its `callback` passes it the progress of training, and is given to the trainer as well.

    Raises:
        UserError: There is no such loss, or a field is wrong.

    Example:
        >>> loss = for_trainer("confidence", warmup=0.1)
        >>> trainer = Trainer(model, args, train_dataset=rows, compute_loss_func=loss, callbacks=[loss.callback])
    """
    if isinstance(loss, Loss):
        return TrainerLoss(loss)
    kind = _named(loss)
    known = [each.name for each in dataclasses.fields(kind)]
    if unknown := next((name for name in fields if name not in known), None):
        raise UserError(f"loss {loss} has no field called {unknown!r}. Known: {', '.join(known) or 'none'}")
    return TrainerLoss(kind(**fields))


class TrainerLoss:
    """The mean loss of a batch. Labels are classes, int [n], or probabilities, float [n, k].

    Where a loss reads the whole batch, as `confidence` does, that is the batch of a device.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self._progress: float | None = None

    @property
    def callback(self) -> Any:
        """For `callbacks` of the trainer."""
        from transformers import TrainerCallback

        def on_step_begin(callback: Any, args: Any, state: Any, control: Any, **others: Any) -> None:
            self._progress = state.global_step / max(state.max_steps, 1)

        return type("Progress", (TrainerCallback,), {"on_step_begin": on_step_begin})()

    def __call__(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        """The loss: the mean over the examples, of all batches that are accumulated for an update where the trainer
        says how many labels they have."""
        logits = (outputs["logits"] if isinstance(outputs, dict) else outputs.logits).float()
        weak = labels if labels.is_floating_point() else _one_hot(labels, logits.shape[-1])
        if self.loss.fixed_targets or not logits.requires_grad:  # in evaluation the labels are what counts
            targets = weak
        elif self._progress is None:
            raise UserError("the loss does not know the progress of training: Trainer(..., callbacks=[loss.callback])")
        else:
            seen = logits.detach() if self.loss.needs_logits else None
            targets = self.loss.targets(seen, weak.to(logits.dtype), self._progress)
        each = self.loss.per_example(logits, targets)
        items = labels.numel() if num_items_in_batch is None else num_items_in_batch
        mean: torch.Tensor = each.sum() * (labels.numel() / len(labels)) / items
        return mean


def _one_hot(labels: torch.Tensor, classes: int) -> torch.Tensor:
    import torch

    return torch.nn.functional.one_hot(labels.long(), classes).float()


def _named(name: str) -> type[Loss]:
    known = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in ("__init__", "base"))
    if (stem := str(name).replace("-", "_")) not in known:
        raise UserError(f"no loss called {name!r}: choose one of {', '.join(each.replace('_', '-') for each in known)}")
    module = import_module(f"outgrow.losses.{stem}")
    return next(
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Loss) and cls.__module__ == module.__name__
    )
