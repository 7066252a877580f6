"""Redrawn: another supervisor of the same kind, as it would be in an experiment with another seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from outgrow.experiment.data import LabelsStep, Prepare
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Fit
from outgrow.graph import Settings
from outgrow.models.base import Model
from outgrow.ranges import check_ranges, whole
from outgrow.supervisors.base import Supervisor
from outgrow.supervisors.fitted import as_supervisor, map_models
from outgrow.training.language_model import Generative
from outgrow.types import UserError

APART = 1000  # between the seeds of two draws: more than an experiment has


@dataclass(frozen=True, kw_only=True)
class Redrawn(Supervisor):
    """A supervisor with another seed: it learns from other examples of weak_train, or errs on others. An ensemble of
    draws has members that are equally good and of the same kind.

    supervisor: a model is fitted to ground truth, as by `Fitted`. draw: from 1; each is another one.
    """

    supervisor: Supervisor | Model
    draw: int = 1

    def __post_init__(self) -> None:
        check_ranges(self, draw=whole(1))

    @property
    def _supervisor(self) -> Supervisor:
        return as_supervisor(self.supervisor)

    def _setup(self, setup: CellSetup) -> CellSetup:
        seed = setup.seed + APART * self.draw
        splits = {**setup.splits, "weak_train": replace(setup.splits["weak_train"], seed=seed)}
        return replace(setup, seed=seed, splits=splits)

    @property
    def name(self) -> str:
        return f"{self._supervisor.name} (draw {self.draw})"

    @property
    def fitted(self) -> bool:
        return self._supervisor.fitted

    @property
    def models(self) -> tuple[Model, ...]:
        return self._supervisor.models

    def map_models(self, change: Callable[[Model], Model]) -> Self:
        return replace(self, supervisor=map_models(self.supervisor, change))

    def pinned(self) -> Self:
        return self if isinstance(self.supervisor, Model) else replace(self, supervisor=self.supervisor.pinned())

    @property
    def code(self) -> str:
        return self._supervisor.code

    def check(self, setup: CellSetup, settings: Settings) -> None:
        """Raises UserError for a supervisor that labels alike whatever the seed, such as a file."""
        self._supervisor.check(self._setup(setup), settings)
        transfer = setup.splits["transfer"]
        if self.labels(setup, transfer) == self._supervisor.labels(setup, transfer):
            raise UserError(
                f"{self._supervisor.name} labels alike with every seed, so it has no other draw: name it by itself"
            )

    def notes(self, setups: Sequence[CellSetup]) -> tuple[str, ...]:
        return self._supervisor.notes([self._setup(setup) for setup in setups])

    def fits(self, setup: CellSetup, adapt: Generative | None = None) -> tuple[Fit, ...]:
        return self._supervisor.fits(self._setup(setup), adapt)

    def labels(self, setup: CellSetup, examples: Prepare, adapt: Generative | None = None) -> tuple[LabelsStep, ...]:
        return self._supervisor.labels(self._setup(setup), examples, adapt)
