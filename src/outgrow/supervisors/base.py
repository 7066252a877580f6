"""What a supervisor is: a record that says which steps give labels of examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

from outgrow.cell_setup import CellSetup
from outgrow.graph import Settings
from outgrow.models.base import Model
from outgrow.steps import Fit, LabelsStep, Prepare
from outgrow.training.continuing import Generative


@dataclass(frozen=True, kw_only=True)
class Supervisor(ABC):
    """Subclass it, add fields, write `labels`. Only the steps that it gives enter keys, so it needs no kind."""

    fitted: ClassVar[bool] = False  # whether its labels come from models that are fitted to ground truth

    @property
    @abstractmethod
    def name(self) -> str:
        """The name in tables."""

    @property
    def models(self) -> tuple[Model, ...]:
        """The models that it consists of, whose checkpoints are checked before a run."""
        return ()

    def map_models(self, change: Callable[[Model], Model]) -> Self:
        """The same with every model changed."""
        return self

    def parameters(self, settings: Settings) -> int:
        """The weights of its largest model; 0 for a supervisor without models."""
        return max((model.parameters(settings) for model in self.models), default=0)

    def fits(self, setup: CellSetup, adapt: Generative | None = None) -> tuple[Fit, ...]:
        """The fits that it labels with."""
        return ()

    @abstractmethod
    def labels(self, setup: CellSetup, examples: Prepare, adapt: Generative | None = None) -> tuple[LabelsStep, ...]:
        """The steps that label these examples, one for each of its annotators. A rule, the mean unless a technique
        names another, makes one label of several. adapt: its causal models read the inputs of what they learn from
        first; a supervisor without such models ignores it."""
