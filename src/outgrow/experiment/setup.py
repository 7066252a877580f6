"""What all fits of a cell share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from outgrow.experiment.data import Gold, LabelsStep, Prepare
from outgrow.experiment.pretrained import Adapt
from outgrow.experiment.steps import Features, Fit, Select, ZeroShot
from outgrow.methods.base import FeatureMethod, Method, TextMethod
from outgrow.methods.finetune import Finetune
from outgrow.models.base import Model
from outgrow.tasks.base import Split, Task
from outgrow.training.language_model import Generative
from outgrow.training.precision import Precision
from outgrow.types import UserError


@dataclass(frozen=True, kw_only=True)
class CellSetup:
    """The prepared splits of a task, the recipes of its models, the precision and the seed."""

    task: Task
    splits: Mapping[Split, Prepare]
    recipe: Callable[[Model], Method]
    seed: int
    precision: Precision = "auto"

    @property
    def validation(self) -> Prepare:
        """The validation slice of students and ceilings: transfer_validation."""
        return self.splits["transfer_validation"]

    def part(self, number: int) -> Prepare:
        """A part of transfer: 0 is the student's, the next ones share no group with it or with each other.

        Raises UserError for a later part where transfer has no size.
        """
        transfer = self.splits["transfer"]
        if number and transfer.n is None:
            raise UserError(
                f"task {self.task.name}: a chain takes fresh parts of transfer, so that needs a size: "
                'set sizes = { transfer = 1000 }, or chain_data = "same"'
            )
        return self._parts.setdefault(number, replace(transfer, part=number))

    @cached_property
    def _parts(self) -> dict[int, Prepare]:
        return {0: self.splits["transfer"]}

    def fit(
        self,
        model: Model,
        examples: Prepare,
        validation: Prepare,
        *,
        labels: tuple[LabelsStep, LabelsStep] | None = None,
        method: Method | None = None,
        adapt: Generative | None = None,
        source: Fit | None = None,
        **others: Any,
    ) -> Fit:
        """A model fitted by its recipe to examples, with a validation slice. labels: of both; None: ground truth.

        source: the fit whose features are frozen where the method reads some. Raises UserError where the method cannot
        learn the task or the model cannot adapt.
        """
        method = (method or self.recipe(model)).at(self.precision)
        start = self._adapted(model, adapt, examples, validation)
        features: tuple[Features, Features] | None = None
        if isinstance(method, FeatureMethod):
            if self.task.readout == "tokens":
                raise UserError(f"a probe needs a task whose examples share their choices: {self.task.name} has none")
            origin, start = source or start or model, None  # weights are read through the features alone
            train = Features(source=origin, examples=examples, spec=method.feature_spec)
            features = (train, replace(train, examples=validation))
        gold = Gold(examples=examples), Gold(examples=validation)
        train_labels, validation_labels = labels or gold
        return Fit(
            model=model,
            readout=self.task.readout,
            method=method,
            examples=_labelled(examples, train_labels),
            labels=train_labels,
            validation=_labelled(validation, validation_labels),
            validation_labels=validation_labels,
            start=start,
            features=features,
            seed=self.seed,
            **others,
        )

    def zero_shot(self, model: Model, examples: Prepare, verbalizer: tuple[str, ...] = ()) -> ZeroShot:
        """The answers of a causal model before any training: the probabilities of the choices as next tokens.

        verbalizer: if given, the tokens that stand for the choices, in their order. No hyperparameter of training
        enters the step's key.
        """
        recipe = self.recipe(model)
        method = recipe if isinstance(recipe, TextMethod) else Finetune()  # a head on features gives no next tokens
        inference = method.at(self.precision).inference_config
        return ZeroShot(model=model, method=inference, readout="tokens", examples=examples, verbalizer=verbalizer)

    def _adapted(self, model: Model, method: Generative | None, examples: Prepare, validation: Prepare) -> Adapt | None:
        if method is None:
            return None
        if model.causal is False:
            raise UserError(f"{model.name} is an encoder: adapt needs a causal model, such as ladder/knight")
        method = replace(method, precision=self.precision) if method.precision == "auto" else method
        return Adapt(model=model, method=method, examples=examples, validation=validation, seed=self.seed)


def _labelled(examples: Prepare, labels: LabelsStep) -> Prepare | Select:
    """The examples that have a label."""
    return Select(examples=examples, labels=labels) if labels.partial else examples
