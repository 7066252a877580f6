"""A linear probe: multinomial logistic regression on frozen features (Burns et al. 2023, appendix D.1).

On the plain model it serves as the untrained student of tasks that need a head.
"""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from outgrow.graph import Context, Settings
from outgrow.losses.base import Loss
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import Method, Predictor, Supervision
from outgrow.models.base import Model
from outgrow.models.hf import checkpoint_digest
from outgrow.tasks.base import Readout
from outgrow.types import Doubles, Examples, Floats, Labels, UserError

PENALTIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0001)  # on the squared weights of standardised features


@dataclass(frozen=True, kw_only=True)
class Probe(Method):
    """Features are the last hidden states: their mean for encoders, the last token's for causal models (`auto`).

    The penalty is the one with the lowest cross-entropy to the labels of the validation slice.
    """

    pooling: Literal["auto", "mean", "last"] = "auto"

    def fit(self, model: Model, readout: Readout, loss: Loss, data: Supervision, seed: int, ctx: Context) -> Predictor:
        from safetensors.numpy import save_file

        from outgrow.training.network import same_choices

        if readout != "head":
            raise UserError("a probe needs a task whose examples share their choices: use finetune for this one")
        if type(loss) is not CrossEntropy:
            raise UserError("a probe learns by cross-entropy: remove `loss`, or use finetune")
        same_choices(data.examples)
        train, held = (
            features(model.folder(ctx.settings), examples, self.pooling, ctx.settings, ctx.progress)
            for examples in (data.examples, data.validation)
        )
        targets, held_targets = (
            labels.probs.reshape(len(labels), -1).astype(np.float64) for labels in (data.labels, data.validation_labels)
        )
        weight, bias, curve = regress(train, targets, held, held_targets)
        folder = ctx.scratch / "fitted"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        save_file({"weight": weight, "bias": bias}, folder / "probe.safetensors")
        reference = {**_reference(model), "checkpoint": checkpoint_digest(model.folder(ctx.settings))}
        (folder / "model.json").write_text(json.dumps(reference, indent=1))
        (folder / "curve.json").write_text(json.dumps(curve, indent=1))
        return Predictor(folder)

    def predict(
        self,
        predictor: Predictor,
        readout: Readout,
        examples: Examples,
        settings: Settings,
        progress: Callable[[float], None],
    ) -> Labels:
        from safetensors.numpy import load_file

        if not (predictor.folder / "probe.safetensors").is_file():
            raise UserError("a model alone is no probe: fit one first")
        stored = load_file(predictor.folder / "probe.safetensors")
        folder = _folder(json.loads((predictor.folder / "model.json").read_text()), settings)
        found = features(folder, examples, self.pooling, settings, progress)
        probs = np.exp(_log_softmax(found @ stored["weight"].T + stored["bias"])).astype(np.float32)
        return Labels.from_rows(examples.ids, list(probs))


def features(
    folder: Path, examples: Examples, pooling: str, settings: Settings, progress: Callable[[float], None]
) -> Doubles:
    """The pooled last hidden states of a checkpoint without its head, float64 [n, width]."""
    import torch

    from outgrow.training.choosing import inference_batches
    from outgrow.training.network import open_encoder

    network = open_encoder(folder, settings)
    encoded = network.encode(examples)
    pooled: Doubles = np.zeros((len(examples), network.module.config.hidden_size), dtype=np.float64)
    with torch.inference_mode():
        for batch in inference_batches(encoded, network.device, settings.microbatch, progress):
            hidden = network.hidden(batch)
            if pooling == "last" or (pooling == "auto" and network.causal):
                states = hidden[torch.arange(len(hidden), device=hidden.device), batch.last]
            else:
                real = torch.arange(hidden.shape[1], device=hidden.device) <= batch.last[:, None]
                states = (hidden * real[..., None]).sum(1) / real.sum(1, keepdim=True)
            pooled[batch.rows] = states.float().cpu().numpy()
    return pooled


def regress(
    train: Doubles, targets: Doubles, held: Doubles, held_targets: Doubles
) -> tuple[Floats, Floats, list[dict[str, float]]]:
    """Fit softmax(features @ weight.T + bias) to soft labels, the penalty chosen on held-out ones.

    train: [n, width], targets: [n, classes]. Returns weight [classes, width] and bias [classes] for features as they
    are (the standardisation is folded in), and a record for each penalty.
    """
    from scipy.optimize import minimize

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
            np.column_stack([(held - mean) / spread, np.ones(len(held))]) @ start.reshape(classes, -1).T
        )
        loss = float(-(held_targets * log_probs).sum(1).mean())
        agreement = float((log_probs.argmax(1) == held_targets.argmax(1)).mean())
        curve.append({"penalty": penalty, "validation_loss": loss, "validation_agreement": agreement})
        if loss < best_loss:
            best, best_loss = start, loss
    scaled = best.reshape(classes, -1)
    weight = scaled[:, :-1] / spread
    return weight.astype(np.float32), (scaled[:, -1] - weight @ mean).astype(np.float32), curve


def _log_softmax(logits: Doubles) -> Doubles:
    shifted = logits - logits.max(1, keepdims=True)
    found: Doubles = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return found


def _reference(model: Model) -> dict[str, Any]:
    """What finds the model again: its class and its fields."""
    return {"class": f"{type(model).__module__}:{type(model).__qualname__}", "fields": asdict(model)}


def _folder(reference: dict[str, Any], settings: Settings) -> Path:
    """The checkpoint that a probe was fitted to, if it is still the same."""
    module, _, name = reference["class"].partition(":")
    model: Model = getattr(importlib.import_module(module), name)(**reference["fields"])
    folder = model.folder(settings)
    if checkpoint_digest(folder) != reference["checkpoint"]:
        raise UserError(f"the model {model.name} has changed since the probe was fitted to it: fit it again")
    return folder
