"""Everything that can be wrong with an experiment and needs no training to be seen, all of it at once.

What is read of data and tokenizers is kept in the cache folder by content, so that a second look costs nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeGuard

from outgrow.cache import cached
from outgrow.experiment import Experiment
from outgrow.graph import Settings, Step, identity
from outgrow.models.base import Model
from outgrow.models.header import read_header
from outgrow.steps import Adapt, Fit
from outgrow.store import Store
from outgrow.tasks.base import SPLITS, Split, Task
from outgrow.training.lengths import LengthLimit, TooLong, not_one_token, too_long
from outgrow.types import Problems, Shape, UserError

VERSION = 1  # bump when the same task would give other facts
CHECKPOINT = 16  # bytes a weight while a fit is unfinished: weights, two moments, the best weights so far
STORED = 4  # and once it is finished


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a task without a model. sizes: examples a split, near-duplicates left out."""

    sizes: dict[Split, int]
    shape: Shape


def checked(experiment: Experiment, settings: Settings) -> Experiment:
    """The experiment, pinned, once nothing is found that would stop it.

    Reads the data and the headers and tokenizers of the checkpoints. Raises UserError, or CollectedError with all that
    is wrong: missing files and columns, splits that are too small, checkpoints that cannot be read, texts that are too
    long, techniques that do not fit the task.
    """
    wrong = Problems()
    found = experiment
    with wrong.caught():
        found = experiment.pinned(settings)
    for model in found.models:
        with wrong.caught():
            _check_model(model, settings)
    for task in found.tasks:
        with wrong.caught():
            pinned = task.pinned()
            facts = facts_of(pinned)
            for problem in _task_problems(found, pinned, facts, settings):
                wrong.messages.append(problem)
    wrong.raised()
    return found


def facts_of(task: Task) -> Facts:
    """The facts of a pinned task."""
    found = cached("task", [identity(task), VERSION], partial(_facts, task))
    shared = found["choices"]
    shape = Shape(
        readout=task.readout,
        choices=None if shared is None else tuple(shared),
        distinct=tuple(found["distinct"]),
        most=found["most"],
    )
    return Facts(sizes=found["sizes"], shape=shape)


def _facts(task: Task) -> dict[str, Any]:
    source = task.load()
    choices = list(dict.fromkeys(row.example.choices for row in source.rows))
    kept = task.readout == "tokens"
    return {
        "sizes": {split: len(rows) for split, rows in source.members(task).rows.items()},
        "choices": choices[0] if len(choices) == 1 else None,
        "distinct": sorted({choice for own in choices for choice in own}) if kept else [],
        "most": max(map(len, choices), default=0),
    }


def _check_model(model: Model, settings: Settings) -> None:
    """Read the header of a checkpoint that lies on this machine. What a hub has is read once it is downloaded."""
    folder = model.local_folder(settings)
    if folder and folder.is_dir():
        read_header(folder)


def _task_problems(experiment: Experiment, task: Task, facts: Facts, settings: Settings) -> Iterator[str]:
    wrong = Problems()
    length_limits = experiment.length_limits.get(task, ())
    if experiment.too_long == "refuse":
        wrong.each(partial(_refuse_too_long, task), length_limits)
    wrong.each(partial(_check_size, experiment, task, facts, length_limits), SPLITS)
    for method in experiment.methods:
        with wrong.caught():
            method.check(facts.shape)
        with wrong.caught():
            _check_parts(experiment, task, length_limits, len(method.chain) if method.chain_data == "fresh" else 0)
    for model in experiment.models:
        with wrong.caught():
            experiment.recipe(task, model).check(facts.shape)
        if task.readout == "tokens":
            with wrong.caught():
                _check_tokens(model, facts.shape, settings)
    yield from wrong.messages


def _refuse_too_long(task: Task, length_limit: LengthLimit) -> None:
    found = too_long(task, length_limit)
    raise UserError(
        f"task {task.name}: {explained(found, length_limit)}: "
        f'say max_chars = {found.max_chars}, or too_long = "drop" or "cut"'
    )


def _check_size(
    experiment: Experiment, task: Task, facts: Facts, length_limits: Sequence[LengthLimit], split: Split
) -> None:
    n = experiment.size(task, split)
    if length_limits or facts.sizes[split] < (n or 1):
        _prepared(task, split, n, 0, 0, length_limits)  # says what is missing


def _check_parts(experiment: Experiment, task: Task, length_limits: Sequence[LengthLimit], parts: int) -> None:
    """A chain's last fresh part of transfer, for every seed: the parts before it are as large."""
    n = experiment.size(task, "transfer")
    for seed in experiment.seeds if parts and n else ():
        _prepared(task, "transfer", n, seed, parts, length_limits)


def _prepared(
    task: Task, split: Split, n: int | None, seed: int, part: int, length_limits: Sequence[LengthLimit]
) -> None:
    task.examples(
        split, n, seed, part, frozenset(id for length_limit in length_limits for id in too_long(task, length_limit).ids)
    )


def _check_tokens(model: Model, shape: Shape, settings: Settings) -> None:
    if model.causal is False:
        raise UserError(f"{model.name} is an encoder: a task whose answers are next tokens needs a causal model")
    length_limit = LengthLimit.of(model, settings)
    if length_limit and (choice := not_one_token(length_limit, shape.distinct)):
        raise UserError(f"{model.name}: the choice {choice!r} is not one token of the model: rename it or use a head")


def explained(found: TooLong, length_limit: LengthLimit) -> str:
    """`412 of 20,000 examples are longer than the 512 tokens that a model reads`"""
    over = f"{len(found.ids):,} of {found.rows:,} examples are"
    return f"{over} longer than the {length_limit.longest} tokens that a model reads"


def notes(experiment: Experiment) -> list[str]:
    """What a user should know before a run of a checked experiment, one line each."""
    return [
        f"task {task.name}: {explained(found, length_limit)}, and are left out for all models; "
        f"max_chars = {found.max_chars} would leave them out too"
        for task, length_limits in experiment.length_limits.items()
        for length_limit in length_limits
        if (found := too_long(task, length_limit)).ids
    ]


def check_device(settings: Settings) -> None:
    """Raise a UserError where the device is not there. A processor is there without importing torch to see it."""
    if settings.device != "cpu":
        from outgrow.training.network import prepare

        prepare(settings)


def check_space(todo: Sequence[Step[Any]], store: Store, settings: Settings) -> None:
    """Raise a UserError where the disk of a local store cannot hold what these steps would write."""
    folder = store.storage.local
    if folder is None:
        return
    weights = [fit.model.parameters(settings) for fit in todo if _keeps_weights(fit)]
    needed = STORED * sum(weights) + CHECKPOINT * max(weights, default=0)
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise UserError(
            f"the run needs about {_gb(needed)} and the disk of {store} has {_gb(free)} free: "
            "free some space (`outgrow check --prune`), or choose another store with --store"
        )


def _keeps_weights(step: object) -> TypeGuard[Fit | Adapt]:
    return isinstance(step, Adapt) or (isinstance(step, Fit) and step.features is None)


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
