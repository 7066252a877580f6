"""Several workers that share a store, from Python: `outgrow.work` and `outgrow.status`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from outgrow import graph
from outgrow.api import computed, executor, opened
from outgrow.config import Seeds
from outgrow.executors.base import Executor
from outgrow.experiment.grid import cells, targets
from outgrow.graph import Outcome, Report, Settings, Status, Worker, ignore_events, walk
from outgrow.source import DEFAULT_SETTINGS, Source, resolved
from outgrow.store import Store
from outgrow.training.network import check_device


def work(
    source: Source,
    *,
    store: str | Path | Store = "runs",
    worker: Worker,
    on: str | Executor = "",
    workers: int | None = None,
    retry: bool = False,
    overrides: Sequence[str] = (),
    seeds: Seeds | None = None,
    analyses: Sequence[str] = (),
    settings: Settings = DEFAULT_SETTINGS,
    watch: Report = ignore_events,
    plugins: bool = True,
) -> Outcome:
    """Compute steps of an experiment as one of several workers that share a store, until none is left to do.

    Workers need nothing but the store: each leases some steps at a time, and sees there what the others do.

    Args:
        source, store, on, workers, overrides, seeds, analyses, settings, watch, plugins: As in `run`.
        worker: The name of this worker, unique among those of the store, and the resources that it has.
        retry: Try the steps again that have failed on any worker before.

    Returns:
        The steps by how they ended. `unfit` need more than the worker has.

    Raises:
        UserError: The experiment is wrong, or asks for what does not exist, or the store's disk is too small.

    Example:
        >>> worker = outgrow.Worker(name="node-1", resources=outgrow.Resources(cores=1))
        >>> outgrow.work("experiment.toml", worker=worker, on="inline", seeds=[0]).failures
        ()
    """
    check_device(settings)
    experiment = resolved(
        source, overrides=overrides, seeds=seeds, analyses=analyses, plugins=plugins, settings=settings
    )
    opened_store = opened(store)
    if retry:
        opened_store.failures.forget([step.key for step in walk(targets(cells(experiment)))])
    with executor(on, workers, plugins=plugins) if isinstance(on, str) else on as runner:
        return computed(experiment, opened_store, runner, settings, watch, worker)


def status(
    source: Source,
    *,
    store: str | Path | Store = "runs",
    overrides: Sequence[str] = (),
    seeds: Seeds | None = None,
    analyses: Sequence[str] = (),
    plugins: bool = True,
    settings: Settings = DEFAULT_SETTINGS,
) -> Status:
    """What the workers of a store have done for an experiment, what they are doing, and what failed.

    Args:
        source, store, overrides, seeds, analyses, plugins, settings: As in `plan`.

    Returns:
        How many steps are done and leased, which are running and where, and which failed.

    Raises:
        UserError: The experiment is wrong, or asks for what does not exist.

    Example:
        >>> found = outgrow.status("experiment.toml", seeds=[0])
        >>> found.done, found.total > 0
        (0, True)
    """
    experiment = resolved(
        source, overrides=overrides, seeds=seeds, analyses=analyses, plugins=plugins, settings=settings
    )
    return graph.status(targets(cells(experiment)), opened(store))
