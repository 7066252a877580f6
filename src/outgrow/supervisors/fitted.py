"""Fitted: a model that is fitted to ground truth (Burns et al. 2023, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from outgrow.experiment.data import LabelsStep, Prepare
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Fit, predicted
from outgrow.models.base import Model
from outgrow.supervisors.base import Supervisor
from outgrow.training.language_model import Generative


@dataclass(frozen=True, kw_only=True)
class Fitted(Supervisor):
    """A model that is fitted by its recipe to the ground truth of weak_train, with validation as its validation set."""

    model: Model

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def fitted(self) -> bool:
        return True

    @property
    def models(self) -> tuple[Model, ...]:
        return (self.model,)

    def map_models(self, change: Callable[[Model], Model]) -> Self:
        return replace(self, model=change(self.model))

    def fits(self, setup: CellSetup, adapt: Generative | None = None) -> tuple[Fit, ...]:
        splits = setup.splits
        return (setup.fit(self.model, splits["weak_train"], splits["validation"], adapt=adapt),)

    def labels(self, setup: CellSetup, examples: Prepare, adapt: Generative | None = None) -> tuple[LabelsStep, ...]:
        return tuple(predicted(fit, examples) for fit in self.fits(setup, adapt))


def as_supervisor(side: Supervisor | Model) -> Supervisor:
    """The supervisor itself; for a model, the supervisor that fits it to ground truth."""
    return Fitted(model=side) if isinstance(side, Model) else side


def map_models(side: Supervisor | Model, change: Callable[[Model], Model]) -> Supervisor | Model:
    """A copy with `change` applied to the model, or to each of the supervisor's models."""
    return change(side) if isinstance(side, Model) else side.map_models(change)
