"""Finetuning: every weight learns from the labels (Burns et al. 2023, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from outgrow.graph import Context, Settings
from outgrow.losses.base import Loss
from outgrow.methods.base import Method, Predictor, TrainingData, finished
from outgrow.models.base import Model
from outgrow.tasks.base import Readout
from outgrow.training.loop import TrainingConfig
from outgrow.types import Examples, Labels

if TYPE_CHECKING:
    from outgrow.training.loop import TrainingResult
    from outgrow.training.network import Network


@dataclass(frozen=True, kw_only=True)
class Finetune(TrainingConfig, Method):
    """Every weight learns. After each epoch the loss on the held-out slice (of the same labels) is measured, and the
    epoch where it was lowest is kept, unless `keep` says "last". The fields are the training loop's hyperparameters.
    """

    kind: ClassVar[str] = "method/finetune"

    @property
    def inference_config(self) -> Finetune:
        return Finetune()

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        network = opened(model, readout, data.examples, seed, ctx)
        return finished(network, learn(network, loss, data, self, seed, ctx), ctx)

    def predict(
        self,
        predictor: Predictor,
        readout: Readout,
        examples: Examples,
        settings: Settings,
        progress: Callable[[float], None],
    ) -> Labels:
        return answers(predictor, readout, examples, settings, progress)


def opened(model: Model, readout: Readout, examples: Examples, seed: int, ctx: Context) -> Network:
    """A model ready to learn; a head that it lacks is drawn from the seed."""
    from outgrow.training.network import head_of, open_network

    classes = head_of(readout, examples)
    return open_network(model.folder(ctx.settings), readout, ctx.settings, classes=classes, seed=seed)


def learn(
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


def answers(
    predictor: Predictor, readout: Readout, examples: Examples, settings: Settings, progress: Callable[[float], None]
) -> Labels:
    """What a checkpoint says of examples, in their order."""
    from outgrow.training.choosing import probabilities
    from outgrow.training.network import open_network

    network = open_network(predictor.folder, readout, settings)
    encoded = network.encode(examples)
    probs = probabilities(network, encoded, settings.microbatch, progress)
    counts = (encoded.columns >= 0).sum(1)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Labels(ids=examples.ids, probs=probs[encoded.columns >= 0], offsets=offsets)
