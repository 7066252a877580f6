"""The cells of an experiment and their scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

from outgrow.analyses.base import Analysis
from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold, LabelsStep, Prepare
from outgrow.experiment.definition import Experiment
from outgrow.experiment.leaks import check_no_leaks, check_test_unused
from outgrow.experiment.scoring import Majority, Score
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Fit, Select, predicted
from outgrow.experiment.students import before_training, ceiling, direct, student
from outgrow.experiment.technique import Technique
from outgrow.experiment.weak_labels import Labeller, ensemble_labels
from outgrow.graph import Interner, Settings, Step, walk
from outgrow.models.base import Model
from outgrow.supervisors.base import Supervisor
from outgrow.tasks.base import SPLITS, Split, Task
from outgrow.training.language_model import Generative
from outgrow.types import Problems, UserError


def cells(experiment: Experiment) -> tuple[Cell, ...]:
    """The grid of a pinned experiment. Equal steps of different cells are one record: they are computed once."""
    problems = Problems()
    found = buildable(experiment, problems)
    problems.raise_collected()
    return found


def buildable(experiment: Experiment, problems: Problems) -> tuple[Cell, ...]:
    """The cells of an experiment that can be built. What is wrong with the others is added to `problems`."""
    grid, before = _Grid(experiment), len(problems.messages)
    every = product(experiment.tasks, _pairs(experiment, problems), experiment.methods, experiment.seeds)
    found = tuple(problems.map(lambda each: grid.cell(each[0], *each[1], *each[2:]), every))
    with problems.collecting():
        check_no_leaks(cell.student_fit for cell in found if not cell.method.oracle)
        check_test_unused(cell.student_fit for cell in found)
    if len(problems.messages) == before:  # an analysis reads all cells
        with problems.collecting():
            return _with_evidence(found, experiment.analyses, grid.once)
    return found


def _with_evidence(
    found: tuple[Cell, ...], analyses: Sequence[Analysis], once: Callable[[Any], Any]
) -> tuple[Cell, ...]:
    """The cells with the steps that each analysis reads of them. Raises UserError where an analysis lacks something."""
    lacking = Problems()
    for analysis in analyses:
        with lacking.collecting():
            analysis.check(found)
    lacking.raise_collected()
    if not analyses:
        return found
    by_cell = tuple(
        {each.name: {name: once(step) for name, step in each.steps(cell).items()} for each in analyses}
        for cell in found
    )
    steps = [step for evidence in by_cell for named in evidence.values() for step in named.values()]
    check_test_unused(step for step in walk(steps) if isinstance(step, Fit))
    return tuple(replace(cell, evidence=evidence) for cell, evidence in zip(found, by_cell, strict=True))


def _pairs(experiment: Experiment, problems: Problems) -> list[tuple[Supervisor, Model]]:
    """The supervisors, each with its students."""
    every = list(product(experiment.supervisors, experiment.strong))
    if experiment.pairs == "all":
        return every
    here, upward = Settings(), list[tuple[Supervisor, Model]]()
    with problems.collecting():
        upward = [(weak, strong) for weak, strong in every if strong.parameters(here) > weak.parameters(here)]
        if not upward:
            text = 'no strong model has more weights than a weak one: name larger ones, or leave pairs = "upward"'
            raise UserError(text)
    return upward


def targets(found: Iterable[Cell]) -> tuple[Step[Any], ...]:
    """The steps to compute for these cells, each once."""
    return tuple({step.key: step for cell in found for step in cell.targets}.values())


class _Grid:
    """Builds the cells of an experiment. What depends on a part of a cell is built once for all cells that share it."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.once = Interner().once
        self._made: dict[tuple[object, ...], Any] = {}

    def cell(self, task: Task, weak: Supervisor, strong: Model, method: Technique, seed: int) -> Cell:
        setup: CellSetup = self._only("setup", lambda: cell_setup(self.experiment, task, seed), task, seed)
        test, adapt = setup.splits[self.experiment.score], method.adapt

        def floor(adapt: Generative | None = None) -> Score:
            labeller = self._labeller(setup, weak, adapt)
            return self._scored(setup, "floor", lambda: ensemble_labels(labeller, test), weak, adapt)

        def top(adapt: Generative | None = None) -> Score:
            made = lambda: predicted(ceiling(setup, strong, method, adapt), test)  # noqa: E731
            return self._scored(setup, "ceiling", made, strong, method.fit, adapt)

        labeller = self._labeller(setup, weak)
        detailed = self.experiment.metric.detailed
        fitted = self.once(student(setup, strong, method, labeller))
        before = "zero_shot" if task.readout == "tokens" else "frozen_probe"
        start = lambda: before_training(setup, strong, labeller, test)  # noqa: E731
        on_truth = lambda: predicted(direct(setup, strong, method), test)  # noqa: E731
        prior = lambda: Majority(examples=test, gold=Gold(examples=setup.splits["weak_train"]))  # noqa: E731
        has_direct, has_majority = self.experiment.direct and weak.fitted, task.readout == "head"
        others: dict[str, Any] = {before: self._scored(setup, before, start, weak, strong)}
        others |= {"matched_floor": floor(adapt), "matched_ceiling": top(adapt)} if adapt else {}
        return Cell(
            task=task,
            weak=weak,
            strong=strong,
            method=method,
            seed=seed,
            setup=setup,
            supervisors=self._only("fits", lambda: tuple(map(self.once, weak.fits(setup))), setup, weak),
            student_fit=fitted,
            floor=floor(),
            student=self._scored(setup, "student", lambda: predicted(fitted, test), fitted),
            ceiling=top(),
            label_accuracy=self._only("labels", lambda: self.once(_label_accuracy(fitted, detailed)), fitted),
            direct=self._scored(setup, "direct", on_truth, strong, method.fit) if has_direct else None,
            majority=self._scored(setup, "majority", prior, detailed=True) if has_majority else None,
            **others,
        )

    def _labeller(self, setup: CellSetup, weak: Supervisor, adapt: Generative | None = None) -> Labeller:
        """A supervisor with a cache of the steps that it gives."""

        def labels(examples: Prepare) -> tuple[LabelsStep, ...]:
            made = lambda: tuple(map(self.once, weak.labels(setup, examples, adapt)))  # noqa: E731
            found: tuple[LabelsStep, ...] = self._only("weak labels", made, setup, weak, adapt, examples)
            return found

        made = lambda: Labeller(name=weak.name, models=weak.models, labels=labels)  # noqa: E731
        found: Labeller = self._only("labeller", made, setup, weak, adapt)
        return found

    def _scored(
        self,
        setup: CellSetup,
        what: str,
        predictions: Callable[[], LabelsStep],
        *parts: object,
        detailed: bool | None = None,
    ) -> Score:
        """The score of predictions on test, with what the experiment's metric reads unless `detailed` is given."""
        test = setup.splits[self.experiment.score]
        detailed = self.experiment.metric.detailed if detailed is None else detailed

        def made() -> Score:
            score = Score(predictions=predictions(), examples=test, gold=Gold(examples=test), detailed=detailed)
            return self.once(score)

        found: Score = self._only(what, made, setup, *parts)
        return found

    def _only(self, what: str, make: Callable[[], Any], *parts: object) -> Any:
        """The cached result for these objects, compared by identity: they live as long as the grid."""
        key = (what, *map(id, parts))
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def _label_accuracy(fit: Fit, detailed: bool) -> Score:
    """The accuracy of the labels that a student learns from. No step reads this score."""
    transfer = fit.examples.examples if isinstance(fit.examples, Select) else fit.examples
    return Score(predictions=fit.labels, examples=fit.examples, gold=Gold(examples=transfer), detailed=detailed)


def cell_setup(experiment: Experiment, task: Task, seed: int) -> CellSetup:
    """What all fits of a task and a seed share."""
    splits = {split: _prepare(experiment, task, split, seed) for split in SPLITS}
    recipe, precision = partial(experiment.recipe, task), experiment.precision
    return CellSetup(task=task, splits=splits, recipe=recipe, precision=precision, seed=seed)


def _prepare(experiment: Experiment, task: Task, split: Split, seed: int) -> Prepare:
    """The examples of a split. Only the training subsets depend on the seed, so only they have it in their keys."""
    return Prepare(
        task=task,
        split=split,
        n=experiment.size(task, split),
        seed=seed if split in ("weak_train", "transfer") else 0,
        length_limits=experiment.length_limits.get(task, ()),
        cut=experiment.too_long == "cut",
    )
