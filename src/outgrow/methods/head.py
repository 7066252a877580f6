"""A head on frozen features: linear, which is the linear probe of Burns et al. 2023 (appendix D.1), or with hidden
layers; with any loss.

On the plain model, with weak labels, the linear head is the frozen probe of tasks that need a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from outgrow.losses.base import Loss
from outgrow.methods.base import FeatureData, FeatureMethod, HeadWeights
from outgrow.ranges import Range, above, check_ranges, one_of, whole
from outgrow.training.features import FeatureSpec
from outgrow.training.linear import log_softmax, refuse_not_finite, regress
from outgrow.types import Doubles, Floats, UserError

# On half the squared weights of standardised features.
PENALTIES = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0001)  # of the regression: it is exact
TRAINED_PENALTIES = (1.0, 0.1, 0.01, 0.001)  # of gradient descent, which stops early too


@dataclass(frozen=True, kw_only=True)
class Head(FeatureMethod):
    """A head on frozen features: of any layer (0 the embeddings, -1 the last), the mean over the prompt or the last
    token's (`auto`: the mean for encoders, the last for causal models).

    A linear head with cross-entropy is a multinomial regression, solved exactly. Other heads and losses are trained by
    gradient descent. hidden: the width of each hidden layer. dropout: of the inputs of every layer. balanced: every
    class has the same weight in the loss. penalties: on half the squared weights, (): a grid. The penalty, and the
    epoch where there are some, is the one with the lowest cross-entropy to the labels of the validation slice. keep:
    "last" is for heads without early stopping: all are trained, to the last epoch, and only the penalty is chosen.
    until: the epoch after which training ends, as it was then (the learning rate falls over all `epochs`); 0: the last.
    """

    kind: ClassVar[str] = "method/head"
    version: ClassVar[int] = 2  # 2: weights of trained heads are stored in their order

    pooling: Literal["auto", "mean", "last"] = "auto"
    layer: int = -1
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    balanced: bool = False
    penalties: tuple[float, ...] = ()
    epochs: int = 20
    batch: int = 128
    learning_rate: float = 1e-2
    keep: Literal["best", "last"] = "best"
    until: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.feature_spec  # noqa: B018 - raises UserError for invalid values
        check_ranges(self, dropout=Range(least=0, most=0.95), epochs=whole(1, 10_000), batch=whole(1))
        check_ranges(self, learning_rate=above(0, 10), keep=one_of("best", "last"))
        check_ranges(self, until=whole(0, self.epochs))
        if self.until and not self._has_epochs:
            raise UserError(f'until is {self.until}, and a linear head is solved without epochs: set keep = "last" too')
        if wrong := [width for width in self.hidden if type(width) is not int or not 1 <= width <= 65_536]:
            raise UserError(f"hidden has a layer of {wrong[0]!r}: give widths between 1 and 65536")
        if wrong_penalties := [each for each in self.penalties if not 0 <= each < 1e9]:
            raise UserError(f"penalties has {wrong_penalties[0]!r}: give numbers of at least 0")

    @property
    def feature_spec(self) -> FeatureSpec:
        return FeatureSpec(pooling=self.pooling, layer=self.layer, precision=self.precision)

    def is_trained(self, loss: Loss) -> bool:
        """Whether it is trained by gradient descent; else it is solved."""
        return not loss.fixed_targets or self._has_epochs

    @property
    def _has_epochs(self) -> bool:
        """Whether it is trained with any loss."""
        return self.keep == "last" or bool(self.hidden or self.dropout or self.balanced)

    def fit(self, data: FeatureData, loss: Loss, seed: int) -> HeadWeights:
        return self.fit_group([data], loss, [seed])[0]

    def fit_group(self, data: Sequence[FeatureData], loss: Loss, seeds: Sequence[int]) -> Sequence[HeadWeights]:
        """Weights are the same alone and in a group, to 1e-5 of the largest where they are solved, to 1e-3 where they
        are trained."""
        first = data[0]
        labels, validation_labels = [each.labels for each in data], [each.validation_labels for each in data]
        if not self.is_trained(loss):
            penalties = self.penalties or PENALTIES
            solved = regress(first.design, labels, first.validation_features, validation_labels, penalties)
            return [HeadWeights(weights=_named([(each.weight, each.bias)]), curve=each.curve) for each in solved]
        from outgrow.training.heads import HeadConfig, train_heads

        config = HeadConfig(
            hidden=self.hidden,
            dropout=self.dropout,
            penalties=self.penalties or TRAINED_PENALTIES,
            balanced=self.balanced,
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            keep=self.keep,
            until=self.until,
        )
        heads = train_heads(first.design, labels, first.validation_features, validation_labels, loss, config, seeds)
        return [HeadWeights(weights=_named(head.layers), curve=tuple(head.curve)) for head in heads]

    def predict(self, head: HeadWeights, features: Doubles) -> Doubles:
        x = features
        for i in range(len(self.hidden)):
            x = np.maximum(x @ head.weights[f"hidden.{i}.weight"].T + head.weights[f"hidden.{i}.bias"], 0.0)
        probs = np.exp(log_softmax(x @ head.weights["weight"].T + head.weights["bias"]))
        refuse_not_finite("answers", probs)
        return probs


def _named(layers: Sequence[tuple[Floats, Floats]]) -> dict[str, Floats]:
    """The weights of the layers by name: the last is `weight` and `bias`, as of a linear head."""
    names = [*(f"hidden.{i}." for i in range(len(layers) - 1)), ""]
    return {
        f"{name}{what}": array
        for name, layer in zip(names, layers, strict=True)
        for what, array in zip(("weight", "bias"), layer, strict=True)
    }
