"""A fitted model as a folder: an ordinary checkpoint where the architecture allows it, else an encoder with a head."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from outgrow.experiment.steps import Features, Fit
from outgrow.graph import Settings, load
from outgrow.methods.base import FeatureMethod, HeadWeights
from outgrow.methods.head import Head
from outgrow.models.base import Model, first_line, quiet
from outgrow.models.hf import checkpoint_files
from outgrow.store import Store
from outgrow.tasks.base import Readout
from outgrow.training.features import FeatureSpec, read_all
from outgrow.training.precision import Precision
from outgrow.types import Doubles, Example, Examples, UserError

if TYPE_CHECKING:
    from outgrow.training.network import Network

FACTS = "outgrow.json"
HEAD = "head.safetensors"
CLOSE = 1e-3  # of a probability, between a head and the same head inside a checkpoint


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a folder says of its model. kind: "classifier", an ordinary checkpoint; "head", an encoder whose pooled
    hidden states a head in `head.safetensors` reads. classes: in the order of the outputs. text: the column or template
    of the texts that it learned from, "" where they had none. layer, pooling: which states a head reads. files: of the
    folder."""

    kind: Literal["classifier", "head"]
    readout: Readout
    classes: tuple[str, ...]
    model: str
    precision: Precision
    text: str = ""
    pooling: Literal["mean", "last"] = "mean"
    layer: int = -1
    longest: int | None = None
    format: int = 1
    files: tuple[str, ...] = ()

    def save(self, folder: Path) -> None:
        (folder / FACTS).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises UserError for a folder that none of these was saved in."""
        try:
            found = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            return cls(**{**found, "classes": tuple(found["classes"]), "files": tuple(found.get("files", ()))})
        except FileNotFoundError:
            raise UserError(f"{folder} holds no model that outgrow fit or export has written: check the path") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder / FACTS} cannot be read ({error}): fit or export the model again") from None


def write_model(
    folder: Path, fit: Fit, classes: Sequence[str], store: Store, settings: Settings, *, text: str = ""
) -> Facts:
    """Write a fitted model into a folder. A linear head on frozen features becomes part of the checkpoint where that
    gives the same answers; elsewhere it stands beside the encoder, with `predict.py`, which reads both.

    Raises UserError for fits whose weights are in several places.
    """
    fitted = load(fit, store).of(fit.model)
    named: dict[str, Any] = {"classes": tuple(classes), "model": fit.model.name, "text": text}
    with tempfile.TemporaryDirectory() as scratch:
        if isinstance(fit.method, FeatureMethod):
            assert fit.features
            origin = _origin(fit.features[0], store, settings, Path(scratch))
            facts = _write_head(folder, fit, HeadWeights.load(fitted.folder), origin, settings, named)
        elif (fitted.folder / HEAD).is_file():
            facts = _copy_with_head(fitted.folder, folder, fit, settings, named)
        else:
            _copy(checkpoint_files(fitted.whole(fit.readout, settings, Path(scratch)).folder), folder)
            facts = Facts(kind="classifier", readout=fit.readout, precision=fit.method.precision, **named)
    facts.save(folder)
    return facts


def _origin(features: Features, store: Store, settings: Settings, scratch: Path) -> Path:
    """The checkpoint whose hidden states a head reads."""
    source = features.source
    if isinstance(source, Model):
        return source.folder(settings)
    if isinstance(source, Fit):
        return load(source, store).of(source.model).whole(source.readout, settings, scratch).folder
    return load(source, store).folder


def _write_head(
    folder: Path, fit: Fit, head: HeadWeights, origin: Path, settings: Settings, named: dict[str, Any]
) -> Facts:
    from outgrow.training.network import open_encoder

    assert fit.features
    spec = fit.features[0].spec
    if set(head.weights) != {"weight", "bias"}:
        raise UserError("a head with hidden layers has no place in a checkpoint: fit a linear one")
    encoder = open_encoder(origin, settings)
    pooling = spec.pooling if spec.pooling != "auto" else "last" if encoder.causal else "mean"
    facts = Facts(
        kind="head", readout=fit.readout, precision=spec.precision, pooling=pooling, layer=spec.layer,
        longest=encoder.longest, **named,
    )  # fmt: skip
    if pooling == "last" and spec.layer == -1 and _write_classifier(folder, origin, encoder, head, facts, settings):
        return replace(facts, kind="classifier", precision="fp32")  # its weights are those of a sum: bf16 is too coarse
    with quiet():
        encoder.module.save_pretrained(folder)
        encoder.tokenizer.save_pretrained(folder)
    head.save(folder)
    (folder / "curve.json").unlink()
    if spec.layer == -1 and fit.readout == "head":
        shutil.copy(Path(__file__).with_name("predict.py.txt"), folder / "predict.py")
    return facts


def _copy_with_head(source: Path, folder: Path, fit: Fit, settings: Settings, named: dict[str, Any]) -> Facts:
    """Copy a finetuned model whose states a head reads."""
    from outgrow.training.network import open_encoder

    _copy([*checkpoint_files(source), source / HEAD], folder)
    shutil.copy(Path(__file__).with_name("predict.py.txt"), folder / "predict.py")
    encoder = open_encoder(source, settings)
    pooling: Literal["mean", "last"] = "last" if encoder.causal else "mean"
    precision = fit.method.precision
    return Facts(
        kind="head", readout=fit.readout, precision=precision, pooling=pooling, longest=encoder.longest, **named
    )


def _write_classifier(
    folder: Path, origin: Path, encoder: Network, head: HeadWeights, facts: Facts, settings: Settings
) -> bool:
    """Write a causal checkpoint with the head inside, if its classifier then answers as the head does.

    Such a classifier is linear in the last token's state, without a bias. The states come out of a layer norm: weight *
    x + shift, where the entries of x sum to 0. So the sum of state / weight is that of shift / weight, whatever the
    text, and a bias is a multiple of that direction.
    """
    import torch

    from outgrow.training.network import open_network

    network = open_network(origin, "head", settings, classes=facts.classes)
    score = getattr(network.module, "score", None)
    norm = _last_norm(encoder.module)
    if not isinstance(score, torch.nn.Linear) or score.bias is not None or norm is None or norm.bias is None:
        return False
    direction = 1 / norm.weight.detach().double()
    scale = float(direction @ norm.bias.detach().double())
    if not np.isfinite(scale) or abs(scale) < 1e-3:
        return False
    weight, bias = (torch.from_numpy(head.weights[name]).double() for name in ("weight", "bias"))
    with torch.no_grad():
        score.weight.copy_(weight + torch.outer(bias, direction) / scale)
    texts = ["a", "a b c", "The second text is longer than the first."]
    exact = replace(facts, precision="fp32")
    own, inside = _head_probs(encoder, head, exact, texts, settings), _classifier_probs(network, exact, texts, settings)
    if np.abs(own - inside).max() > CLOSE:
        return False
    network.save(folder)
    return True


def _last_norm(module: Any) -> Any:
    """The layer norm after the last layer: the last one that is in none of the numbered layers; None without one."""
    norms = [
        part
        for name, part in module.named_modules()
        if type(part).__name__ == "LayerNorm" and not any(each.isdigit() for each in name.split("."))
    ]
    return norms[-1] if norms else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Loaded:
    """A model read from its folder: it answers texts."""

    facts: Facts
    network: Network
    head: HeadWeights | None
    settings: Settings

    def predict(self, texts: Sequence[str]) -> Doubles:
        """Probabilities [texts, classes]. Texts longer than the model reads are cut."""
        if not len(texts):
            return np.zeros((0, len(self.facts.classes)))
        if self.head is None:
            return _classifier_probs(self.network, self.facts, texts, self.settings)
        return _head_probs(self.network, self.head, self.facts, texts, self.settings)


def read_model(folder: Path, settings: Settings) -> Loaded:
    """The model in a folder that `write_model` wrote. Raises UserError for another folder."""
    from outgrow.training.network import open_encoder, open_network

    facts = Facts.load(folder)
    if facts.readout != "head":
        raise UserError(f"{folder} answers no single texts with a class ({facts.readout}): load it with transformers")
    if facts.kind == "classifier":
        return Loaded(facts=facts, network=open_network(folder, "head", settings), head=None, settings=settings)
    network = open_encoder(folder, settings)
    head = _read_head(folder, len(facts.classes), getattr(network.module.config, "hidden_size", None))
    return Loaded(facts=facts, network=network, head=head, settings=settings)


def _read_head(folder: Path, classes: int, width: int | None) -> HeadWeights:
    """The head beside an encoder with states of this width. Raises UserError where it is none, or of another size."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        weights = load_file(folder / HEAD)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{folder / HEAD} cannot be read ({first_line(error)}): fit or export the model again"
        ) from None
    shapes = {name: weight.shape for name, weight in weights.items()}
    if shapes != {"weight": (classes, width or shapes.get("weight", (0, 0))[-1]), "bias": (classes,)}:
        raise UserError(f"{folder / HEAD} is the head of another model: fit or export the model again")
    return HeadWeights(weights=weights)


