"""A linear probe: multinomial logistic regression on frozen features (Burns et al. 2023, appendix D.1).

On the plain model, with weak labels, it is the frozen probe of tasks that need a head.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from outgrow.graph import Context
from outgrow.losses.base import Loss
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import Method, Predictor, TrainingData
from outgrow.models.base import Model
from outgrow.tasks.base import Readout
from outgrow.training.features import FeatureSpec
from outgrow.types import Doubles, Examples, Floats, Labels, Shape, UserError

# On the squared weights of standardised features.
PENALTIES = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0001)


@dataclass(frozen=True, kw_only=True)
class Probe(Method):
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

    def check(self, shape: Shape) -> None:
        if shape.readout == "tokens":
            raise UserError("a probe needs a task whose examples share their choices: use finetune for this one")
        if shape.readout == "pair" and shape.most != 2:
            raise UserError("a probe compares two texts, and this task has examples with more: use finetune")

    @property
    def feature_spec(self) -> FeatureSpec:
        return FeatureSpec(pooling=self.pooling, layer=self.layer)

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        from safetensors.numpy import save_file

        from outgrow.training.network import same_choices

        if readout == "tokens":
            raise UserError("a probe needs a task whose examples share their choices: use finetune for this one")
        if type(loss) is not CrossEntropy:
            raise UserError("a probe learns by cross-entropy: remove `loss`, or use finetune")
        if readout == "head":
            same_choices(data.examples)
        assert data.features is not None
        assert data.validation_features is not None
        targets, validation = (
            labels.probs.reshape(len(labels), -1).astype(np.float64) for labels in (data.labels, data.validation_labels)
        )
        read = data.features
        if readout == "pair":  # each pair both ways round, so that neither place is preferred
            read, targets = np.concatenate([read, -read]), np.concatenate([targets, targets[:, ::-1]])
        weight, bias, curve = regress(read, targets, data.validation_features, validation)
        folder = ctx.scratch / "fitted"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        save_file({"weight": weight, "bias": bias}, folder / "probe.safetensors")
        (folder / "curve.json").write_text(json.dumps(curve, indent=1))
        return Predictor(folder)

    def predict_from_features(self, predictor: Predictor, examples: Examples, features: Doubles) -> Labels:
        from safetensors.numpy import load_file

        stored = load_file(predictor.folder / "probe.safetensors")
        probs = np.exp(_log_softmax(features @ stored["weight"].T + stored["bias"])).astype(np.float32)
        _refuse_not_finite("answers", probs)
        return Labels.from_rows(examples.ids, list(probs))


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
