"""A linear probe: multinomial logistic regression on frozen features (Burns et al. 2023, appendix D.1).

On the plain model, with weak labels, it is the frozen probe of tasks that need a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from outgrow.losses.base import Loss
from outgrow.methods.base import FeatureData, FeatureMethod, HeadWeights
from outgrow.training.features import FeatureSpec
from outgrow.training.linear import log_softmax, refuse_not_finite, regress
from outgrow.types import Doubles, UserError

# On the squared weights of standardised features.
PENALTIES = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0001)


@dataclass(frozen=True, kw_only=True)
class Probe(FeatureMethod):
    """A linear probe on frozen features: of any layer (0 the embeddings, -1 the last), the mean over the prompt or the
    last token's (`auto`: the mean for encoders, the last for causal models).

    The penalty is the one with the lowest cross-entropy to the labels of the validation slice.
    """

    kind: ClassVar[str] = "method/probe"
    version: ClassVar[int] = 4  # 2: features are a step of their own; 3: larger penalties; 4: another solver

    pooling: Literal["auto", "mean", "last"] = "auto"
    layer: int = -1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.feature_spec  # noqa: B018 - raises UserError for invalid values

    def check_loss(self, loss: Loss) -> None:
        if not loss.fixed_targets:
            raise UserError("a probe learns by cross-entropy: remove loss, or use finetune")

    @property
    def feature_spec(self) -> FeatureSpec:
        return FeatureSpec(pooling=self.pooling, layer=self.layer, precision=self.precision)

    def fit(self, data: FeatureData, loss: Loss, seed: int) -> HeadWeights:
        return self.fit_group([data], loss, [seed])[0]

    def fit_group(self, data: Sequence[FeatureData], loss: Loss, seeds: Sequence[int]) -> Sequence[HeadWeights]:
        """Weights are the same alone and in a group, to 1e-5 of the largest."""
        self.check_loss(loss)
        first = data[0]
        labels, validation_labels = [each.labels for each in data], [each.validation_labels for each in data]
        heads = regress(first.design, labels, first.validation_features, validation_labels, PENALTIES)
        return [HeadWeights(weights={"weight": head.weight, "bias": head.bias}, curve=head.curve) for head in heads]

    def predict(self, head: HeadWeights, features: Doubles) -> Doubles:
        probs = np.exp(log_softmax(features @ head.weights["weight"].T + head.weights["bias"]))
        refuse_not_finite("answers", probs)
        return probs
