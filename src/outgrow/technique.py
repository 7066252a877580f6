"""The slots of a method, and the fits that they mean: supervisor, chain, student, ceiling.

A slot that is not given does nothing; chains, adaptation, features and rules become steps, so whatever two techniques
share is computed once (Burns et al. 2023, sections 4.3 and 5, appendices B and D).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict

from outgrow.losses.base import Loss
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import Method
from outgrow.models.base import Model
from outgrow.steps import Adapt, Fit, Gold, Harden, Predict, Prepare, Said
from outgrow.tasks.base import Split, Task
from outgrow.training.continuing import Generative
from outgrow.types import UserError


@dataclass(frozen=True, kw_only=True)
class Technique:
    """One row of the comparison: how a student learns from weak labels. The label is for people and is not hashed."""

    label: str = "naive"
    adapt: Generative | None = None  # read the task's inputs without labels first; causal models only
    via: tuple[Model, ...] = ()  # the rungs of a bootstrapping chain, between supervisor and student
    shares: Literal["fresh", "same"] = "fresh"  # each step of a chain labels its own part of transfer, or the same one
    labels: Literal["task", "soft", "hard"] = "task"  # the supervisor's probabilities, or its choice; "task": as usual
    loss: Loss = field(default_factory=CrossEntropy)
    fit: Method | None = None  # None: the recipe of the model on the task

    def __post_init__(self) -> None:
        if twice := [model.name for model in self.via if self.via.count(model) > 1]:
            raise UserError(f"via lists {twice[0]!r} twice: name each rung once")
        if self.shares == "same" and not self.via:
            raise UserError("shares divides transfer among the steps of a chain: give via too, or leave it out")

    def pinned(self) -> Technique:
        """The same with every model identified by its content."""
        return replace(self, via=tuple(model.pinned() for model in self.via))


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What all fits of a cell stand on: the prepared splits of a task, the recipes of its models, and the seed."""

    task: Task
    splits: Mapping[Split, Prepare]
    recipe: Callable[[Model], Method]
    seed: int

    def part(self, number: int) -> Prepare:
        """A part of transfer: 0 is the student's, the next ones follow it in the seed's order."""
        transfer = self.splits["transfer"]
        if number and transfer.n is None:
            raise UserError(
                f"task {self.task.name}: a chain takes fresh parts of transfer, so that needs a size: "
                'say sizes = { transfer = 1000 }, or shares = "same"'
            )
        return replace(transfer, skip=number * (transfer.n or 0))


def supervisor(ground: Ground, model: Model, adapted: Generative | None = None) -> Fit:
    """The weak model, on the ground truth of its own splits; where it is adapted, to the inputs of these."""
    train, held = ground.splits["weak_train"], ground.splits["validation"]
    return _fit(
        ground,
        model,
        examples=train,
        labels=Gold(examples=train),
        validation=held,
        validation_labels=Gold(examples=held),
        start=_adapt(ground, model, adapted, train, held),
    )


def student(ground: Ground, model: Model, technique: Technique, taught: Fit) -> Fit:
    """The strong model on weak labels: those of the supervisor `taught`, or of the last rung of a chain that it starts.

    The student learns from the first part of transfer, as every student and ceiling does; the rungs from later ones.
    """
    held = ground.splits["transfer_validation"]
    for number, rung in enumerate(technique.via, start=1):
        part = ground.part(number if technique.shares == "fresh" else 0)
        taught = _fit(ground, rung, **_weakly(taught, part, held, technique))
    part = ground.part(0)
    return _fit(
        ground,
        model,
        **_weakly(taught, part, held, technique),
        method=technique.fit,
        loss=technique.loss,
        start=_adapt(ground, model, technique.adapt, part, held),
    )


def ceiling(ground: Ground, model: Model, technique: Technique, adapted: Generative | None = None) -> Fit:
    """A student with ground truth for labels and plain cross-entropy: the same examples, updates and stopping rule."""
    part, held = ground.part(0), ground.splits["transfer_validation"]
    return _fit(
        ground,
        model,
        examples=part,
        labels=Gold(examples=part),
        validation=held,
        validation_labels=Gold(examples=held),
        method=technique.fit,
        start=_adapt(ground, model, adapted, part, held),
    )


class _Taught(TypedDict):
    examples: Prepare
    labels: Said
    validation: Prepare
    validation_labels: Said


def _weakly(teacher: Fit, examples: Prepare, held: Prepare, technique: Technique) -> _Taught:
    """What a model says of these examples, to learn from, and of the held-out slice, to stop on."""
    return {
        "examples": examples,
        "labels": _weak_labels(teacher, examples, technique),
        "validation": held,
        "validation_labels": _weak_labels(teacher, held, technique),
    }


def _weak_labels(teacher: Fit, examples: Prepare, technique: Technique) -> Said:
    soft = Predict(fitted=teacher, examples=examples)
    hard = technique.labels == "hard" or (technique.labels == "task" and not examples.task.soft_labels)
    return Harden(labels=soft) if hard else soft


def _adapt(
    ground: Ground, model: Model, method: Generative | None, examples: Prepare, validation: Prepare
) -> Adapt | None:
    if method is None:
        return None
    if model.causal is False:
        raise UserError(f"{model.name} is an encoder: adapt needs a causal model, such as ladder/knight")
    return Adapt(model=model, method=method, examples=examples, validation=validation, seed=ground.seed)


def _fit(ground: Ground, model: Model, *, method: Method | None = None, **given: Any) -> Fit:
    """A model on labels, by its recipe unless there is another method."""
    return Fit(
        model=model,
        readout=ground.task.readout,
        method=method or ground.recipe(model),
        seed=ground.seed,
        **given,
    )
