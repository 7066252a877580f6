"""A linear probe: multinomial logistic regression on frozen features (Burns et al. 2023, appendix D.1).

On the plain model, with weak labels, it is the frozen probe of tasks that need a head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from outgrow.losses.base import Loss
from outgrow.methods.base import FeatureData, FeatureMethod, HeadWeights
from outgrow.training.features import FeatureSpec
from outgrow.types import Doubles, Floats, UserError

# On the squared weights of standardised features.
PENALTIES = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0001)


@dataclass(frozen=True, kw_only=True)
class Probe(FeatureMethod):
    """A linear probe on frozen features: of any layer (0 the embeddings, -1 the last), the mean over the prompt or the
    last token's (`auto`: the mean for encoders, the last for causal models).

    The penalty is the one with the lowest cross-entropy to the labels of the validation slice.
    """

    kind: ClassVar[str] = "method/probe"
    version: ClassVar[int] = 3  # 2: features are a step of their own; 3: larger penalties may be chosen

    pooling: Literal["auto", "mean", "last"] = "auto"
    layer: int = -1

    def __post_init__(self) -> None:
        FeatureSpec(pooling=self.pooling, layer=self.layer)  # refuses what cannot be read

    def check_loss(self, loss: Loss) -> None:
        if not loss.fixed_targets:
            raise UserError("a probe learns by cross-entropy: remove loss, or use finetune")

    @property
    def feature_spec(self) -> FeatureSpec:
        return FeatureSpec(pooling=self.pooling, layer=self.layer)

    def fit(self, data: FeatureData, loss: Loss, seed: int) -> HeadWeights:
        self.check_loss(loss)
        weight, bias, curve = regress(data.features, data.labels, data.validation_features, data.validation_labels)
        return HeadWeights(weights={"weight": weight, "bias": bias}, curve=tuple(curve))

    def predict(self, head: HeadWeights, features: Doubles) -> Doubles:
        probs = np.exp(_log_softmax(features @ head.weights["weight"].T + head.weights["bias"]))
        _refuse_not_finite("answers", probs)
        return probs


def regress(
    train: Doubles, targets: Doubles, validation: Doubles, validation_targets: Doubles
) -> tuple[Floats, Floats, list[dict[str, float]]]:
    """Fit softmax(features @ weight.T + bias) to soft labels, the penalty chosen on held-out ones.

    train: [n, width], targets: [n, classes]. Returns weight [classes, width] and bias [classes] for features as they
    are (the standardisation is folded in), and a record for each penalty. Raises UserError where a number given or
    found is not finite.
    """
    from scipy.optimize import minimize

    given = {
        "features": train,
        "labels": targets,
        "validation features": validation,
        "validation labels": validation_targets,
    }
    for what, values in given.items():
        _refuse_not_finite(what, values)

    mean, spread = train.mean(0), np.maximum(train.std(0), 1e-6)
    x, (n, classes) = np.column_stack([(train - mean) / spread, np.ones(len(train))]), targets.shape

    def objective(flat: Doubles, penalty: float) -> tuple[float, Doubles]:
        weight = flat.reshape(classes, -1)
        log_probs = _log_softmax(x @ weight.T)
        gradient = (np.exp(log_probs) - targets).T @ x / n
        gradient[:, :-1] += penalty * weight[:, :-1]
        value = -(targets * log_probs).sum() / n + 0.5 * penalty * (weight[:, :-1] ** 2).sum()
        return float(value), gradient.ravel()

    start = np.zeros(classes * x.shape[1])
    best, best_loss, curve = start, np.inf, []
    for penalty in PENALTIES:
        start = minimize(objective, start, args=(penalty,), jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
        log_probs = _log_softmax(
            np.column_stack([(validation - mean) / spread, np.ones(len(validation))]) @ start.reshape(classes, -1).T
        )
        loss = float(-(validation_targets * log_probs).sum(1).mean())
        agreement = float((log_probs.argmax(1) == validation_targets.argmax(1)).mean())
        _refuse_not_finite("coefficients", start)
        _refuse_not_finite("a validation loss", np.array(loss))
        curve.append({"penalty": penalty, "validation_loss": loss, "validation_agreement": agreement})
        if loss < best_loss:
            best, best_loss = start, loss
    scaled = best.reshape(classes, -1)
    weight = scaled[:, :-1] / spread
    return weight.astype(np.float32), (scaled[:, -1] - weight @ mean).astype(np.float32), curve


def _refuse_not_finite(what: str, values: Doubles | Floats) -> None:
    if not np.isfinite(values).all():
        raise UserError(f"a probe cannot use {what} that are not finite: look at the checkpoint's weights")


def _log_softmax(logits: Doubles) -> Doubles:
    shifted = logits - logits.max(1, keepdims=True)
    found: Doubles = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return found
