"""Finetuning: every weight learns from the labels (Burns et al. 2023, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from outgrow.graph import Context, Settings
from outgrow.losses.base import Loss
from outgrow.methods.base import Method, Predictor, Supervision, finished
from outgrow.models.base import Model
from outgrow.tasks.base import Readout
from outgrow.training.loop import Hyper
from outgrow.types import Examples, Labels


@dataclass(frozen=True, kw_only=True)
class Finetune(Hyper, Method):
    """Every weight learns. After each epoch the loss on the held-out slice (of the same labels) is measured, and the
    epoch where it was lowest is kept, unless `keep` says "last". The fields are the training loop's hyperparameters.
    """

    @property
    def asked(self) -> Finetune:
        return Finetune()

    def fit(self, model: Model, readout: Readout, loss: Loss, data: Supervision, seed: int, ctx: Context) -> Predictor:
        from outgrow.training.choosing import Choosing
        from outgrow.training.loop import train
        from outgrow.training.network import head_of, open_network

        classes = head_of(readout, data.examples)
        network = open_network(model.folder(ctx.settings), readout, ctx.settings, classes=classes, seed=seed)
        objective = Choosing(
            network,
            loss,
            network.encode(data.examples),
            data.labels,
            network.encode(data.validation),
            data.validation_labels,
            ctx.settings.microbatch,
            data.watched,
        )
        curve = train(network.module, objective, self, seed, ctx)
        return finished(network, curve, ctx)

    def predict(
        self,
        predictor: Predictor,
        readout: Readout,
        examples: Examples,
        settings: Settings,
        progress: Callable[[float], None],
    ) -> Labels:
        from outgrow.training.choosing import probabilities
        from outgrow.training.network import open_network

        network = open_network(predictor.folder, readout, settings)
        encoded = network.encode(examples)
        probs = probabilities(network, encoded, settings.microbatch, progress)
        counts = (encoded.columns >= 0).sum(1)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Labels(ids=examples.ids, probs=probs[encoded.columns >= 0], offsets=offsets)
