"""What a method of fitting is, and what it gives back."""

from __future__ import annotations

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from outgrow.graph import Context, Settings
from outgrow.ids import numbered
from outgrow.labelling.base import NotedLabels
from outgrow.losses.base import Loss
from outgrow.models.base import Model
from outgrow.notes import read_notes, write_notes
from outgrow.tasks.base import Readout
from outgrow.training.features import FeatureSpec
from outgrow.training.linear import Design
from outgrow.training.precision import Precision, check_precision, finite
from outgrow.types import Doubles, Examples, Floats, Ints, Labels, Shape, UserError, classes_of, same_choices

if TYPE_CHECKING:
    from outgrow.training.footprint import Architecture
    from outgrow.training.loop import TrainingResult
    from outgrow.training.network import Network


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Examples and the labels to learn from, in the same order, and a validation slice to stop and tune on.

    monitored: other labels of the validation slice, measured at every check; they decide nothing.
    """

    examples: Examples
    labels: Labels
    validation: Examples
    validation_labels: Labels
    monitored: Labels | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureData:
    """Frozen features and labels as arrays: `design.values` float64 [n, width], labels float64 [n, classes]; the same
    of the validation slice. Heads that are fitted together share one design.

    groups: int64 [n], the group of each row, from 0. Rows of one group, such as copies of a text, belong in one fold.
    """

    design: Design
    labels: Doubles
    groups: Ints
    validation_features: Doubles
    validation_labels: Doubles

    @classmethod
    def of(cls, data: TrainingData, readout: Readout, design: Design, validation_features: Doubles) -> Self:
        """The arrays of `data`, with a design that `design_of` has made for this readout.

        Raises UserError for examples that do not share their choices.
        """
        if readout == "tokens":
            raise UserError("a head on features needs a task whose examples share their choices: use finetune")
        if readout == "head":
            same_choices(data.examples)
        labels, validation_labels = map(classes_of, (data.labels, data.validation_labels))
        groups = numbered(data.examples.groups)
        if readout == "pair":
            labels, groups = np.concatenate([labels, labels[:, ::-1]]), np.concatenate([groups, groups])
        return cls(
            design=design,
            labels=labels,
            groups=groups,
            validation_features=validation_features,
            validation_labels=validation_labels,
        )


def design_of(readout: Readout, features: Doubles) -> Design:
    """The matrix that a head learns from, of features [n, width]. A pair is learned both ways round, so that neither
    position is preferred."""
    return Design(np.concatenate([features, -features]) if readout == "pair" else features)


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadWeights:
    """The weights of a head on frozen features, by name, and one record a setting that was tried."""

    weights: Mapping[str, Floats]
    curve: tuple[Mapping[str, float], ...] = ()

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        # Contiguous: safetensors writes the bytes of a transposed array in the order of the array before.
        arrays = {name: np.ascontiguousarray(array) for name, array in self.weights.items()}
        save_file(arrays, folder / "head.safetensors")
        (folder / "curve.json").write_text(json.dumps(self.curve, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        from safetensors.numpy import load_file

        curve = json.loads((folder / "curve.json").read_text())
        return cls(weights=load_file(folder / "head.safetensors"), curve=tuple(curve))


class Predictor:
    """A folder that holds a finished fit: `config`, weights and tokenizer as an ordinary Hugging Face checkpoint,
    `curve.json` with the training and validation loss, and for a probe its coefficients. Where something is to be known
    of the fit, such as that it diverged, `notes.json` says it: a list of sentences.

    A fit with LoRA keeps only what differs from its model (`training.adapters`), which `of` names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._model: Model | None = None
        self._opened: dict[tuple[Readout, Settings], Network] = {}

    def of(self, model: Model) -> Self:
        """The same fit, which finds what it does not keep in its model."""
        self._model = model
        return self

    def network(self, readout: Readout, settings: Settings) -> Network:
        """The fitted model, which is opened once."""
        if (readout, settings) not in self._opened:
            self._opened[readout, settings] = self._open(readout, settings)
        return self._opened[readout, settings]

    def _open(self, readout: Readout, settings: Settings) -> Network:
        from outgrow.training import adapters
        from outgrow.training.network import open_network

        if not adapters.are_in(self.folder):
            return open_network(self.folder, readout, settings)
        if self._model is None:
            raise ValueError(f"{self.folder} keeps only what differs from its model: name that by `of`")
        return adapters.merged(self.folder, self._model.folder(settings), readout, settings)

    def whole(self, readout: Readout, settings: Settings, folder: Path) -> Self:
        """The same fit as an ordinary checkpoint: itself, or, where it keeps only what differs from its model, one that
        is written into `folder`."""
        from outgrow.training import adapters

        if not adapters.are_in(self.folder):
            return self
        self.network(readout, settings).save(folder)
        shutil.copy(self.folder / "curve.json", folder)
        return type(self)(folder).noted(self.notes())

    def notes(self) -> tuple[str, ...]:
        """What is to be known of the fit; nothing where all went well."""
        return read_notes(self.folder)

    def noted(self, notes: Sequence[str]) -> Self:
        """The same fit with these notes before its own."""
        write_notes(self.folder, (*notes, *self.notes()))
        return self

    def save(self, folder: Path) -> None:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(folder)


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """A way to fit a model: subclass `TextMethod` or `FeatureMethod`, add fields."""

    kind: ClassVar[str]  # a plug-in from outside the package needs none
    version: ClassVar[int] = 1

    precision: Precision = "auto"  # of training and of answers; auto: the experiment's

    def __post_init__(self) -> None:
        check_precision(self)

    def at(self, precision: Precision) -> Self:
        """This method in an experiment of this precision."""
        return replace(self, precision=precision) if self.precision == "auto" else self

    @property
    def inference_config(self) -> Self:
        """This method without what only `fit` reads: all that the answers of an untrained model depend on."""
        return self

    def check(self, shape: Shape) -> None:  # noqa: B027 - most methods fit every task
        """Raise a UserError where the method cannot learn a task of this shape, or lacks a library. Default: never."""


