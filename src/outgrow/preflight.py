"""Preflight checks: finds all errors of an experiment that can be found without training, and reports them together.

Facts about data and tokenizers are cached by content, so that a second check is fast.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, TypeGuard

from outgrow.cache import cached
from outgrow.experiment.checkpoints import check_checkpoints
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import buildable, cell_setup, targets
from outgrow.experiment.pretrained import Adapt, Contaminate, Pretrained
from outgrow.experiment.steps import Fit
from outgrow.graph import Settings, Step, identity, walk
from outgrow.methods.lora import LoRA
from outgrow.models.base import Model
from outgrow.models.header import read_header
from outgrow.store import Store
from outgrow.tasks.base import SPLITS, Split, Task
from outgrow.training.footprint import architecture
from outgrow.training.lengths import LengthLimit, TooLong, refuse_choices, too_long
from outgrow.training.precision import has_fast_bf16
from outgrow.types import Problems, Shape, UserError

VERSION = 1  # bump when `_facts` returns something else for the same task
CHECKPOINT_BYTES = 16  # for each weight of a running fit: weights, two moments of Adam, the best weights so far
STORED_BYTES = 4  # for each weight of a finished fit


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about a task's data. sizes: the number of examples of each split, without near-duplicates."""

    sizes: dict[Split, int]
    shape: Shape


def checked(experiment: Experiment, settings: Settings) -> Experiment:
    """Checks an experiment and returns it pinned: with the digests of all data and checkpoints filled in.

    Reads the data, and the headers and tokenizers of the checkpoints. Raises UserError for one error and CollectedError
    for several: missing files and columns, splits that are too small, checkpoints that cannot be read, texts that are
    too long, and techniques that do not support the task.
    """
    problems = Problems()
    with problems.collecting():
        experiment = experiment.pinned(settings)
    for model in experiment.models:
        with problems.collecting():
            _check_model(model, settings)
    for task in experiment.tasks:
        with problems.collecting():
            pinned = task.pinned()
            facts = facts_of(pinned)
            for problem in _task_problems(experiment, pinned, facts, settings):
                problems.messages.append(problem)
    if problems.messages:
        steps_of(experiment, settings, problems)
    return experiment


def steps_of(experiment: Experiment, settings: Settings, problems: Problems | None = None) -> tuple[Step[Any], ...]:
    """The steps that an experiment computes.

    Raises UserError or CollectedError for steps that cannot be made and for what is in `problems`, together with all
    that is wrong with the checkpoints of the other steps.
    """
    problems = problems or Problems()
    found = targets(buildable(experiment, problems))
    if problems.messages:
        with problems.collecting():
            check_checkpoints(walk(found), settings)
    problems.raise_collected()
    return found


def facts_of(task: Task) -> Facts:
    """The facts about a pinned task, from the cache if possible."""
    facts = cached("task", [identity(task), VERSION], partial(_facts, task))
    shared = facts["choices"]
    shape = Shape(
        readout=task.readout,
        choices=None if shared is None else tuple(shared),
        distinct=tuple(facts["distinct"]),
        most=facts["most"],
    )
    return Facts(sizes=facts["sizes"], shape=shape)


def _facts(task: Task) -> dict[str, Any]:
    source = task.load()
    choices = list(dict.fromkeys(row.example.choices for row in source.rows))
    list_distinct = task.readout == "tokens"
    return {
        "sizes": {split: len(rows) for split, rows in source.members(task).rows.items()},
        "choices": choices[0] if len(choices) == 1 else None,
        "distinct": sorted({choice for row in choices for choice in row}) if list_distinct else [],
        "most": max(map(len, choices), default=0),
    }


def _check_model(model: Model, settings: Settings) -> None:
    """Reads the header of a local checkpoint. That of a checkpoint on the hub is read after the download."""
    folder = model.local_folder(settings)
    if folder and folder.is_dir():
        read_header(folder)


def _task_problems(experiment: Experiment, task: Task, facts: Facts, settings: Settings) -> Iterator[str]:
    """The messages of all errors of an experiment on one of its tasks."""
    problems = Problems()
    length_limits = experiment.length_limits.get(task, ())
    if experiment.too_long == "refuse":
        problems.map(partial(_refuse_too_long, task), length_limits)
    problems.map(partial(_check_size, experiment, task, facts, length_limits), SPLITS)
    with problems.collecting():
        experiment.metric.check(facts.shape)
    for method in experiment.methods:
        with problems.collecting():
            method.check(facts.shape)
        with problems.collecting():
            _check_parts(experiment, task, length_limits, len(method.chain) if method.chain_data == "fresh" else 0)
    for supervisor, seed in product(experiment.supervisors, experiment.seeds):
        with problems.collecting():
            supervisor.check(cell_setup(experiment, task, seed), settings)
    for model in experiment.models:
        with problems.collecting():
            experiment.recipe(task, model).check(facts.shape)
        if task.readout == "tokens":
            with problems.collecting():
                refuse_choices(model, facts.shape.distinct, settings)
    yield from problems.messages


