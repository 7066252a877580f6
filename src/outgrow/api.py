"""The Python API, with the verbs of the command line: `outgrow.run("examples/chess.toml")`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outgrow import graph
from outgrow.config import Seeds
from outgrow.experiment.definition import Experiment
from outgrow.graph import LOGGER, Outcome, Plan, Report, Settings, Worker, check_resources, ignore_events
from outgrow.plugins import find, is_ours
from outgrow.preflight import check_todo, notes, steps_of
from outgrow.report.handles import Compared, Results, compare
from outgrow.source import DEFAULT_SETTINGS, Source, resolved, toml_of
from outgrow.store import Store
from outgrow.training.network import check_device
from outgrow.types import Problems, UserError

if TYPE_CHECKING:
    from outgrow.executors.base import Executor


__all__ = ["Compared", "Results", "compare", "computed", "executor", "opened", "plan", "results", "run"]


def plan(
    source: Source,
    *,
    store: str | Path | Store = "runs",
    overrides: Sequence[str] = (),
    seeds: Seeds | None = None,
    analyses: Sequence[str] = (),
    plugins: bool = True,
    settings: Settings = DEFAULT_SETTINGS,
) -> Plan:
    """Plan an experiment without computing anything.

    Args:
        source: A TOML file, a table with the same fields, or an `Experiment`.
        store: The folder or URL of finished steps.
        overrides: Changes to a file or a table, such as `"sizes.test=500"`.
        seeds: How many seeds (`5`) or which (`[0, 1, 2]`), instead of the experiment's own.
        analyses: Names of analyses to add to those of the experiment, such as `["imitation"]`; no fit is computed anew.
        plugins: Import classes from outside the package, which runs their code; False refuses them.
        settings: The device and other options of this machine, which do not change the results.

    Returns:
        The steps that are still to do, inputs first, and the finished ones; `why` says how each differs from what is
        stored.

    Raises:
        UserError: The experiment is wrong, or asks for what does not exist, the device is not there, or the store's
            disk is too small.

    Example:
        >>> plan = outgrow.plan("experiment.toml", seeds=[0])
        >>> len(plan.todo) > 0, len(plan.cached)
        (True, 0)
    """
    experiment = checked_experiment(
        source, overrides=overrides, seeds=seeds, analyses=analyses, plugins=plugins, settings=settings
    )
    planned = graph.plan(steps_of(experiment, settings), opened(store))
    check_todo(planned.todo, planned.store, settings)
    return planned


def checked_experiment(source: Source, *, settings: Settings, **changes: Any) -> Experiment:
    """An experiment as records for this machine's device. Raises UserError as `resolved`, or for the device too."""
    problems = Problems()
    with problems.collecting():
        check_device(settings)
    with problems.collecting():
        experiment = resolved(source, settings=settings, **changes)
    problems.raise_collected()
    return experiment


def results(
    source: Source,
    *,
    store: str | Path | Store = "runs",
    overrides: Sequence[str] = (),
    seeds: Seeds | None = None,
    analyses: Sequence[str] = (),
    plugins: bool = True,
    settings: Settings = DEFAULT_SETTINGS,
) -> Results:
    """The stored results of an experiment, without computing anything; numbers that are missing are None.

    Args:
        source, store, overrides, seeds, analyses, plugins, settings: As in `plan`.

    Returns:
        The results. Reading them raises UserError where two scores are of different test examples.

    Raises:
        UserError: The experiment is wrong, or asks for what does not exist.

    Example:
        >>> results = outgrow.results("experiment.toml", seeds=[0])
        >>> results.records[0]["status"]
        'missing'
    """
    experiment = resolved(
        source, overrides=overrides, seeds=seeds, analyses=analyses, plugins=plugins, settings=settings
    )
    return Results(experiment, opened(store), toml=toml_of(source, overrides, seeds, analyses))


