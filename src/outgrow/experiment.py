"""What a user asks for, and the graph it means (Burns et al. 2023, section 3).

Supervisor on ground truth, weak labels on held-out data, student on weak labels; beside it the ceiling, the same
student on ground truth, and the untrained student. All are scored on the same test examples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal, TypeVar

from outgrow.graph import Settings, Step, identity, walk
from outgrow.methods.base import Method
from outgrow.models.base import Model
from outgrow.naming import told_apart
from outgrow.recipes import bundled
from outgrow.steps import Fit, Gold, Predict, Prepare, Relabel, Score, ZeroShot, predicted
from outgrow.tasks.base import SPLITS, Split, Task
from outgrow.technique import Ensemble, Ground, Technique, ceiling, student, supervisors, together, untrained
from outgrow.types import UserError

MOST_SEED = 2**32 - 1  # what every generator of random numbers takes
R = TypeVar("R", Task, Model)


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
        self._name_all()
        for name in ("tasks", "weak", "strong", "methods", "seeds"):
            values = getattr(self, name)
            if not values:
                raise UserError(f"the experiment has no {name}: give at least one")
            _refuse_twice(name, values)
        for side in self.weak:
            if isinstance(side, Ensemble):
                _refuse_twice("an ensemble", side.models)
        for method in self.methods:
            _refuse_twice("via", method.via)
        self._refuse_ambiguous()
        if wrong := [seed for seed in self.seeds if type(seed) is not int or not 0 <= seed <= MOST_SEED]:
            raise UserError(f"the seed {wrong[0]!r} is not a whole number from 0 to {MOST_SEED}: give another")
        if self.score not in ("test", "validation"):
            raise UserError(f'score is {self.score!r}: choose "test", or "validation" while the set-up is not settled')
        if self.pairs not in ("all", "upward"):
            raise UserError(f'pairs is {self.pairs!r}: choose "all", or "upward" for students larger than supervisors')

    @property
    def models(self) -> tuple[Model, ...]:
        """Every model: supervisors, those of ensembles, students, and the rungs of chains."""
        weak = (model for side in self.weak for model in (side.models if isinstance(side, Ensemble) else (side,)))
        return (*weak, *self.strong, *(rung for method in self.methods for rung in method.via))

    def pinned(self) -> Experiment:
        """The same with every task and model identified by its content."""
        return replace(self, **self._axes(lambda task: task.pinned(), lambda model: model.pinned()))

    def _axes(self, of_task: Callable[[Task], Task], of_model: Callable[[Model], Model]) -> dict[str, Any]:
        """The axes with every task and every model changed."""
        sides = (side.each(of_model) if isinstance(side, Ensemble) else of_model(side) for side in self.weak)
        return {
            "tasks": tuple(map(of_task, self.tasks)),
            "weak": tuple(sides),
            "strong": tuple(map(of_model, self.strong)),
            "methods": tuple(method.each(of_model) for method in self.methods),
        }

    def _name_all(self) -> None:
        """Give tasks and models whose short names are shared a longer one each: what is alike depends on the others."""

        def named(records: Sequence[R]) -> Callable[[R], R]:
            names = told_apart(records)

            def change(record: R) -> R:
                name = names.get((record.short, record.place), "") if record.place else ""
                return record if record.alias == name else replace(record, alias=name)

            return change

        for axis, values in self._axes(named(self.tasks), named(self.models)).items():
            object.__setattr__(self, axis, values)

    def _refuse_ambiguous(self) -> None:
        """A recipe for a short name that several tasks or models share would be nobody's."""
        sides: tuple[tuple[Sequence[Task | Model], set[str]], ...] = (
            (self.tasks, {task for task, _ in self.recipes}),
            (self.models, {model for _, model in self.recipes}),
        )
        for records, asked in sides:
            for name in sorted(asked - {record.name for record in records}):
                if len(meant := sorted({record.name for record in records if record.short == name})) > 1:
                    raise UserError(f"recipes: {name!r} may be {' or '.join(map(repr, meant))}: write which")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One point of the grid: the four scores, and the test predictions that agreement is measured on. Where the
    experiment scores validation, that is what `test` means here."""

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
    if task.readout != "tokens":  # a head starts at random, so the untrained student is its frozen features
        first: Predict | ZeroShot = predicted(untrained(ground, strong, taught), test)
    else:
        asked = ground.recipe(strong).asked  # no hyperparameter of training enters its key
        first = ZeroShot(model=strong, method=asked, readout=task.readout, examples=test)

    def scored(predictions: Predict | ZeroShot | Relabel) -> Score:
        return Score(predictions=predictions, examples=test, gold=gold)

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
        untrained=scored(first),
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
    names = product(dict.fromkeys((task.name, task.short)), dict.fromkeys((model.name, model.short)))
    given = (experiment.recipes[name] for name in names if name in experiment.recipes)
    return next(given, None) or bundled(task.short, model.short)


def _refuse_twice(axis: str, values: Sequence[Any]) -> None:
    """No name and no content is listed twice: a file may be given by two paths."""
    shown = [value.label if isinstance(value, Technique) else getattr(value, "name", value) for value in values]
    if twice := [each for each in shown if shown.count(each) > 1]:
        raise UserError(f"{axis} lists {twice[0]!r} twice: name each once")
    contents: dict[str, str] = {}
    for value in values:
        if getattr(value, "digest", "") and (first := contents.setdefault(_content(value), value.name)) != value.name:
            raise UserError(f"{axis} lists one content twice, as {first!r} and as {value.name!r}: name it once")


def _content(record: Task | Model) -> str:
    return json.dumps(identity(record), sort_keys=True)
