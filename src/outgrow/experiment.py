"""What a user asks for, and the graph it means (Burns et al. 2023, section 3).

Supervisor on ground truth, weak labels on held-out data, student on weak labels; beside it the ceiling, the same
student on ground truth, and the student before finetuning: zero-shot, or a probe on its frozen features. All are scored
on the same test examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal

from outgrow.graph import Settings, Step, walk
from outgrow.methods.base import Method
from outgrow.models.base import Model
from outgrow.recipes import bundled
from outgrow.steps import Fit, Gold, Predict, Prepare, Relabel, Score, Select, ZeroShot, predicted
from outgrow.tasks.base import SPLITS, Split, Task
from outgrow.technique import Ensemble, Ground, Technique, ceiling, frozen_probe, student, supervisors, together
from outgrow.types import UserError


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A grid: every task with every supervisor, student, technique and seed."""

    tasks: tuple[Task, ...]
    weak: tuple[Model | Ensemble, ...]  # an ensemble labels together
    strong: tuple[Model, ...]
    methods: tuple[Technique, ...] = (Technique(),)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    sizes: Mapping[Split, int | None] = field(default_factory=dict)  # examples a split; the task's own where absent
    recipes: Mapping[tuple[str, str], Method] = field(default_factory=dict)  # by task and model name
    pairs: Literal["all", "upward"] = "all"  # upward: only students with more weights than their supervisor
    score: Literal["test", "validation"] = "test"  # validation: to choose a set-up without a look at test

    def __post_init__(self) -> None:
        for name in ("tasks", "weak", "strong", "methods", "seeds"):
            values = getattr(self, name)
            if not values:
                raise UserError(f"the experiment has no {name}: give at least one")
            shown = [v.label if isinstance(v, Technique) else getattr(v, "name", v) for v in values]
            if twice := [each for each in shown if shown.count(each) > 1]:
                raise UserError(f"{name} lists {twice[0]!r} twice: name each once")
        if self.score not in ("test", "validation"):
            raise UserError(f'score is {self.score!r}: choose "test", or "validation" while the set-up is not settled')
        if self.pairs not in ("all", "upward"):
            raise UserError(f'pairs is {self.pairs!r}: choose "all", or "upward" for students larger than supervisors')

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
    """One point of the grid: its scores, and the fits behind them. Where the experiment scores validation, that is
    what `test` means here.

    label_accuracy: the labels that the student learned from, on the examples of transfer that it learned from.
    zero_shot: the student before any training, for tasks that are answered by next tokens. frozen_probe: a linear probe
    on its frozen features that learned the weak labels, for the other tasks: there a model has no answer yet.
    """

    task: Task
    weak: Model | Ensemble
    strong: Model
    method: Technique
    seed: int
    supervisors: tuple[Fit, ...]
    student_fit: Fit
    floor: Score
    student: Score
    ceiling: Score
    label_accuracy: Score
    zero_shot: Score | None = None
    frozen_probe: Score | None = None
    matched_floor: Score | None = None  # where the technique adapts: a supervisor and a ceiling that are adapted too
    matched_ceiling: Score | None = None

    @property
    def targets(self) -> tuple[Step[Any], ...]:
        always = (self.floor, self.student, self.ceiling, self.label_accuracy)
        others = (self.zero_shot, self.frozen_probe, self.matched_floor, self.matched_ceiling)
        return (*always, *(score for score in others if score))

    @property
    def test(self) -> Prepare:
        return self.floor.gold.examples


def cells(experiment: Experiment) -> tuple[Cell, ...]:
    """The grid of a pinned experiment. Equal steps of different cells are equal records: they are computed once."""
    grid = product(experiment.tasks, _pairs(experiment), experiment.methods, experiment.seeds)
    found = tuple(_cell(experiment, task, *pair, method, seed) for task, pair, method, seed in grid)
    refuse_leaks(cell.student_fit for cell in found if not cell.method.cheat)
    for cell in found:
        refuse_test(cell.student_fit)
    return found


def _pairs(experiment: Experiment) -> list[tuple[Model | Ensemble, Model]]:
    """The supervisors, each with its students."""
    every = list(product(experiment.weak, experiment.strong))
    if experiment.pairs == "all":
        return every
    here = Settings()
    upward = [(weak, strong) for weak, strong in every if weights(strong, here) > weights(weak, here)]
    if not upward:
        raise UserError('no strong model has more weights than a weak one: name larger ones, or leave pairs = "upward"')
    return upward


def weights(side: Model | Ensemble, settings: Settings) -> int:
    """How many a supervisor or student has: of an ensemble its largest model."""
    models = side.models if isinstance(side, Ensemble) else (side,)
    return max(model.parameters(settings) for model in models)


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
        refuse_test(fit)


def refuse_test(fit: Fit) -> None:
    """No fit reads test examples, or what comes of them; other splits may be prepared apart from them."""
    for step in walk([fit]):
        tests = [each for each in step.inputs() if isinstance(each, Prepare) and each.split == "test"]
        if tests and not isinstance(step, Prepare):
            raise UserError(f"{fit.title} would learn from the test examples: use another split")


def _cell(
    experiment: Experiment, task: Task, weak: Model | Ensemble, strong: Model, method: Technique, seed: int
) -> Cell:
    ground = _ground(experiment, task, seed)
    test = ground.splits[experiment.score]
    gold = Gold(examples=test)
    taught = supervisors(ground, weak)
    student_fit = student(ground, strong, method, taught)

    def scored(predictions: Predict | ZeroShot | Relabel) -> Score:
        return Score(predictions=predictions, examples=test, gold=gold)

    if task.readout == "tokens":
        asked = ground.recipe(strong).asked  # no hyperparameter of training enters its key
        zero_shot = ZeroShot(model=strong, method=asked, readout=task.readout, examples=test)
        before = {"zero_shot": scored(zero_shot)}
    else:  # a head starts at random
        before = {"frozen_probe": scored(predicted(frozen_probe(ground, strong, taught), test))}
    learned = student_fit.examples
    transfer = learned.examples if isinstance(learned, Select) else learned
    matched = {
        "matched_floor": scored(together(supervisors(ground, weak, method.adapt), test)),
        "matched_ceiling": scored(predicted(ceiling(ground, strong, method, method.adapt), test)),
    }
    return Cell(
        task=task,
        weak=weak,
        strong=strong,
        method=method,
        seed=seed,
        supervisors=taught,
        student_fit=student_fit,
        floor=scored(together(taught, test)),
        student=scored(predicted(student_fit, test)),
        ceiling=scored(predicted(ceiling(ground, strong, method), test)),
        label_accuracy=Score(predictions=student_fit.labels, examples=learned, gold=Gold(examples=transfer)),
        **before,
        **(matched if method.adapt else {}),
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
