"""What a method of fitting is, and what it gives back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from outgrow.graph import Context, Settings
from outgrow.losses.base import Loss
from outgrow.models.base import Model
from outgrow.tasks.base import Readout
from outgrow.types import Examples, Labels

if TYPE_CHECKING:
    from outgrow.training.loop import Curve
    from outgrow.training.network import Network


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """Examples and the labels to learn from, in the same order, and a held-out slice of the same kind."""

    examples: Examples
    labels: Labels
    validation: Examples
    validation_labels: Labels


class Predictor:
    """A folder that holds a finished fit: `config`, weights and tokenizer as an ordinary Hugging Face checkpoint,
    `curve.json` with the training and validation loss, and for a probe its coefficients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, folder: Path) -> None:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(folder)


def finished(network: Network, curve: Curve, ctx: Context) -> Predictor:
    """A trained network as what a step gives back."""
    folder = ctx.scratch / "fitted"
    shutil.rmtree(folder, ignore_errors=True)
    network.save(folder)
    (folder / "curve.json").write_text(json.dumps(curve, indent=1))
    return Predictor(folder)


@dataclass(frozen=True, kw_only=True)
class Method:
    """Subclass it, add hyperparameters, write `fit` and `predict`."""

    version: ClassVar[int] = 1

    @property
    def asked(self) -> Method:
        """This method without what only `fit` reads: all that answers of an untrained model depend on."""
        return self

    def fit(self, model: Model, readout: Readout, loss: Loss, data: Supervision, seed: int, ctx: Context) -> Predictor:
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
