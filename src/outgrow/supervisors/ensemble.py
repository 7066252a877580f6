"""Ensemble: several supervisors whose labels are aggregated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from outgrow.experiment.data import LabelsStep, Prepare
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Fit
from outgrow.graph import Settings
from outgrow.models.base import Model
from outgrow.supervisors.base import Supervisor
from outgrow.supervisors.fitted import as_supervisor, map_models
from outgrow.training.language_model import Generative
from outgrow.types import UserError


@dataclass(frozen=True, kw_only=True)
class Ensemble(Supervisor):
    """Several supervisors that label together. Their labels are averaged, unless a technique names another rule.

    members: a model is fitted to ground truth first, as by `Fitted`. Raises UserError for a member that is listed
    twice.
    """

    members: tuple[Supervisor | Model, ...]

    def __post_init__(self) -> None:
        if duplicates := [member.name for member in self.members if self.members.count(member) > 1]:
            raise UserError(f"an ensemble lists {duplicates[0]!r} twice: name each supervisor once")

    @property
    def name(self) -> str:
        return " + ".join(member.name for member in self.members)

    @property
    def _supervisors(self) -> tuple[Supervisor, ...]:
        return tuple(map(as_supervisor, self.members))

    @property
    def fitted(self) -> bool:
        return any(member.fitted for member in self._supervisors)

    @property
    def models(self) -> tuple[Model, ...]:
        return tuple(model for member in self._supervisors for model in member.models)

    def map_models(self, change: Callable[[Model], Model]) -> Self:
        return replace(self, members=tuple(map_models(member, change) for member in self.members))

    @property
    def parts(self) -> tuple[Supervisor, ...]:
        return tuple(part for member in self._supervisors for part in member.parts)

    def map_parts(self, change: Callable[[Supervisor], Supervisor]) -> Self:
        members = (each if isinstance(each, Model) else each.map_parts(change) for each in self.members)
        return replace(self, members=tuple(members))

    def pinned(self) -> Self:
        return self.map_parts(lambda part: part.pinned())

    def check(self, setup: CellSetup, settings: Settings) -> None:
        for member in self._supervisors:
            member.check(setup, settings)

    def notes(self, setups: Sequence[CellSetup]) -> tuple[str, ...]:
        return tuple(note for member in self._supervisors for note in member.notes(setups))

    def fits(self, setup: CellSetup, adapt: Generative | None = None) -> tuple[Fit, ...]:
        return tuple(fit for member in self._supervisors for fit in member.fits(setup, adapt))

    def labels(self, setup: CellSetup, examples: Prepare, adapt: Generative | None = None) -> tuple[LabelsStep, ...]:
        return tuple(step for member in self._supervisors for step in member.labels(setup, examples, adapt))
