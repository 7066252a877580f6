"""What a method of fitting is, and what it gives back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from outgrow.graph import Context, Settings
from outgrow.losses.base import Loss
from outgrow.models.base import Model
from outgrow.notes import read_notes, write_notes
from outgrow.tasks.base import Readout
from outgrow.training.features import FeatureSpec
from outgrow.types import Doubles, Examples, Labels, Shape

if TYPE_CHECKING:
    from outgrow.training.loop import TrainingResult
    from outgrow.training.network import Network


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Examples and the labels to learn from, in the same order, and a held-out slice to stop and tune on.

    watched: labels of the held-out slice that are only watched. features, validation_features: float64 [n, width], for
    a method that reads them.
    """

    examples: Examples
    labels: Labels
    validation: Examples
    validation_labels: Labels
    monitored: Labels | None = None
    features: Doubles | None = None
    validation_features: Doubles | None = None


class Predictor:
    """A folder that holds a finished fit: `config`, weights and tokenizer as an ordinary Hugging Face checkpoint,
    `curve.json` with the training and validation loss, and for a probe its coefficients. Where something is to be known
    of the fit, such as that it diverged, `notes.json` says it: a list of sentences."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

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


def finished(network: Network, trained: TrainingResult, ctx: Context) -> Predictor:
    """A trained network as what a step gives back."""
    folder = ctx.scratch / "fitted"
    shutil.rmtree(folder, ignore_errors=True)
    network.save(folder)
    (folder / "curve.json").write_text(json.dumps(trained.curve, indent=1))
    return Predictor(folder).noted(trained.notes)


@dataclass(frozen=True, kw_only=True)
class Method:
    """Subclass it, add hyperparameters, write `fit` and `predict`; or `reads`, `fit` and `answer`, where it learns from
    the frozen features of a model and not from text."""

    kind: ClassVar[str]  # a plug-in from outside the package needs none
    version: ClassVar[int] = 1

    @property
    def inference_config(self) -> Method:
        """This method without what only `fit` reads: all that answers of an untrained model depend on."""
        return self

    @property
    def feature_spec(self) -> FeatureSpec | None:
        """Which frozen features it learns from; None: the text of the examples."""
        return None

    def check(self, shape: Shape) -> None:
        """Raise a UserError where the method cannot learn a task of this shape, or lacks a library. Default: never."""

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        """Learn from `data`. Long fits checkpoint through `ctx` and resume there."""
        raise NotImplementedError

    def predict(
        self,
        predictor: Predictor,
        readout: Readout,
        examples: Examples,
        settings: Settings,
        progress: Callable[[float], None],
    ) -> Labels:
        """Probabilities over the choices of each example, in the order of `examples`."""
        raise NotImplementedError

    def predict_from_features(self, predictor: Predictor, examples: Examples, features: Doubles) -> Labels:
        """The same from the frozen features of the examples, [n, width], for a method that reads them."""
        raise NotImplementedError
