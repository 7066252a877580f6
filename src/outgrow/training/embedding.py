"""Tables of embeddings whose gradient is summed in place.

The gradient of a table is zero but for the rows of the tokens that were read. Torch fills a whole table with zeros for
each micro-batch and adds it to the gradient so far. That was a tenth of the time of training MiniLM, whose table of
words is half of its weights.
"""

from __future__ import annotations

from typing import Any

import torch


class _Lookup(torch.autograd.Function):
    """Rows of a table. The backward pass adds to the rows of the table's gradient that were read, and only to those."""

    @staticmethod
    def forward(ctx: Any, table: torch.Tensor, ids: torch.Tensor, padding: int | None) -> torch.Tensor:
        ctx.table, ctx.padding = table, padding
        ctx.save_for_backward(ids)
        return torch.nn.functional.embedding(ids, table)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[None, None, None]:
        (ids,), (grad,) = ctx.saved_tensors, grads
        if ctx.padding is not None:  # as in torch, this row is not trained
            grad = grad.masked_fill((ids == ctx.padding)[..., None], 0.0)
        if ctx.table.grad is None:
            ctx.table.grad = torch.zeros_like(ctx.table)
        ctx.table.grad.index_add_(0, ids.flatten(), grad.flatten(0, -2).to(ctx.table.dtype))
        return None, None, None


class _Embedding(torch.nn.Embedding):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if not (self.weight.requires_grad and torch.is_grad_enabled()):
            return super().forward(input)
        found: torch.Tensor = _Lookup.apply(self.weight, input, self.padding_idx)  # type: ignore[no-untyped-call]
        return found


def sum_in_place(module: torch.nn.Module) -> None:
    """Lets all tables of embeddings in a module, those of torch's own class, sum their gradients in place.

    The gradients are the same up to rounding. They are in `weight.grad` alone: `torch.autograd.grad` gives none.
    """
    for each in module.modules():
        plain = type(each) is torch.nn.Embedding and not each.sparse
        if plain and each.max_norm is None and not each.scale_grad_by_freq:
            each.__class__ = _Embedding
