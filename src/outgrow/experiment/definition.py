"""The definition of an experiment (Burns et al. 2023, section 3).

Supervisor on ground truth, weak labels on held-out data, student on weak labels; beside it the ceiling, the same
student on ground truth, and the student before finetuning: zero-shot, or a probe on its frozen features. All are scored
on the same test examples. Two more bounds say what a recovered gap is worth: `direct`, the student on the supervisor's
own ground-truth examples, and the majority class.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Any, Literal, TypeVar

from outgrow.analyses.base import Analysis
from outgrow.experiment.recipes import bundled
from outgrow.experiment.technique import Technique
from outgrow.graph import Settings, identity
from outgrow.methods.base import Method
from outgrow.metrics.accuracy import Accuracy
from outgrow.metrics.base import Metric
from outgrow.models.base import Model
from outgrow.naming import distinct_names
from outgrow.supervisors.base import Supervisor
from outgrow.supervisors.fitted import Fitted, as_supervisor, map_models
from outgrow.tasks.base import Split, Task
from outgrow.trackers.base import Tracker
from outgrow.training.lengths import LengthLimit, narrowest_limits, too_long
from outgrow.training.precision import Precision, check_precision, resolved
from outgrow.types import Problems, UserError

DEFAULT_SETTINGS = Settings()

MOST_SEED = 2**32 - 1  # the largest seed of all random generators
R = TypeVar("R", Task, Model, Supervisor)
P = TypeVar("P", Task, Model, Supervisor)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A grid: every task with every supervisor, student, technique and seed."""

    tasks: tuple[Task, ...]
    weak: tuple[Supervisor | Model, ...]  # a model stands for itself fitted to ground truth
    strong: tuple[Model, ...]
    methods: tuple[Technique, ...] = (Technique(),)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    sizes: Mapping[Split, int | None] = field(default_factory=dict)  # examples per split; default: the task's
    recipes: Mapping[tuple[str, str], Method] = field(default_factory=dict)  # by task and model name
    pairs: Literal["all", "upward"] = "all"  # upward: only students with more weights than their supervisor
    score: Literal["test", "validation"] = "test"  # validation: for choosing a set-up without using test
    too_long: Literal["drop", "cut", "refuse"] = "drop"  # examples that are too long for some model
    precision: Precision = "auto"  # auto: bf16 where the device is faster in it, else fp32; `pinned` decides
    metric: Metric = field(default_factory=Accuracy)  # what is reported; no fit reads it
    analyses: tuple[Analysis, ...] = ()  # questions about its results, in no key
    trackers: tuple[Tracker, ...] = ()  # where a run writes its results beside the store, in no key
    direct: bool = True  # fit each student to its supervisor's ground truth too: one more fit a student and seed
    # The limits that drop rows of a task: found by `pinned`.
    length_limits: Mapping[Task, tuple[LengthLimit, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._name_all()
        for name in ("tasks", "weak", "strong", "methods", "seeds"):
            values = getattr(self, name)
            if not values:
                raise UserError(f"the experiment has no {name}: give at least one")
            _check_unique(name, values)
        _check_unique("analyses", self.analyses)
        _check_unique("trackers", self.trackers)
        for supervisor in self.supervisors:
            parts = [part.model if isinstance(part, Fitted) else part for part in supervisor.parts]
            _check_unique("an ensemble", parts)
        for method in self.methods:
            _check_unique("chain", method.chain)
        self._check_unambiguous()
        if wrong := [seed for seed in self.seeds if type(seed) is not int or not 0 <= seed <= MOST_SEED]:
            raise UserError(f"the seed {wrong[0]!r} is not a whole number from 0 to {MOST_SEED}: give another")
        if self.score not in ("test", "validation"):
            raise UserError(f'score is {self.score!r}: choose "test", or "validation" while the set-up is not settled')
        if self.too_long not in ("drop", "cut", "refuse"):
            raise UserError(f'too_long is {self.too_long!r}: choose "drop", "cut" or "refuse"')
        check_precision(self)
        if not isinstance(self.direct, bool):
            raise UserError(f"direct is {self.direct!r}: give true, or false to leave out the fits on weak_train")
        if self.pairs not in ("all", "upward"):
            raise UserError(f'pairs is {self.pairs!r}: choose "all", or "upward" for students larger than supervisors')

    @property
    def supervisors(self) -> tuple[Supervisor, ...]:
        """The supervisors, in the order of `weak`."""
        return tuple(map(as_supervisor, self.weak))

    @property
    def models(self) -> tuple[Model, ...]:
        """Every model: of supervisors, students, and the rungs of chains."""
        weak = (model for supervisor in self.supervisors for model in supervisor.models)
        return (*weak, *self.strong, *(rung for method in self.methods for rung in method.chain))

    def pinned(self, settings: Settings = DEFAULT_SETTINGS) -> Experiment:
        """The same with every task and model identified by its content, and with length limits and precision found.

        Raises CollectedError with all that is wrong, not the first thing alone.
        """
        wrong = Problems()

        def pin(record: P) -> P:
            with wrong.collecting():
                return record.pinned()
            return record

        axes = self._axes(pin, pin)
        axes["weak"] = tuple(side if isinstance(side, Model) else pin(side) for side in axes["weak"])
        wrong.raise_collected()
        known = replace(self, **axes, length_limits={}, precision=resolved(self.precision, settings.device))
        length_limits = narrowest_limits(
            wrong.map(lambda model: LengthLimit.of(model, settings), dict.fromkeys(known.models))
        )
        limits = {task: _limits(task, length_limits, wrong) for task in known.tasks} if self.too_long != "cut" else {}
        wrong.raise_collected()
        return replace(known, length_limits=limits)

    def recipe(self, task: Task, model: Model) -> Method:
        """The method that fits a model on a task, unless a technique gives another."""
        names = product(dict.fromkeys((task.name, task.short_name)), dict.fromkeys((model.name, model.short_name)))
        given = (self.recipes[name] for name in names if name in self.recipes)
        return next(given, None) or bundled(task.short_name, model.short_name)

    def size(self, task: Task, split: Split) -> int | None:
        """The number of examples of a split; None: all."""
        return self.sizes.get(split, task.sizes.get(split))

    def _axes(self, of_task: Callable[[Task], Task], of_model: Callable[[Model], Model]) -> dict[str, Any]:
        """The axes with every task and every model changed."""
        return {
            "tasks": tuple(map(of_task, self.tasks)),
            "weak": tuple(map_models(side, of_model) for side in self.weak),
            "strong": tuple(map(of_model, self.strong)),
            "methods": tuple(method.map_models(of_model) for method in self.methods),
        }

    def _name_all(self) -> None:
        """Give tasks, models and supervisors that share a short name a longer one each."""

        def named(records: Sequence[R]) -> Callable[[R], R]:
            names = distinct_names(records)

            def change(record: R) -> R:
                name = names.get((record.short_name, record.location), "") if record.location else ""
                return record if record.alias == name else replace(record, alias=name)

            return change

        for axis, values in self._axes(named(self.tasks), named(self.models)).items():
            object.__setattr__(self, axis, values)
        rename = named([part for supervisor in self.supervisors for part in supervisor.parts])
        weak = tuple(side if isinstance(side, Model) else side.map_parts(rename) for side in self.weak)
        object.__setattr__(self, "weak", weak)

    def _check_unambiguous(self) -> None:
        """Raise UserError for a recipe whose short name is that of several tasks or models."""
        sides: tuple[tuple[Sequence[Task | Model], set[str]], ...] = (
            (self.tasks, {task for task, _ in self.recipes}),
            (self.models, {model for _, model in self.recipes}),
        )
        for records, inference_config in sides:
            for name in sorted(inference_config - {record.name for record in records}):
                if len(meant := sorted({record.name for record in records if record.short_name == name})) > 1:
                    raise UserError(f"recipes: {name!r} may be {' or '.join(map(repr, meant))}: write which")


def _limits(task: Task, length_limits: Iterable[LengthLimit], wrong: Problems) -> tuple[LengthLimit, ...]:
    """The length limits that drop an example of a task. Other limits are in no key."""
    return tuple(
        length_limit
        for length_limit in length_limits
        for found in wrong.map(partial(too_long, task), [length_limit])
        if found.ids
    )


def _check_unique(axis: str, values: Sequence[Any]) -> None:
    """Raise UserError if a name or a content is listed twice: one file may be given by two paths."""
    named = (value.names if isinstance(value, Technique) else (getattr(value, "name", value),) for value in values)
    shown = [name for names in named for name in names]
    if twice := [each for each in shown if shown.count(each) > 1]:
        raise UserError(f"{axis} lists {twice[0]!r} twice: name each once")
    contents: dict[str, str] = {}
    for value in values:
        if getattr(value, "digest", "") and (first := contents.setdefault(_content(value), value.name)) != value.name:
            raise UserError(f"{axis} lists one content twice, as {first!r} and as {value.name!r}: name it once")


def _content(record: Task | Model) -> str:
    return json.dumps(identity(record), sort_keys=True)
