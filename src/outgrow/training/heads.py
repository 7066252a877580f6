"""Heads on frozen features, trained by gradient descent with any loss: linear ones and small networks.

All label sets, seeds and penalties of one feature matrix are trained in one stacked computation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from outgrow.losses.base import Loss
from outgrow.training.adamw import AdamW
from outgrow.training.batches import order
from outgrow.training.linear import Design, refuse_not_finite
from outgrow.types import Doubles, Floats

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """hidden: the width of each hidden layer, with ReLU after it. penalties: on half the squared weights of
    standardised features, each tried. balanced: every class has the same weight in the loss, by its share of the
    labels. keep: the epoch with the lowest validation loss, or the last. until: the epoch after which it ends, on the
    schedule of all of them; 0: the last."""

    hidden: tuple[int, ...]
    dropout: float
    penalties: tuple[float, ...]
    balanced: bool
    epochs: int
    batch: int
    learning_rate: float
    keep: Literal["best", "last"] = "best"
    until: int = 0


@dataclass(eq=False)
class TrainedHead:
    """Weights [outputs, inputs] and bias [outputs] of each layer, on features as they come; and a record for each
    penalty and epoch."""

    layers: list[tuple[Floats, Floats]]
    curve: list[dict[str, float]] = field(default_factory=list)


def train_heads(
    design: Design,
    targets: Sequence[Doubles],
    validation: Doubles,
    validation_targets: Sequence[Doubles],
    loss: Loss,
    config: HeadConfig,
    seeds: Sequence[int],
) -> list[TrainedHead]:
    """One head for each label set, [n, classes] with [m, classes] of the validation slice, and its seed.

    Of all penalties and epochs (of the last epoch, where that is kept) the head with the lowest cross-entropy to the
    validation labels is taken. A head is the same alone and among others, up to rounding. Raises UserError
    where a number is not finite.
    """
    import torch

    for what, arrays in (("features", [design.values]), ("labels", targets), ("validation labels", validation_targets)):
        for values in arrays:
            refuse_not_finite(what, values)
    x, held_out = (torch.from_numpy(_standardised(design, each)) for each in (design.values, validation))
    weak, wanted = (torch.from_numpy(np.stack(each).astype(np.float32)) for each in (targets, validation_targets))
    with torch.random.fork_rng(devices=[]):
        run = _Run(x, weak, loss, config, seeds)
        best = _Best(run, held_out, wanted)
        for epoch in range(config.until or config.epochs):
            run.epoch(epoch)
            best.check(epoch)
    return [best.head(i, design) for i in range(len(targets))]


class _Run:
    """The weights of all heads and penalties, [heads, penalties, inputs, outputs] a layer, and their training."""

    def __init__(
        self, x: torch.Tensor, weak: torch.Tensor, loss: Loss, config: HeadConfig, seeds: Sequence[int]
    ) -> None:
        import torch

        self.x, self.weak, self.loss, self.config, self.seeds = x, weak, loss, config, seeds
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        widths = (x.shape[1], *config.hidden, weak.shape[2])
        count, hidden = len(config.penalties), bool(config.hidden)
        self.weights: list[torch.Tensor] = []
        self.biases: list[torch.Tensor] = []
        for inputs, outputs in pairwise(widths):
            scale = math.sqrt(2 / inputs) if hidden else 0.0  # a linear head starts at 0: its loss is convex
            drawn = [torch.randn(inputs, outputs, generator=each) * scale for each in self.generators]
            self.weights.append(torch.stack(drawn)[:, None].repeat(1, count, 1, 1).requires_grad_())
            self.biases.append(torch.zeros(len(seeds), count, 1, outputs).requires_grad_())
        self.penalties = torch.tensor(config.penalties, dtype=torch.float32)[None, :]
        self.optimiser = AdamW(
            [{"params": [*self.weights, *self.biases], "weight_decay": 0.0}], lr=config.learning_rate
        )
        self.updates = math.ceil(len(x) / config.batch)
        self.examples = self._example_weights()

    def _example_weights(self) -> torch.Tensor:
        """The weight of each example in the loss, [heads, n]: 1, or by the shares of its classes."""
        import torch

        if not self.config.balanced:
            return torch.ones(self.weak.shape[:2])
        share = self.weak.mean(1, keepdim=True).clamp_min(1e-6)
        weights = (self.weak / share).sum(2)
        return weights / weights.mean(1, keepdim=True)

    def logits(self, x: torch.Tensor, dropout: float = 0.0) -> torch.Tensor:
        """[heads, penalties, n, classes] of features [heads or 1, 1, n, width]."""
        import torch

        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if dropout:
                drawn = [torch.rand(x.shape[-2:], generator=each) for each in self.generators]
                x = x * (torch.stack(drawn)[:, None] >= dropout) / (1 - dropout)
            x = x @ weight + bias
            if i < len(self.weights) - 1:
                x = x.relu()
        return x

    def epoch(self, number: int) -> None:
        """One pass over the examples, each head in the order of its seed."""
        for update, rows in enumerate(self._batches(number)):
            done = (number * self.updates + update) / (self.config.epochs * self.updates)
            self.optimiser.param_groups[0]["lr"] = self.config.learning_rate * (1 - done)
            self._update(rows, done)

    def _batches(self, number: int) -> Iterator[torch.Tensor]:
        import torch

        orders = torch.from_numpy(np.stack([order(len(self.x), seed, number) for seed in self.seeds]))
        yield from torch.split(orders, self.config.batch, dim=1)

    def _update(self, rows: torch.Tensor, done: float) -> None:
        import torch

        heads = torch.arange(len(rows))[:, None]
        x, weak, importance = self.x[rows][:, None], self.weak[heads, rows], self.examples[heads, rows]
        weak = weak[:, None].expand(-1, len(self.config.penalties), -1, -1)
        with torch.no_grad():
            targets = self.loss.targets(self.logits(x) if self.loss.needs_logits else None, weak, done)
        losses = self.loss.per_example(self.logits(x, self.config.dropout), targets)
        penalty = sum((0.5 * (weight**2).sum((2, 3)) * self.penalties).sum() for weight in self.weights)
        ((losses * importance[:, None]).mean(2).sum() + penalty).backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        for each in (*self.weights, *self.biases):
            each.grad = None


class _Best:
    """The weights of the epoch that is kept, and its validation loss, for each head and penalty."""

    def __init__(self, run: _Run, x: torch.Tensor, wanted: torch.Tensor) -> None:
        import torch

        self.run, self.x, self.wanted = run, x[None, None], wanted[:, None]
        self.losses = torch.full((len(wanted), len(run.config.penalties)), math.inf)
        self.weights = [each.detach().clone() for each in (*run.weights, *run.biases)]
        self.curves: list[list[dict[str, float]]] = [[] for _ in wanted]

    def check(self, epoch: int) -> None:
        import torch

        with torch.no_grad():
            log_probs = self.run.logits(self.x).log_softmax(-1)
            losses = -(self.wanted * log_probs).sum(3).mean(2)
            agreement = (log_probs.argmax(3) == self.wanted.argmax(3)).float().mean(2)
            refuse_not_finite("a validation loss", losses.numpy())
            better = torch.full_like(losses, True, dtype=torch.bool)
            if self.run.config.keep == "best":
                better = losses < self.losses
            for kept, now in zip(self.weights, (*self.run.weights, *self.run.biases), strict=True):
                kept[better] = now.detach()[better]
            self.losses = torch.where(better, losses, self.losses)
        for curve, own, agrees in zip(self.curves, losses.tolist(), agreement.tolist(), strict=True):
            for penalty, value, share in zip(self.run.config.penalties, own, agrees, strict=True):
                record = {"penalty": penalty, "validation_loss": value, "validation_agreement": share}
                curve.append({"epoch": epoch + 1.0, **record})

    def head(self, i: int, design: Design) -> TrainedHead:
        """The best of the penalties of a head."""
        p, depth = int(self.losses[i].argmin()), len(self.run.weights)
        layers = [
            (weight[i, p].T.numpy().astype(np.float64), bias[i, p, 0].numpy().astype(np.float64))
            for weight, bias in zip(self.weights[:depth], self.weights[depth:], strict=True)
        ]
        first = layers[0][0] / design.spread
        layers[0] = (first, layers[0][1] - first @ design.mean)
        return TrainedHead([(w.astype(np.float32), b.astype(np.float32)) for w, b in layers], self.curves[i])


def _standardised(design: Design, features: Doubles) -> Floats:
    return np.ascontiguousarray((features - design.mean) / design.spread, dtype=np.float32)
