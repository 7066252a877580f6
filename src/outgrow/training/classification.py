"""Classification: training on, and predicting, probabilities over the choices of each example."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from outgrow.losses.base import Loss
from outgrow.training import sharded
from outgrow.training.batches import Batch, Encoded, collate, cut, dense, sent, widest
from outgrow.training.network import Network
from outgrow.training.precision import NOT_FINITE, NotFiniteError
from outgrow.types import Floats, Ints, Labels

if TYPE_CHECKING:
    import torch

WINDOW = 512  # examples that inference sorts by length at a time


class ClassificationObjective:
    """Minimises `loss` on labelled examples. Validation gives the cross-entropy to, and the agreement with, the labels
    of the validation set, and the same for labels that are monitored only."""

    def __init__(
        self,
        network: Network,
        loss: Loss,
        examples: Encoded,
        labels: Labels,
        validation: Encoded,
        validation_labels: Labels,
        most_rows: int | None = None,
        monitored: Labels | None = None,
    ) -> None:
        self.size = len(examples)
        self._network, self._loss, self._examples, self._most_rows = network, loss, examples, most_rows
        self._labels, self._lengths = dense(labels), examples.lengths
        self._own_choices = bool((examples.columns != examples.columns[0]).any())
        self._validation, self._targets_of = validation, {"validation": dense(validation_labels)}
        if monitored is not None:
            self._targets_of["monitored"] = dense(monitored)

    def micro_batches(self, rows: Ints) -> list[Batch]:
        choices = widest(self._examples, rows)
        runs = cut(rows, self._lengths, self._most_rows, packed=self._network.packing is not None)
        return [collate(self._examples, run, choices, self._network.device) for run in runs]

    def targets(self, micro_batches: list[Batch], progress: float) -> list[torch.Tensor]:
        import torch

        rows = np.concatenate([micro_batch.rows for micro_batch in micro_batches])
        weak = sent(self._labels[rows, : micro_batches[0].columns.shape[1]], self._network.device)
        logits = None
        if self._loss.needs_logits:
            logits = torch.cat([self._network.choice_logits(micro_batch) for micro_batch in micro_batches])
        k = weak.shape[1]
        if logits is not None and self._own_choices:
            # Add a choice that no example has: equal numbers of legal moves must not be taken for shared classes.
            pad = torch.nn.functional.pad
            logits, weak = pad(logits, (0, 1), value=-float("inf")), pad(weak, (0, 1))
        targets = self._loss.targets(logits, weak, progress)[:, :k]
        return list(torch.split(targets, [len(micro_batch.rows) for micro_batch in micro_batches]))

    def per_example(self, micro_batch: Batch, target: torch.Tensor) -> torch.Tensor:
        return self._loss.per_example(self._network.choice_logits(micro_batch), target)

    def validate(self) -> dict[str, float]:
        probs = probabilities(self._network, self._validation, self._most_rows)
        log_probs, rows, chosen = np.log(np.maximum(probs, 1e-12)), np.arange(len(probs)), probs.argmax(1)
        figures = {}
        for name, labels in self._targets_of.items():
            figures[f"{name}_loss"] = float(-(labels * log_probs).sum(1).mean(dtype=np.float64))
            figures[f"{name}_agreement"] = float((labels[rows, chosen] == labels.max(1)).mean())  # several may be right
        return figures


def probabilities(
    network: Network,
    examples: Encoded,
    most_rows: int | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Floats:
    """The probability of each choice, float32 [n, most choices]: rows sum to 1, 0 where there is no choice.

    Raises NotFiniteError where the model's logits are not finite.
    """

    probs = np.zeros(examples.columns.shape, dtype=np.float32)
    with sharded.without_gradients():
        for batch, counts in sharded.share(inference_batches(examples, network.device, most_rows, progress)):
            chosen = network.choice_logits(batch).softmax(-1).cpu().numpy()
            if sharded.anywhere(not np.isfinite(chosen).all()):
                raise NotFiniteError(NOT_FINITE)
            if counts:
                probs[batch.rows, : chosen.shape[1]] = chosen
    return sharded.summed_array(probs)


def inference_batches(
    examples: Encoded, device: str, most_rows: int | None, progress: Callable[[float], None]
) -> Iterator[Batch]:
    """All examples in micro-batches of similar lengths."""
    lengths = examples.lengths
    by_length = np.argsort(lengths, kind="stable")
    done = 0
    for start in range(0, len(by_length), WINDOW):
        for run in cut(by_length[start : start + WINDOW], lengths, most_rows):
            yield collate(examples, run, widest(examples, run), device)
            done += len(run)
            progress(done / len(by_length))
