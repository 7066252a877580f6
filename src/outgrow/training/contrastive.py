"""Contrastive training: texts that have the same label have similar states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from outgrow.training.batches import Batch, Encoded, collate
from outgrow.training.classification import inference_batches
from outgrow.training.features import states_of
from outgrow.training.network import Network
from outgrow.types import Floats, Ints

if TYPE_CHECKING:
    import torch


@dataclass(kw_only=True, eq=False)
class ContrastiveObjective:
    """The mean squared difference, over the pairs of a batch, between the cosine of two texts' states and the
    probability that both have the same class. A batch goes through the model at once, since each text is compared with
    all others of it. labels, validation_labels: float32 [n, classes].
    """

    network: Network
    examples: Encoded
    labels: Floats
    validation: Encoded
    validation_labels: Floats

    def __post_init__(self) -> None:
        self.size = len(self.examples)

    def micro_batches(self, rows: Ints) -> list[Batch]:
        return [collate(self.examples, rows, 1, self.network.device)]

    def targets(self, micro_batches: list[Batch], progress: float) -> list[Any]:
        import torch

        return [torch.from_numpy(self.labels[each.rows]).to(self.network.device) for each in micro_batches]

    def per_example(self, micro_batch: Batch, target: torch.Tensor) -> torch.Tensor:
        return pair_losses(directions(self.network, micro_batch), target)

    def validate(self) -> dict[str, float]:
        import torch

        found, rows = list[torch.Tensor](), list[int]()
        for batch in inference_batches(self.validation, self.network.device, None, lambda done: None):
            found.append(directions(self.network, batch))
            rows += batch.rows.tolist()
        labels = torch.from_numpy(self.validation_labels[rows]).to(self.network.device)
        return {"validation_loss": float(pair_losses(torch.cat(found), labels).mean())}


def directions(network: Network, batch: Batch) -> torch.Tensor:
    """The pooled states of each text, of length 1, [texts, width]."""
    import torch

    states = states_of(network.hidden(batch), batch.last, last_token=network.causal)
    return torch.nn.functional.normalize(states.float(), dim=1)


def pair_losses(directions: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """For each text the mean over its pairs with the others, [texts]; 0 for a text that is alone."""
    import torch

    squared = torch.square(directions @ directions.T - labels @ labels.T)
    others: torch.Tensor = squared.sum(1) - squared.diagonal()
    return others / max(len(labels) - 1, 1)
