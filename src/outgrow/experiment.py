"""What a user asks for, and the graph it means (Burns et al. 2023, section 3).

Supervisor on ground truth, weak labels on held-out data, student on weak labels; beside it the ceiling, the same
student on ground truth, and the untrained student. All are scored on the same test examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from outgrow.graph import Step, walk
from outgrow.methods.base import Method
from outgrow.methods.probe import Probe
from outgrow.models.base import Model
from outgrow.recipes import bundled
from outgrow.steps import Adapt, Fit, Gold, Predict, Prepare, Score, ZeroShot
from outgrow.tasks.base import SPLITS, Split, Task
from outgrow.technique import Ground, Technique, ceiling, student, supervisor
from outgrow.types import UserError


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
            methods=tuple(method.pinned() for method in self.methods),
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
    matched_floor: Score | None = None  # where the technique adapts: a supervisor and a ceiling that are adapted too
    matched_ceiling: Score | None = None

    @property
    def targets(self) -> tuple[Step[Any], ...]:
        scores = (self.floor, self.student, self.ceiling, self.untrained, self.matched_floor, self.matched_ceiling)
        return tuple(score for score in scores if score)

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
    for fit in students:
        if any(isinstance(step, Gold) for step in fit.inputs()):
            raise UserError(f"{fit.title} would learn from ground truth: a student learns from predictions alone")
        for step in walk([fit]):
            if isinstance(step, Gold) and step.examples.split not in ("weak_train", "validation"):
                raise UserError(f"{fit.title} would read the ground truth of {step.examples.split}: not a student")
            if isinstance(step, Fit | Adapt) and "test" in (step.examples.split, step.validation.split):
                raise UserError(f"{fit.title} would learn from the test examples: use another split")


def _cell(experiment: Experiment, task: Task, weak: Model, strong: Model, method: Technique, seed: int) -> Cell:
    ground = _ground(experiment, task, seed)
    test = ground.splits["test"]
    taught = supervisor(ground, weak)
    learned = student(ground, strong, method, taught)
    gold = Gold(examples=test)
    if task.readout == "head":  # a head starts at random, so the untrained student is its frozen features
        naive = student(ground, strong, Technique(), taught)
        untrained: Predict | ZeroShot = Predict(fitted=replace(naive, method=Probe()), examples=test)
    else:
        asked = ground.recipe(strong).asked  # no hyperparameter of training enters its key
        untrained = ZeroShot(model=strong, method=asked, readout=task.readout, examples=test)

    def scored(said: Fit | Predict | ZeroShot) -> Score:
        predictions = Predict(fitted=said, examples=test) if isinstance(said, Fit) else said
        return Score(predictions=predictions, examples=test, gold=gold)

    return Cell(
        task=task,
        weak=weak,
        strong=strong,
        method=method,
        seed=seed,
        floor=scored(taught),
        student=scored(learned),
        ceiling=scored(ceiling(ground, strong, method)),
        untrained=scored(untrained),
        matched_floor=scored(supervisor(ground, weak, method.adapt)) if method.adapt else None,
        matched_ceiling=scored(ceiling(ground, strong, method, method.adapt)) if method.adapt else None,
    )


def _ground(experiment: Experiment, task: Task, seed: int) -> Ground:
    test = _prepare(experiment, task, "test", 0, None)
    splits = {split: _prepare(experiment, task, split, seed, test if task.keeps_apart else None) for split in SPLITS}
    splits["test"] = test
    return Ground(task=task, splits=splits, recipe=lambda model: _recipe(experiment, task, model), seed=seed)


def _prepare(experiment: Experiment, task: Task, split: Split, seed: int, apart: Prepare | None) -> Prepare:
    """Only the training subsets are drawn by the seed: what does not depend on it must not carry it."""
    n = experiment.sizes.get(split, task.sizes.get(split))
    drawn = seed if split in ("weak_train", "transfer") else 0
    return Prepare(task=task, split=split, n=n, seed=drawn, apart=apart)


def _recipe(experiment: Experiment, task: Task, model: Model) -> Method:
    return experiment.recipes.get((task.name, model.name)) or bundled(task.name, model.name)