def run(
    source: Source,
    *,
    store: str | Path | Store = "runs",
    on: str | Executor = "",
    workers: int | None = None,
    overrides: Sequence[str] = (),
    seeds: Seeds | None = None,
    analyses: Sequence[str] = (),
    settings: Settings = DEFAULT_SETTINGS,
    watch: Report = ignore_events,
    plugins: bool = True,
) -> Results:
    """Compute the steps of an experiment that are not stored yet, and return its results.

    A step that fails does not stop the others: it is in `failures` of the results. What happens is logged to the
    logger `outgrow` of `logging`.

    Args:
        source, store, overrides, seeds, analyses, plugins: As in `plan`.
        on: An executor, or the name of one: `"inline"`, `"pool"`, `"ray"` or `"package.module:Class"`. By default a
            pool where there are several cores.
        workers: Processes of the pool; by default one a core.
        settings: The device and other options of this machine, which do not change the results.
        watch: Called with each `Event` of the run. An error that it raises ends the run.

    Returns:
        The results, with the outcome of every step.

    Raises:
        UserError: The experiment is wrong, or asks for what does not exist, or the store's disk is too small, or a
            tracker's package is missing.

    Example:
        >>> results = outgrow.run("experiment.toml", on="inline", seeds=1)
        >>> [record["method"] for record in results.records if record["seed"] is None]
        ['naive', 'other']
    """
    experiment = checked_experiment(
        source, overrides=overrides, seeds=seeds, analyses=analyses, plugins=plugins, settings=settings
    )
    problems = Problems()
    problems.map(lambda tracker: tracker.check(), experiment.trackers)
    problems.raise_collected()
    for note in notes(experiment, settings):
        LOGGER.warning("note: %s", note)
    opened_store = opened(store)
    with executor(on, workers, plugins=plugins) if isinstance(on, str) else on as runner:
        outcome = computed(experiment, opened_store, runner, settings, watch)
    found = Results(experiment, opened_store, outcome, toml_of(source, overrides, seeds, analyses))
    return _tracked(found) if experiment.trackers else found


def _tracked(found: Results) -> Results:
    """The results of a run after its trackers have written them."""
    from outgrow.report.tracking import track

    why = track(found.experiment.trackers, found.numbers, found.store)
    for line in why:
        LOGGER.warning(line)
    return replace(found, untracked=why)


def computed(
    experiment: Experiment,
    store: Store,
    on: Executor,
    settings: Settings,
    watch: Report = ignore_events,
    worker: Worker | None = None,
) -> Outcome:
    """Compute what is missing of a resolved experiment. worker: if given, as one of several workers of the store.

    Raises UserError where a checkpoint cannot be loaded, the store's disk is too small, or a step needs more than this
    machine has.
    """
    wanted = steps_of(experiment, settings)
    with on.claimed(settings, int(worker.resources.gpus) if worker else None) as settings:
        there = None if worker else on.machine(settings)
        todo = graph.plan(wanted, store).todo if store.storage.local or there else tuple(graph.walk(wanted))
        check_todo(todo, store, settings)
        if there:
            check_resources(todo, there, settings)
        return graph.run(wanted, store, on, settings, watch, worker)


def executor(name: str = "", workers: int | None = None, *, plugins: bool = True) -> Executor:
    """An executor by name; `workers` is for executors that have workers. Raises UserError."""
    kind: Any = find("executor", name or ("pool" if (workers or _cores()) > 1 else "inline"), plugins=plugins)
    try:
        made: Executor = kind() if workers is None or kind.__name__ == "Inline" else kind(workers=workers)
    except Exception as error:
        if is_ours(kind):
            raise
        raise UserError(f"the executor {name!r} cannot be made: {type(error).__name__}: {error}") from None
    return made


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def opened(store: str | Path | Store) -> Store:
    """A store by its folder or URL.

    Raises:
        UserError: The folder's path is not UTF-8 text, which Parquet needs, or begins with an unknown home folder.
    """
    opened_store = store if isinstance(store, Store) else Store(str(store))
    try:
        folder = opened_store.storage.local
    except RuntimeError:
        raise UserError(
            f"the store {store} begins with a home folder that does not exist: write the path in full"
        ) from None
    if folder and any("\ud800" <= letter <= "\udfff" for letter in str(folder)):
        raise UserError(f"the store {folder} has a path that is not UTF-8 text: name another with --store")
    return opened_store
