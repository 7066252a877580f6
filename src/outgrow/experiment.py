"""What a user asks for, and the graph it means (Burns et al. 2023, section 3).

Supervisor on ground truth, weak labels on held-out data, student on weak labels; beside it the ceiling, the same
student on ground truth, and the untrained student. All are scored on the same test examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal

from outgrow.graph import Step, walk
from outgrow.losses.base import Loss
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import Method
from outgrow.methods.probe import Probe
from outgrow.models.base import Model
from outgrow.recipes import bundled
from outgrow.steps import Fit, Gold, Harden, Predict, Prepare, Score, ZeroShot
from outgrow.tasks.base import SPLITS, Split, Task
from outgrow.types import UserError


@dataclass(frozen=True, kw_only=True)
class Technique:
    """One row of the comparison: how a student learns from weak labels. The label is for people and is not hashed."""

    label: str = "naive"
    loss: Loss = field(default_factory=CrossEntropy)
    labels: Literal["task", "soft", "hard"] = "task"  # the supervisor's probabilities, or its choice; "task": as usual
    fit: Method | None = None  # None: the recipe of the model on the task


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A grid: every task with every supervisor, student, technique and seed."""

    tasks: tuple[Task, ...]
    weak: tuple[Model, ...]
    strong: tuple[Model, ...]
    methods: tuple[Technique, ...] = (Technique(),)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    sizes: Mapping[Split, int | None] = field(default_factory=dict)  # examples a split; the task's own where absent
    recipes: Mapping[tuple[str, str], Method] = field(default_factory=dict)  # by task and model name

    def __post_init__(self) -> None:
        for name in ("tasks", "weak", "strong", "methods", "seeds"):
            values = getattr(self, name)
            if not values:
                raise UserError(f"the experiment has no {name}: give at least one")
            labels = [getattr(v, "label", None) or getattr(v, "name", v) for v in values]
            if twice := [label for label in labels if labels.count(label) > 1]:
                raise UserError(f"{name} lists {twice[0]!r} twice: name each once")

    def pinned(self) -> Experiment:
        """The same with every task and model identified by its content."""
        return replace(
            self,
            tasks=tuple(task.pinned() for task in self.tasks),
            weak=tuple(model.pinned() for model in self.weak),
            strong=tuple(model.pinned() for model in self.strong),
        )


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One point of the grid: the four scores, and the test predictions that agreement is measured on."""

    task: Task
    weak: Model
    strong: Model
    method: Technique
    seed: int
    floor: Score
    student: Score
    ceiling: Score
    untrained: Score

    @property
    def targets(self) -> tuple[Step[Any], ...]:
        return (self.floor, self.student, self.ceiling, self.untrained)

    @property
    def test(self) -> Prepare:
        return self.floor.gold.examples

    @property
    def student_fit(self) -> Fit:
        assert isinstance(self.student.predictions, Predict)
        return self.student.predictions.fitted


def cells(experiment: Experiment) -> tuple[Cell, ...]:
    """The grid of a pinned experiment. Equal steps of different cells are equal records: they are computed once."""
    grid = product(experiment.tasks, experiment.weak, experiment.strong, experiment.methods, experiment.seeds)
    found = tuple(_cell(experiment, *point) for point in grid)
    refuse_leaks(cell.student_fit for cell in found)
    return found


def targets(found: Iterable[Cell]) -> tuple[Step[Any], ...]:
    """Everything a grid wants computed."""
    return tuple(dict.fromkeys(step for cell in found for step in cell.targets))


def refuse_leaks(students: Iterable[Fit]) -> None:
    """No ground truth reaches a student but through its supervisor, which reads that of weak_train and validation
    alone; nobody trains on test examples, whatever their labels."""
    for student in students:
        if any(isinstance(step, Gold) for step in student.inputs()):
            raise UserError(f"{student.title} would learn from ground truth: a student learns from predictions alone")
        for step in walk([student]):
            if isinstance(step, Gold) and step.examples.split not in ("weak_train", "validation"):
                raise UserError(f"{student.title} would read the ground truth of {step.examples.split}: not a student")
            if isinstance(step, Fit) and "test" in (step.examples.split, step.validation.split):
                raise UserError(f"{student.title} would learn from the test examples: use another split")


def _cell(experiment: Experiment, task: Task, weak: Model, strong: Model, method: Technique, seed: int) -> Cell:
    test = _prepare(experiment, task, "test", 0, None)
    apart = test if task.keeps_apart else None
    split: dict[Split, Prepare] = {s: _prepare(experiment, task, s, seed, apart) for s in SPLITS if s != "test"}
    supervisor = Fit(
        model=weak,
        readout=task.readout,
        method=_recipe(experiment, task, weak),
        examples=split["weak_train"],
        labels=Gold(examples=split["weak_train"]),
        validation=split["validation"],
        validation_labels=Gold(examples=split["validation"]),
        seed=seed,
    )

    def weak_labels(of: Split) -> Predict | Harden:
        soft = Predict(fitted=supervisor, examples=split[of])
        hard = method.labels == "hard" or (method.labels == "task" and not task.soft_labels)
        return Harden(labels=soft) if hard else soft

    student = Fit(
        model=strong,
        readout=task.readout,
        method=method.fit or _recipe(experiment, task, strong),
        loss=method.loss,
        examples=split["transfer"],
        labels=weak_labels("transfer"),
        validation=split["transfer_validation"],
        validation_labels=weak_labels("transfer_validation"),
        seed=seed,
    )
    ceiling = replace(
        student,
        loss=CrossEntropy(),
        labels=Gold(examples=split["transfer"]),
        validation_labels=Gold(examples=split["transfer_validation"]),
    )
    gold = Gold(examples=test)
    if task.readout == "head":  # a head starts at random, so the untrained student is its frozen features
        untrained: Predict | ZeroShot = Predict(
            fitted=replace(student, method=Probe(), loss=CrossEntropy()), examples=test
        )
    else:
        asked = _recipe(experiment, task, strong).asked  # no hyperparameter of training enters its key
        untrained = ZeroShot(model=strong, method=asked, readout=task.readout, examples=test)
    return Cell(
        task=task,
        weak=weak,
        strong=strong,
        method=method,
        seed=seed,
        floor=Score(predictions=Predict(fitted=supervisor, examples=test), examples=test, gold=gold),
        student=Score(predictions=Predict(fitted=student, examples=test), examples=test, gold=gold),
        ceiling=Score(predictions=Predict(fitted=ceiling, examples=test), examples=test, gold=gold),
        untrained=Score(predictions=untrained, examples=test, gold=gold),
    )


def _prepare(experiment: Experiment, task: Task, split: Split, seed: int, apart: Prepare | None) -> Prepare:
    """Only the training subsets are drawn by the seed: what does not depend on it must not carry it."""
    n = experiment.sizes.get(split, task.sizes.get(split))
    drawn = seed if split in ("weak_train", "transfer") else 0
    return Prepare(task=task, split=split, n=n, seed=drawn, apart=apart)


def _recipe(experiment: Experiment, task: Task, model: Model) -> Method:
    return experiment.recipes.get((task.name, model.name)) or bundled(task.name, model.name)