@dataclass(frozen=True, kw_only=True, eq=False)
class Packed:
    """A model that can be pickled: the files of its folder by name. Those of an encoder that is as it was are not among
    them: it is a model that is found again."""

    files: Mapping[str, bytes]
    encoder: Model | None = None

    @classmethod
    def of(cls, fit: Fit, classes: Sequence[str], store: Store, settings: Settings) -> Self:
        with tempfile.TemporaryDirectory() as folder:
            facts = write_model(Path(folder), fit, classes, store, settings)
            as_it_was = facts.kind == "head" and fit.features is not None and isinstance(fit.features[0].source, Model)
            kept = (HEAD, FACTS) if as_it_was else ("*",)
            paths = [path for pattern in kept for path in Path(folder).glob(pattern)]
            files = {path.name: path.read_bytes() for path in paths}
        return cls(files=files, encoder=fit.model if as_it_was else None)


def unpacked(packed: Packed, settings: Settings) -> Loaded:
    """The model of packed files. Raises UserError where its encoder is gone."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in packed.files.items():
            (Path(folder) / name).write_bytes(content)
        if packed.encoder:
            _copy(checkpoint_files(packed.encoder.folder(settings)), Path(folder))
        return read_model(Path(folder), settings)


def _head_probs(network: Network, head: HeadWeights, facts: Facts, texts: Sequence[str], settings: Settings) -> Doubles:
    spec = FeatureSpec(pooling=facts.pooling, layer=facts.layer, precision=facts.precision)
    named = [(str(i), text) for i, text in enumerate(texts)]
    states = read_all(network, named, spec, settings.microbatch, cut=True)
    return Head().predict(head, states.astype(np.float64))


def _classifier_probs(network: Network, facts: Facts, texts: Sequence[str], settings: Settings) -> Doubles:
    from outgrow.training.classification import probabilities
    from outgrow.training.precision import finite

    rows = (Example(id=str(i), group=str(i), prompt=text, choices=facts.classes) for i, text in enumerate(texts))
    encoded = network.encode(Examples(rows=tuple(rows), cut=True))
    probs, _ = finite(lambda: probabilities(network, encoded, settings.microbatch), settings.device, facts.precision)
    return probs.astype(np.float64)


def _copy(files: Sequence[Path], folder: Path) -> None:
    for path in files:
        if path.name not in ("curve.json", "notes.json"):
            shutil.copy(path, folder / path.name)
