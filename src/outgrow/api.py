"""The same from Python as from the command line: `outgrow.run("examples/chess.toml")`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outgrow import graph
from outgrow.config import Seeds, experiment_from, read, seeds_from
from outgrow.experiment import Experiment, cells, targets
from outgrow.graph import LOGGER, Failure, Outcome, Plan, Report, Settings, ignore_events
from outgrow.plugins import find, is_ours
from outgrow.preflight import check_device, check_space, checked, notes
from outgrow.store import Store
from outgrow.types import UserError

if TYPE_CHECKING:
    from outgrow.executors.base import Executor
    from outgrow.report.results import Results as Numbers

Asked = Experiment | Mapping[str, Any] | str | Path  # records, a table, or a TOML file
HERE = Settings()


@dataclass(frozen=True)
class Results:
    """What a store holds of an experiment. `outcome` is what the run did, if there was one."""

    experiment: Experiment
    store: Store
    outcome: Outcome | None = None

    @property
    def failures(self) -> tuple[Failure, ...]:
        return self.outcome.failures if self.outcome else ()

    @cached_property
    def numbers(self) -> Numbers:
        """The records as dataclasses, and what stands in the way of those that are missing."""
        from outgrow.report.results import read

        return read(self.experiment, self.store, self.failures)

    @property
    def records(self) -> list[dict[str, Any]]:
        """A record for each task, weak, strong and method over all seeds (`seed` None), and one for each seed."""
        return [record.to_dict() for record in self.numbers.records]

    def sliced(self, facet: str) -> Numbers:
        """`numbers` for each slice of the test examples by a facet that a task knows of them, over all seeds."""
        from outgrow.report.slices import read_by

        return read_by(self.experiment, self.store, facet, self.failures)

    def by(self, facet: str) -> list[dict[str, Any]]:
        """A record over all seeds for each slice of the test examples: `found.by("rating")`.

        Raises UserError where no task knows the facet, and names those that they know.
        """
        return [record.to_dict() for record in self.sliced(facet).records]

    def table(self, width: int = 140) -> str:
        """The records over all seeds as text."""
        from rich.console import Console

        from outgrow.report.tables import table

        console = Console(width=width, no_color=True, highlight=False)
        with console.capture() as captured:
            console.print(table(self.numbers.aggregates))
        return captured.get()

    def report(self, path: str | Path = "report.html") -> Path:
        """Write the HTML page and say where it is."""
        from outgrow.report.page import write

        write(self.experiment, self.store, Path(path), self.failures)
        return Path(path)


def resolved(
    asked: Asked,
    *,
    sets: Sequence[str] = (),
    seeds: Seeds | None = None,
    plugins: bool = True,
    settings: Settings = HERE,
) -> Experiment:
    """What is asked for, as records, every task and model identified by its content.

    `sets`: changes to a file or a table, such as `sizes.test=500`. Classes from outside the package are imported,
    which runs their code; `plugins=False` refuses them. Raises UserError for whatever is wrong with it, or
    CollectedError with all of that: the data, the splits and the checkpoints' headers and tokenizers are looked at.
    """
    if isinstance(asked, Experiment):
        if sets:
            raise UserError("sets are changes to a file or a table: change an Experiment with dataclasses.replace")
        experiment = asked if seeds is None else replace(asked, seeds=seeds_from(seeds))
    else:
        make: Any = experiment_from if isinstance(asked, Mapping) else read
        experiment = make(asked, sets, seeds, plugins=plugins)
    if not plugins:
        _refuse_foreign(experiment)
    return checked(experiment, settings)


def _refuse_foreign(record: Any) -> None:
    """Raise UserError if a record, or one in its fields, is of a class from outside the package."""
    if is_dataclass(record) and not isinstance(record, type):
        if not is_ours(type(record)):
            name = f"{type(record).__module__}:{type(record).__qualname__}"
            raise UserError(f"{name!r} is from outside the package, which --no-plugins (plugins=False) refuses")
        record = tuple(getattr(record, each.name) for each in fields(record))
    inner = record.values() if isinstance(record, Mapping) else record if isinstance(record, tuple) else ()
    for each in inner:
        _refuse_foreign(each)


def plan(
    asked: Asked,
    *,
    store: str | Path | Store = "runs",
    sets: Sequence[str] = (),
    seeds: Seeds | None = None,
    plugins: bool = True,
) -> Plan:
    """The steps that an experiment still needs, and why each of them is new. Raises UserError as `resolved` does, and
    where the store's disk is too small."""
    found = graph.plan(targets(cells(resolved(asked, sets=sets, seeds=seeds, plugins=plugins))), opened(store))
    check_space(found.todo, found.store, HERE)
    return found


def results(
    asked: Asked,
    *,
    store: str | Path | Store = "runs",
    sets: Sequence[str] = (),
    seeds: Seeds | None = None,
    plugins: bool = True,
) -> Results:
    """What a store holds of an experiment, computing nothing."""
    return Results(resolved(asked, sets=sets, seeds=seeds, plugins=plugins), opened(store))


def run(
    asked: Asked,
    *,
    store: str | Path | Store = "runs",
    on: str | Executor = "",
    workers: int | None = None,
    sets: Sequence[str] = (),
    seeds: Seeds | None = None,
    settings: Settings = HERE,
    watch: Report = ignore_events,
    plugins: bool = True,
) -> Results:
    """Compute what an experiment still needs and give its results; steps that fail are in `failures`.

    on: an executor, or the name of one (`inline`, `pool`, `package.module:Class`); by default a pool of `workers`
    processes where there is more than one core. settings: what only this machine cares about. watch: told of every
    event. plugins: False refuses classes from outside the package. Raises UserError if the experiment asks for what is
    not there.
    """
    check_device(settings)
    experiment = resolved(asked, sets=sets, seeds=seeds, plugins=plugins, settings=settings)
    for note in notes(experiment):
        LOGGER.warning("note: %s", note)
    opened_store, wanted = opened(store), targets(cells(experiment))
    if opened_store.storage.local:
        check_space(graph.plan(wanted, opened_store).todo, opened_store, settings)
    with executor(on, workers, plugins=plugins) if isinstance(on, str) else on as runner:
        outcome = graph.run(wanted, opened_store, runner, settings, watch)
    return Results(experiment, opened_store, outcome)


def executor(name: str = "", workers: int | None = None, *, plugins: bool = True) -> Executor:
    """An executor by name; `workers` is for those that have any."""
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
    """A store by its folder or URL. Raises UserError for a folder whose path is no text (Parquet cannot be there) or
    that begins with a home folder that is none."""
    found = store if isinstance(store, Store) else Store(str(store))
    try:
        found.storage.local  # noqa: B018 - finds it out
    except RuntimeError:
        raise UserError(f"the store {store} begins with a home folder that there is not: write it out") from None
    if found.storage.local and any("\ud800" <= letter <= "\udfff" for letter in str(found.storage.local)):
        raise UserError(f"the store {found.storage.local} has a path that is not UTF-8 text: name another with --store")
    return found