@dataclass(frozen=True, kw_only=True)
class TextMethod(Method):
    """Learns from the text of examples. Write `fit`."""

    def trained(self, of: Architecture) -> int:
        """How many weights are trained, for the estimate of memory. Default: all."""
        return of.parameters

    @abstractmethod
    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        """Learn from `data`. Long fits save checkpoints through `ctx` and resume there."""

    def predict(
        self,
        predictor: Predictor,
        readout: Readout,
        examples: Examples,
        settings: Settings,
        progress: Callable[[float], None],
    ) -> Labels:
        """Probabilities over the choices of each example, in the order of `examples`. Default: those of the fitted
        checkpoint."""
        from outgrow.training.classification import probabilities
        from outgrow.training.network import spread

        network = spread(predictor.network(readout, settings))
        encoded = network.encode(examples)
        compute = partial(probabilities, network, encoded, settings.microbatch, progress)
        probs, notes = finite(compute, settings.device, self.precision)
        real = encoded.columns >= 0
        offsets = np.concatenate([[0], np.cumsum(real.sum(1))]).astype(np.int64)
        return NotedLabels(ids=examples.ids, probs=probs[real], offsets=offsets, notes=notes)


@dataclass(frozen=True, kw_only=True)
class FeatureMethod(Method):
    """Learns from frozen features, which are computed once for all who read them. Write `feature_spec`, `fit` and
    `predict`."""

    @property
    @abstractmethod
    def feature_spec(self) -> FeatureSpec:
        """Which features it reads."""

    @abstractmethod
    def fit(self, data: FeatureData, loss: Loss, seed: int) -> HeadWeights:
        """The weights of a head that has learned from `data`."""

    def fit_group(self, data: Sequence[FeatureData], loss: Loss, seeds: Sequence[int]) -> Sequence[HeadWeights]:
        """Learn from several label sets of one design, a head each. Each comes out as `fit` alone gives it, or within a
        bound that the method states. Default: one after the other."""
        return [self.fit(each, loss, seed) for each, seed in zip(data, seeds, strict=True)]

    @abstractmethod
    def predict(self, head: HeadWeights, features: Doubles) -> Doubles:
        """Probabilities [n, classes] from features [n, width]."""

    def check(self, shape: Shape) -> None:
        if shape.readout == "tokens":
            raise UserError("a probe needs a task whose examples share their choices: use finetune for this one")
        if shape.readout == "pair" and shape.most != 2:
            raise UserError("a probe compares two texts, and this task has examples with more: use finetune")


def finished(save: Callable[[Path], None], trained: TrainingResult, ctx: Context) -> Predictor:
    """A trained network as what a step gives back. save: writes it into a folder."""
    folder = ctx.scratch / "fitted"
    shutil.rmtree(folder, ignore_errors=True)
    save(folder)
    (folder / "curve.json").write_text(json.dumps(trained.curve, indent=1))
    return Predictor(folder).noted(trained.notes)


def saved_head(head: HeadWeights, ctx: Context) -> Predictor:
    """A fitted head as what a step gives back."""
    folder = ctx.scratch / "fitted"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    head.save(folder)
    return Predictor(folder)