def _refuse_too_long(task: Task, length_limit: LengthLimit) -> None:
    found = too_long(task, length_limit)
    raise UserError(
        f"task {task.name}: {explained(found, length_limit)}: "
        f'set max_chars = {found.max_chars}, or too_long = "drop" or "cut"'
    )


def _check_size(
    experiment: Experiment, task: Task, facts: Facts, length_limits: Sequence[LengthLimit], split: Split
) -> None:
    n = experiment.size(task, split)
    if length_limits or facts.sizes[split] < (n or 1):
        _prepared(task, split, n, 0, 0, length_limits)  # raises UserError if there are too few


def _check_parts(experiment: Experiment, task: Task, length_limits: Sequence[LengthLimit], parts: int) -> None:
    """Checks the last fresh part of transfer that a chain needs, for every seed. The parts before it are as large."""
    n = experiment.size(task, "transfer")
    for seed in experiment.seeds if parts and n else ():
        _prepared(task, "transfer", n, seed, parts, length_limits)


def _prepared(
    task: Task, split: Split, n: int | None, seed: int, part: int, length_limits: Sequence[LengthLimit]
) -> None:
    task.examples(
        split, n, seed, part, frozenset(id for length_limit in length_limits for id in too_long(task, length_limit).ids)
    )


def explained(found: TooLong, length_limit: LengthLimit) -> str:
    """A phrase such as `412 of 20,000 examples are longer than the 512 tokens that a model reads`."""
    over = f"{len(found.ids):,} of {found.rows:,} examples are"
    return f"{over} longer than the {length_limit.longest} tokens that a model reads"


def notes(experiment: Experiment, settings: Settings) -> list[str]:
    """Notes for the user before a run of a checked experiment, one line each: examples that are left out, and a
    precision that is slow on the device, and what supervisors say of their data."""
    slow = experiment.precision == "bf16" and not has_fast_bf16(settings.device)
    return [
        *([f'precision = "bf16" is slow on {settings.device}, which has no fast bf16 arithmetic'] if slow else []),
        *_left_out(experiment),
        *_supervisors_notes(experiment),
    ]


def _supervisors_notes(experiment: Experiment) -> Iterator[str]:
    for task, supervisor in product(experiment.tasks, experiment.supervisors):
        yield from supervisor.notes([cell_setup(experiment, task, seed) for seed in experiment.seeds])


def _left_out(experiment: Experiment) -> list[str]:
    return [
        f"task {task.name}: {explained(found, length_limit)}, and are left out for all models; "
        f"max_chars = {found.max_chars} would leave them out too"
        for task, length_limits in experiment.length_limits.items()
        for length_limit in length_limits
        if (found := too_long(task, length_limit)).ids
    ]


def check_todo(todo: Sequence[Step[Any]], store: Store, settings: Settings) -> None:
    """Raises UserError, or CollectedError for several, for checkpoints that these steps could not load, and for a disk
    that is too small."""
    problems = Problems()
    with problems.collecting():
        check_checkpoints(todo, settings)
    with problems.collecting():
        _check_space(todo, store, settings)
    problems.raise_collected()


def _check_space(todo: Sequence[Step[Any]], store: Store, settings: Settings) -> None:
    """Raises UserError if the disk of a local store is too small for what these steps would write."""
    folder = store.storage.local
    if folder is None:
        return
    weights = [_stored(fit, settings) for fit in todo if _stores_weights(fit)]
    needed = STORED_BYTES * sum(weights) + CHECKPOINT_BYTES * max(weights, default=0)
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise UserError(
            f"the run needs about {_gb(needed)} and the disk of {store} has {_gb(free)} free: "
            "free some space (`outgrow check --prune`), or choose another store with --store"
        )


def _stored(step: Fit | Pretrained, settings: Settings) -> int:
    """How many weights the artifact of a step contains."""
    if isinstance(step, Fit) and isinstance(step.method, LoRA) and not step.start:
        return step.method.trained(architecture(step.model.folder(settings)))
    return step.model.parameters(settings)


def _stores_weights(step: object) -> TypeGuard[Fit | Pretrained]:
    """Whether the artifact of a step contains the weights of a model."""
    return isinstance(step, Adapt | Contaminate) or (isinstance(step, Fit) and step.features is None)


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
