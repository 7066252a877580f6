"""What a user asks for, and the graph it means (Burns et al. 2023, section 3).

Supervisor on ground truth, weak labels on held-out data, student on weak labels; beside it the ceiling, the same
student on ground truth, and the student before finetuning: zero-shot, or a probe on its frozen features. All are scored
on the same test examples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Any, Literal, TypeVar

from outgrow.graph import Interner, Settings, Step, identity, topological_order
from outgrow.methods.base import Method
from outgrow.models.base import Model
from outgrow.naming import distinct_names
from outgrow.recipes import bundled
from outgrow.steps import Fit, Gold, Predict, Prepare, Relabel, Score, Select, ZeroShot, predicted
from outgrow.tasks.base import SPLITS, Split, Task
from outgrow.technique import (
    CellSetup,
    Ensemble,
    Technique,
    ceiling,
    ensemble_labels,
    frozen_probe,
    student,
    supervisors,
)
from outgrow.training.continuing import Generative
from outgrow.training.lengths import LengthLimit, narrowest_limits, too_long
from outgrow.types import Problems, UserError

HERE = Settings()

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
    too_long: Literal["drop", "cut", "refuse"] = "drop"  # examples that some model cannot read whole
    length_limits: Mapping[Task, tuple[LengthLimit, ...]] = field(
        default_factory=dict
    )  # `pinned` finds whose limits drop rows

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
            _refuse_twice("chain", method.chain)
        self._refuse_ambiguous()
        if wrong := [seed for seed in self.seeds if type(seed) is not int or not 0 <= seed <= MOST_SEED]:
            raise UserError(f"the seed {wrong[0]!r} is not a whole number from 0 to {MOST_SEED}: give another")
        if self.score not in ("test", "validation"):
            raise UserError(f'score is {self.score!r}: choose "test", or "validation" while the set-up is not settled')
        if self.too_long not in ("drop", "cut", "refuse"):
            raise UserError(f'too_long is {self.too_long!r}: choose "drop", "cut" or "refuse"')
        if self.pairs not in ("all", "upward"):
            raise UserError(f'pairs is {self.pairs!r}: choose "all", or "upward" for students larger than supervisors')

    @property
    def models(self) -> tuple[Model, ...]:
        """Every model: supervisors, those of ensembles, students, and the rungs of chains."""
        weak = (model for side in self.weak for model in (side.models if isinstance(side, Ensemble) else (side,)))
        return (*weak, *self.strong, *(rung for method in self.methods for rung in method.chain))

    def pinned(self, settings: Settings = HERE) -> Experiment:
        """The same with every task and model identified by its content, and the examples known that are too long.

        Raises CollectedError with all that is wrong, not the first thing alone.
        """
        wrong = Problems()

        def pin(record: R) -> R:
            with wrong.caught():
                return record.pinned()
            return record

        axes = self._axes(pin, pin)
        wrong.raised()
        known = replace(self, **axes, length_limits={})
        length_limits = narrowest_limits(
            wrong.each(lambda model: LengthLimit.of(model, settings), dict.fromkeys(known.models))
        )
        limits = {task: _limits(task, length_limits, wrong) for task in known.tasks} if self.too_long != "cut" else {}
        wrong.raised()
        return replace(known, length_limits=limits)

    def recipe(self, task: Task, model: Model) -> Method:
        """How a model is fitted on a task, unless a technique says otherwise."""
        names = product(dict.fromkeys((task.name, task.short)), dict.fromkeys((model.name, model.short)))
        given = (self.recipes[name] for name in names if name in self.recipes)
        return next(given, None) or bundled(task.short, model.short)

    def size(self, task: Task, split: Split) -> int | None:
        """How many examples of a split are asked for; None: all."""
        return self.sizes.get(split, task.sizes.get(split))

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
            names = distinct_names(records)

            def change(record: R) -> R:
                name = names.get((record.short, record.location), "") if record.location else ""
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
        for records, inference_config in sides:
            for name in sorted(inference_config - {record.name for record in records}):
                if len(meant := sorted({record.name for record in records if record.short == name})) > 1:
                    raise UserError(f"recipes: {name!r} may be {' or '.join(map(repr, meant))}: write which")


def _limits(task: Task, length_limits: Iterable[LengthLimit], wrong: Problems) -> tuple[LengthLimit, ...]:
    """The readers that some example of a task is too long for. Others leave no trace in its steps' keys."""
    return tuple(
        length_limit
        for length_limit in length_limits
        for found in wrong.each(partial(too_long, task), [length_limit])
        if found.ids
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
    """The grid of a pinned experiment. Equal steps of different cells are one record: they are computed once."""
    grid = _Grid(experiment)
    every = product(experiment.tasks, _pairs(experiment), experiment.methods, experiment.seeds)
    found = tuple(grid.cell(task, *pair, method, seed) for task, pair, method, seed in every)
    check_no_leaks(cell.student_fit for cell in found if not cell.method.oracle)
    check_test_unused(cell.student_fit for cell in found)
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
    return tuple({step.key: step for cell in found for step in cell.targets}.values())


def check_no_leaks(students: Iterable[Fit]) -> None:
    """No ground truth reaches a student but through its supervisor, which reads that of weak_train and validation
    alone; nobody trains on test examples, whatever their labels."""
    unique = _unique(students)
    truth = _first_below(unique, _forbidden_truth)
    for fit in unique:
        if any(isinstance(step, Gold) for step in fit.inputs()):
            raise UserError(f"{fit.title} would learn from ground truth: a student learns from predictions alone")
        if split := truth[id(fit)]:
            raise UserError(f"{fit.title} would read the ground truth of {split}: not a student")
    check_test_unused(unique)


def check_test_unused(fits: Iterable[Fit]) -> None:
    """No fit reads test examples, or what comes of them."""
    unique = _unique(fits)
    feature_spec = _first_below(unique, _test_read)
    for fit in unique:
        if feature_spec[id(fit)]:
            raise UserError(f"{fit.title} would learn from the test examples: use another split")


def _unique(fits: Iterable[Fit]) -> tuple[Fit, ...]:
    return tuple({id(fit): fit for fit in fits}.values())


def _first_below(fits: Iterable[Fit], found: Callable[[Step[Any]], str]) -> dict[int, str]:
    """For each step, by its id, what `found` says of it or else of the first of its ancestors that it speaks of."""
    weak_labels: dict[int, str] = {}
    for step in topological_order(tuple(fits)):
        weak_labels[id(step)] = found(step) or next(filter(None, (weak_labels[id(each)] for each in step.inputs())), "")
    return weak_labels


def _forbidden_truth(step: Step[Any]) -> str:
    split = step.examples.split if isinstance(step, Gold) else ""
    return "" if split in ("weak_train", "validation") else split


def _test_read(step: Step[Any]) -> str:
    tests = any(isinstance(each, Prepare) and each.split == "test" for each in step.inputs())
    return "test" if tests else ""


class _Grid:
    """The cells of an experiment as they are made. What depends on a part of a cell alone is made once for them all."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.once = Interner().once
        self._made: dict[tuple[object, ...], Any] = {}

    def cell(self, task: Task, weak: Model | Ensemble, strong: Model, method: Technique, seed: int) -> Cell:
        setup: CellSetup = self._only("ground", lambda: _cell_setup(self.experiment, task, seed), task, seed)
        test = setup.splits[self.experiment.score]
        adapt = method.adapt

        def supervisor_fits(adapt: Generative | None = None) -> tuple[Fit, ...]:
            made = lambda: tuple(map(self.once, supervisors(setup, weak, adapt)))  # noqa: E731
            found: tuple[Fit, ...] = self._only("taught", made, setup, weak, adapt)
            return found

        def floor(adapt: Generative | None = None) -> Score:
            return self._scored(setup, "floor", lambda: ensemble_labels(supervisor_fits(adapt), test), weak, adapt)

        def top(adapt: Generative | None = None) -> Score:
            made = lambda: predicted(ceiling(setup, strong, method, adapt), test)  # noqa: E731
            return self._scored(setup, "ceiling", made, strong, method.fit, adapt)

        def before() -> Predict | ZeroShot:
            if task.readout != "tokens":  # a head starts at random
                return predicted(frozen_probe(setup, strong, supervisor_fits()), test)
            inference_config = setup.recipe(strong).inference_config  # no hyperparameter of training enters its key
            return ZeroShot(model=strong, method=inference_config, readout=task.readout, examples=test)

        first = "zero_shot" if task.readout == "tokens" else "frozen_probe"
        fitted = self.once(student(setup, strong, method, supervisor_fits()))
        return Cell(
            task=task,
            weak=weak,
            strong=strong,
            method=method,
            seed=seed,
            supervisors=supervisor_fits(),
            student_fit=fitted,
            floor=floor(),
            student=self._scored(setup, "student", lambda: predicted(fitted, test), fitted),
            ceiling=top(),
            label_accuracy=self._only("labels", lambda: self.once(_label_accuracy(fitted)), fitted),
            **{first: self._scored(setup, first, before, weak, strong)},
            **({"matched_floor": floor(adapt), "matched_ceiling": top(adapt)} if adapt else {}),
        )

    def _scored(
        self, setup: CellSetup, what: str, predictions: Callable[[], Predict | ZeroShot | Relabel], *parts: object
    ) -> Score:
        test = setup.splits[self.experiment.score]
        made = lambda: self.once(Score(predictions=predictions(), examples=test, gold=Gold(examples=test)))  # noqa: E731
        found: Score = self._only(what, made, setup, *parts)
        return found

    def _only(self, what: str, make: Callable[[], Any], *parts: object) -> Any:
        """What was made of these very parts. They belong to the experiment or the grid, so that they live as long."""
        key = (what, *map(id, parts))
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def _label_accuracy(fit: Fit) -> Score:
    """How right the labels are that a student learned from. Nothing reads this score."""
    transfer = fit.examples.examples if isinstance(fit.examples, Select) else fit.examples
    return Score(predictions=fit.labels, examples=fit.examples, gold=Gold(examples=transfer))


def _cell_setup(experiment: Experiment, task: Task, seed: int) -> CellSetup:
    splits = {split: _prepare(experiment, task, split, seed) for split in SPLITS}
    return CellSetup(task=task, splits=splits, recipe=partial(experiment.recipe, task), seed=seed)


def _prepare(experiment: Experiment, task: Task, split: Split, seed: int) -> Prepare:
    """Only the training subsets are drawn by the seed: what does not depend on it must not carry it."""
    return Prepare(
        task=task,
        split=split,
        n=experiment.size(task, split),
        seed=seed if split in ("weak_train", "transfer") else 0,
        length_limits=experiment.length_limits.get(task, ()),
        cut=experiment.too_long == "cut",
    )


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
