"""Contrastive finetuning, then a linear head (Tunstall et al. 2022, "Efficient few-shot learning without prompts",
SetFit), with all pairs of a batch, and with soft labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from outgrow.graph import Context, Settings
from outgrow.losses.base import Loss
from outgrow.methods.base import FeatureData, HeadWeights, Predictor, TextMethod, TrainingData, design_of
from outgrow.methods.head import Head
from outgrow.models.base import Model, quiet
from outgrow.tasks.base import Readout
from outgrow.training.features import FeatureSpec, NamedText, encode_texts, read_all
from outgrow.training.loop import TrainingConfig
from outgrow.types import Doubles, Examples, Labels, Shape, UserError

if TYPE_CHECKING:
    from outgrow.training.network import Network


@dataclass(frozen=True, kw_only=True)
class Contrastive(TrainingConfig, TextMethod):
    """The model is finetuned until texts of the same class have similar states, and those of different classes have
    different ones. Then a linear head on its states learns the labels.

    States are pooled as for `head`: their mean for encoders, the last token's for causal models. Of every pair in a
    batch, the cosine of the states is pulled towards the probability that both have the same class, in squared loss.
    The embeddings of tokens stay as they are. The loss of the method is that of the head. The other fields are those of
    `finetune`. For tasks whose examples share their choices.
    """

    kind: ClassVar[str] = "method/contrastive"
    version: ClassVar[int] = 2  # 2: batches are packed

    epochs: float = 4.0
    learning_rate: float = 5e-5
    keep: Literal["best", "last"] = "last"

    @property
    def inference_config(self) -> Contrastive:
        return Contrastive(precision=self.precision)

    def check(self, shape: Shape) -> None:
        if shape.readout != "head":
            raise UserError("contrastive finetuning needs a task whose examples share their choices: use finetune")

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        from outgrow.training.batches import dense
        from outgrow.training.contrastive import ContrastiveObjective
        from outgrow.training.loop import train
        from outgrow.training.network import open_encoder

        if ctx.settings.shards > 1:
            raise UserError("contrastive finetuning compares the texts of a batch on one device: leave out --shards")
        encoder = open_encoder(model.folder(ctx.settings), ctx.settings, trained_in=self.precision)
        encoder.module.get_input_embeddings().requires_grad_(False)  # most of them occur in none of the texts
        objective = ContrastiveObjective(
            network=encoder,
            examples=encode_texts(encoder, _named(data.examples), data.examples.cut),
            labels=dense(data.labels),
            validation=encode_texts(encoder, _named(data.validation), data.validation.cut),
            validation_labels=dense(data.validation_labels),
        )
        trained = train(encoder.module, objective, self, seed, ctx)
        states, held_out = (_states(encoder, each, self, ctx.settings) for each in (data.examples, data.validation))
        features = FeatureData.of(data, readout, design_of(readout, states), held_out)
        head = Head(precision=self.precision).fit(features, loss, seed)
        folder = ctx.scratch / "fitted"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with quiet():
            encoder.module.save_pretrained(folder)
            encoder.tokenizer.save_pretrained(folder)
        HeadWeights(weights=head.weights, curve=tuple(trained.curve)).save(folder)
        return Predictor(folder).noted(trained.notes)

    def predict(
        self,
        predictor: Predictor,
        readout: Readout,
        examples: Examples,
        settings: Settings,
        progress: Callable[[float], None],
    ) -> Labels:
        from outgrow.training.network import open_encoder

        states = _states(open_encoder(predictor.folder, settings), examples, self, settings, progress)
        return Labels.from_rows(examples.ids, Head().predict(HeadWeights.load(predictor.folder), states))


def _states(
    encoder: Network,
    examples: Examples,
    method: Contrastive,
    settings: Settings,
    progress: Callable[[float], None] = lambda done: None,
) -> Doubles:
    """The pooled states of each prompt, [n, width]."""
    spec, texts = FeatureSpec(precision=method.precision), _named(examples)
    return read_all(encoder, texts, spec, settings.microbatch, cut=examples.cut, progress=progress).astype(np.float64)


def _named(examples: Examples) -> list[NamedText]:
    return [(row.id, row.prompt) for row in examples.rows]
