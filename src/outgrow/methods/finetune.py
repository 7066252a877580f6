"""Finetuning: every weight learns from the labels (Burns et al. 2023, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from outgrow.graph import Context
from outgrow.losses.base import Loss
from outgrow.methods.base import Predictor, TextMethod, TrainingData, finished
from outgrow.models.base import Model
from outgrow.tasks.base import Readout
from outgrow.training.loop import TrainingConfig
from outgrow.types import Examples

if TYPE_CHECKING:
    from outgrow.training.loop import TrainingResult
    from outgrow.training.network import Network


@dataclass(frozen=True, kw_only=True)
class Finetune(TrainingConfig, TextMethod):
    """Every weight learns. After each epoch the loss on the held-out slice (of the same labels) is measured, and the
    epoch where it was lowest is kept, unless `keep` says "last". The fields are the training loop's hyperparameters.
    """

    kind: ClassVar[str] = "method/finetune"

    @property
    def inference_config(self) -> Finetune:
        return Finetune()

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        network = open_for_training(model, readout, data.examples, seed, ctx)
        return finished(network, train_network(network, loss, data, self, seed, ctx), ctx)


def open_for_training(model: Model, readout: Readout, examples: Examples, seed: int, ctx: Context) -> Network:
    """A model ready to learn; a head that it lacks is drawn from the seed."""
    from outgrow.training.network import head_of, open_network

    classes = head_of(readout, examples)
    return open_network(model.folder(ctx.settings), readout, ctx.settings, classes=classes, seed=seed)


def train_network(
    network: Network, loss: Loss, data: TrainingData, config: TrainingConfig, seed: int, ctx: Context
) -> TrainingResult:
    """Train what is not frozen of a network, in place."""
    from outgrow.training.choosing import ClassificationObjective
    from outgrow.training.loop import train

    objective = ClassificationObjective(
        network,
        loss,
        network.encode(data.examples),
        data.labels,
        network.encode(data.validation),
        data.validation_labels,
        ctx.settings.microbatch,
        data.monitored,
    )
    return train(network.module, objective, config, seed, ctx)
