"""`outgrow check`: verify a store, repair it, or delete steps that no experiment uses."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outgrow.cli.options import RUNS, Device, Log, NoPlugins, StoreAt, Workers, app
from outgrow.cli.running import fail, logging_to, resumable

if TYPE_CHECKING:
    from outgrow.graph import Step
    from outgrow.store import Store


@app.command()
def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="The experiments to keep (--prune) or to repair (--repair; the bundled one if none)."),
    ] = None,
    store: StoreAt = RUNS,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set damaged artifacts aside, and compute those again that a FILE uses.")
    ] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Delete the steps that no FILE uses.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    workers: Workers = None,
    device: Device = "cpu",
    log: Log = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Verify a store, repair it (--repair), or delete the steps that no FILE uses (--prune)."""
    from outgrow.api import opened
    from outgrow.types import UserError

    opened_store = opened(store)
    if prune and repair:
        raise UserError("--prune and --repair cannot be combined: run one after the other")
    if prune and not files:
        raise UserError("--prune keeps what the given files name, and none is given: name at least one TOML file")
    if files and not (prune or repair):
        raise UserError("files say what --prune keeps, or --repair computes: add one of them, or leave the files out")
    if not opened_store.storage.names("manifests"):
        raise UserError(f"there is no store at {opened_store}: name one with --store")
    if prune and files:
        _prune(opened_store, files, yes, device, plugins=not no_plugins)
    elif repair:
        with logging_to(log, opened_store):
            _repair(opened_store, files or [], workers, device, plugins=not no_plugins)
    else:
        _verify(opened_store)


def _verify(opened_store: Store) -> None:
    checked = opened_store.check()
    for key, why in checked.damaged.items():
        typer.echo(f"damaged: {key}: {why}", err=True)
    for path, why in checked.rows.items():
        typer.echo(f"damaged: {path}: {why}", err=True)
    damaged = len(checked.damaged) + len(checked.rows)
    typer.echo(f"{len(checked.intact)} artifacts intact, {damaged} damaged")
    if damaged:
        typer.echo("outgrow check --repair computes what is damaged again, and so does the next run", err=True)
        raise typer.Exit(1)


def _repair(opened_store: Store, files: list[Path], workers: int | None, device: str, plugins: bool) -> None:
    """Set every damaged artifact aside, then compute those that the experiments use."""
    from outgrow import graph
    from outgrow.api import executor
    from outgrow.config import bundled_example
    from outgrow.progress import showing
    from outgrow.store import Damaged

    named = {step.key: step for step in _steps(files or [bundled_example()], device, plugins)}
    checked = opened_store.check()
    for key, why in checked.damaged.items():
        opened_store.quarantine(Damaged(key, "", why))
        lost = "" if key in named else "; no file given here names it: it is set aside"
        typer.echo(f"damaged: {key}: {why}{lost}", err=True)
    for path, why in checked.rows.items():
        opened_store.discard_rows(path)
        typer.echo(f"damaged: {path}: {why}: it is deleted, and computed again when it is needed", err=True)
    wanted = [named[key] for key in checked.damaged if key in named]
    with (
        resumable(),
        executor("" if wanted else "inline", workers) as runner,
        showing(sys.stderr, runner.slots) as watch,
    ):
        done = graph.run(wanted, opened_store, runner, graph.Settings(device=device), watch)
    others = len(checked.damaged) - len(wanted)
    computed = f"{len(wanted) - len(done.failures) - len(done.skipped)} computed again"
    typer.echo(
        f"{len(checked.intact)} artifacts intact, {len(checked.damaged)} set aside: {computed}, {others} not named"
    )
    if done.failures:
        fail(done.failures, len(done.skipped))


def _prune(opened_store: Store, files: list[Path], yes: bool, device: str, plugins: bool) -> None:
    from outgrow.store import Manifest

    keep = {name for step in _steps(files, device, plugins) for name in (step.key, *step.rows)}
    doomed = opened_store.listing() - keep
    size = sum(m.bytes for m in opened_store.manifests(doomed).values() if isinstance(m, Manifest))
    typer.echo(f"{len(doomed)} artifacts of {size:,} bytes are named by none of the {len(files)} experiments")
    if yes or _confirmed("Delete them, and what unfinished runs left?"):
        typer.echo(f"{opened_store.prune(keep):,} bytes freed")


def _confirmed(question: str) -> bool:
    """The answer from the terminal. Raises UserError where nobody can answer."""
    from outgrow.types import UserError

    if sys.stdin is None or sys.stdin.closed:
        raise UserError("nobody can confirm, since standard input is closed: add --yes")
    return typer.confirm(question)


def _steps(files: list[Path], device: str, plugins: bool) -> list[Step]:  # type: ignore[type-arg]
    """Every step of the experiments."""
    from outgrow.experiment.grid import cells, targets
    from outgrow.graph import Settings, walk
    from outgrow.source import resolved

    experiments = [resolved(file, plugins=plugins, settings=Settings(device=device)) for file in files]
    return [step for experiment in experiments for step in walk(targets(cells(experiment)))]
