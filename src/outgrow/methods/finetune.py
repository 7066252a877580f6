"""Finetuning of all weights (Burns et al. 2023, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from outgrow.graph import Context
from outgrow.losses.base import Loss
from outgrow.methods.base import Predictor, TextMethod, TrainingData, finished
from outgrow.models.base import Model
from outgrow.tasks.base import Readout
from outgrow.training.loop import TrainingConfig
from outgrow.training.precision import Precision
from outgrow.types import Examples

if TYPE_CHECKING:
    from outgrow.training.loop import TrainingResult
    from outgrow.training.network import Network


@dataclass(frozen=True, kw_only=True)
class Finetune(TrainingConfig, TextMethod):
    """All weights are trained. The loss on the validation slice (with labels of the same origin) is measured after each
    epoch, and the epoch with the lowest one is kept, unless `keep` is "last". The fields are those of `TrainingConfig`.
    """

    kind: ClassVar[str] = "method/finetune"
    version: ClassVar[int] = 2  # 2: batches are packed

    @property
    def inference_config(self) -> Finetune:
        return Finetune(precision=self.precision)

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        network = open_for_training(model, readout, data.examples, self.precision, seed, ctx)
        return finished(network.save, train_network(network, loss, data, self, seed, ctx), ctx)


def open_for_training(
    model: Model, readout: Readout, examples: Examples, precision: Precision, seed: int, ctx: Context
) -> Network:
    """A model ready for training in a precision; a missing head is initialised from the seed."""
    from outgrow.training.network import head_of, open_network

    classes = head_of(readout, examples)
    folder, trained_in = model.folder(ctx.settings), precision
    return open_network(folder, readout, ctx.settings, classes=classes, seed=seed, trained_in=trained_in)


def train_network(
    network: Network, loss: Loss, data: TrainingData, config: TrainingConfig, seed: int, ctx: Context
) -> TrainingResult:
    """Train the weights of a network that are not frozen, in place."""
    from outgrow.training.classification import ClassificationObjective
    from outgrow.training.loop import train
    from outgrow.training.network import spread
    from outgrow.training.sharded import gathered

    network = spread(network)
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
    trained = train(network.module, objective, config, seed, ctx)
    gathered(network.module)
    return trained
