"""Simulated: ground truth with errors of a stated structure, at a stated accuracy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from outgrow.errors.base import ErrorInputs, Errors
from outgrow.errors.uniform import Uniform
from outgrow.experiment.data import Gold, LabelsStep, Prepare
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Features, Fit, predicted
from outgrow.graph import Context, Settings
from outgrow.models.base import Model
from outgrow.ranges import SHARE, check_ranges
from outgrow.supervisors.base import Supervisor
from outgrow.training.features import FeatureSpec
from outgrow.training.language_model import Generative
from outgrow.types import Labels, UserError


@dataclass(frozen=True, kw_only=True)
class Simulated(Supervisor):
    """A supervisor that does not exist: it answers right on the share `accuracy` of the examples, and `errors` says
    which others go wrong, and how.

    It reads the ground truth of what it labels, of transfer too, so what its students recover says how errors of that
    structure generalise, not how good a supervisor is. Its name in tables begins with `simulated`. Its labels are
    certain: probability 1 for one choice.
    """

    accuracy: float
    errors: Errors = field(default_factory=Uniform)

    def __post_init__(self) -> None:
        check_ranges(self, accuracy=SHARE)

    @property
    def name(self) -> str:
        return f"simulated/{self.errors.name}-{self.accuracy:g}"

    @property
    def models(self) -> tuple[Model, ...]:
        return self.errors.models

    def map_models(self, change: Callable[[Model], Model]) -> Self:
        return replace(self, errors=self.errors.map_models(change))

    def check(self, setup: CellSetup, settings: Settings) -> None:
        """Raises UserError for a task that cannot have such errors."""
        self.errors.check(setup.task)

    def fits(self, setup: CellSetup, adapt: Generative | None = None) -> tuple[Fit, ...]:
        splits = setup.splits
        if self.errors.needs != "predictions":
            return ()
        return tuple(setup.fit(model, splits["weak_train"], splits["validation"]) for model in self.errors.models)

    def labels(self, setup: CellSetup, examples: Prepare, adapt: Generative | None = None) -> tuple[LabelsStep, ...]:
        features: Features | None = None
        if self.errors.needs == "features":
            spec = FeatureSpec(precision=setup.precision)
            features = Features(source=self.errors.models[0], examples=examples, spec=spec)
        corrupt = Corrupt(
            examples=examples,
            gold=Gold(examples=examples),
            accuracy=self.accuracy,
            errors=self.errors,
            features=features,
            predictions=next((predicted(fit, examples) for fit in self.fits(setup)), None),
            seed=setup.seed,
        )
        return (corrupt,)


@dataclass(frozen=True, kw_only=True)
class Corrupt(LabelsStep):
    """Ground truth in which all but the share `accuracy` of the answers are wrong.

    It is the one step that may read the ground truth of transfer and reach a student (`experiment.leaks`).
    """

    kind: ClassVar[str] = "corrupt"

    gold: Gold
    accuracy: float
    errors: Errors
    features: Features | None = None
    predictions: LabelsStep | None = None
    seed: int = 0

    @property
    def title(self) -> str:
        return f"simulate {self.errors.name} errors on {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Labels:
        """The labels. Raises UserError where too few examples can be wrong, since all their choices are right."""
        examples = ctx.load(self.examples)
        truth = ctx.load(self.gold).aligned(examples)
        features, predictions = self.features, self.predictions
        inputs = ErrorInputs(
            examples=examples,
            truth=truth,
            facets=self.examples.task.facets(examples),
            features=features.values(ctx.load(features), examples.ids, ctx) if features else None,
            predictions=ctx.load(predictions).aligned(examples) if predictions else None,
            seed=self.seed,
        )
        return corrupted(inputs, self.errors, self.accuracy)


def corrupted(inputs: ErrorInputs, errors: Errors, accuracy: float) -> Labels:
    """One-hot labels, of which the share `accuracy` is right, as near as the number of examples allows.

    Raises UserError where too few examples can be wrong, since all their choices are right.
    """
    possible = np.array([bool((row == 0).any()) for row in inputs.truth.rows()])
    count = len(possible) - round(accuracy * len(possible))
    if count > possible.sum():
        raise UserError(f"{count} labels should be wrong and {possible.sum()} can be: give a higher accuracy")
    order = np.where(possible, errors.order(inputs), -np.inf)
    wrong = np.argsort(-order, kind="stable")[:count]
    chosen = inputs.right().copy()
    chosen[wrong] = errors.answers(inputs)[wrong]
    rows = [np.eye(width)[place] for width, place in zip(inputs.truth.widths.tolist(), chosen.tolist(), strict=True)]
    return Labels.from_rows(inputs.examples.ids, rows)
