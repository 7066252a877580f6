"""The command line: one short function a verb. What is heavy is imported by the verb that needs it."""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from outgrow.api import Results
    from outgrow.graph import Failure
    from outgrow.report.results import Results as Numbers
    from outgrow.store import Store

# No rich in help texts: `outgrow --help` takes a third of the time without it.
app = typer.Typer(
    rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Weak-to-strong generalization: train a strong student on weak labels and measure how far it outgrows them.",
)  # fmt: skip

File = Annotated[Path | None, typer.Argument(help="A TOML file; the bundled chess experiment if there is none.")]
StoreAt = Annotated[str, typer.Option("--store", envvar="OUTGROW_STORE", help="Folder or URL of finished steps.")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field: sizes.test=500.")]
Seeds = Annotated[str | None, typer.Option("--seeds", metavar="N|LIST", help="How many seeds (5), or which (0,1,2).")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes; by default one a core.")]
RUNS = "runs"


def main() -> None:
    """Run the command line. What the user can mend is one line and exit code 2; a fault of ours keeps its traceback."""
    warnings.formatwarning = lambda message, *rest, **named: f"warning: {message}\n"
    try:
        app()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # `outgrow run | head`
            sys.exit(128 + 13)  # as the signal of a closed pipe ends other programs
        raise
    except Exception as error:
        from outgrow.types import UserError

        if not isinstance(error, UserError):
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


@app.command()
def run(
    file: File = None,
    store: StoreAt = RUNS,
    sets: Sets = None,
    seeds: Seeds = None,
    on: Annotated[str, typer.Option(help="inline, pool, or package.module:Class; a pool if there are cores.")] = "",
    workers: Workers = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")] = "cpu",
    microbatch: Annotated[int | None, typer.Option(min=1, help="Examples at once: fewer need less memory.")] = None,
    report: Annotated[Path | None, typer.Option(help="Where to write the report; by default NAME-report.html.")] = None,
    trust_pickle: Annotated[bool, typer.Option("--trust-pickle", help="Load pickled weights.")] = False,
    trust_remote_code: Annotated[bool, typer.Option("--trust-remote-code", help="Run a checkpoint's code.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Use what is on this machine only.")] = False,
) -> None:
    """Run what is not stored yet of an experiment; write its report."""
    from outgrow import api
    from outgrow.graph import Settings
    from outgrow.progress import duration, showing

    started = time.monotonic()
    settings = Settings(
        device=device,
        microbatch=microbatch,
        trust_pickle=trust_pickle,
        trust_remote_code=trust_remote_code,
        offline=offline,
    )
    experiment = _experiment(file, sets, seeds)
    with api.executor(on, workers) as executor, showing(sys.stderr, executor.slots) as watch:
        try:
            found = api.run(experiment, store=store, on=executor, settings=settings, watch=watch)
        except KeyboardInterrupt:
            _interrupted()
    _print_table(found.numbers)
    path = report or Path(f"{_path(file).stem}-report.html")
    written = _refresh(found, path)
    typer.echo(f"report: {path}{'' if written else ' (up to date)'}")
    assert found.outcome is not None
    done = f"{len(found.outcome.computed)} steps computed, {len(found.outcome.cached)} cached"
    typer.echo(f"{done}, in {duration(time.monotonic() - started)}")
    if found.failures:
        _fail(found.failures, len(found.outcome.skipped))


@app.command()
def plan(
    file: File = None,
    store: StoreAt = RUNS,
    sets: Sets = None,
    seeds: Seeds = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which steps are to do, and why they are new."""
    from outgrow import api

    going = api.plan(_experiment(file, sets, seeds), store=store)
    if as_json:
        todo = [{"key": step.key, "title": step.title, "why": going.why[step.key]} for step in going.todo]
        _print_json({"todo": todo, "cached": [{"key": step.key, "title": step.title} for step in going.cached]})
        return
    typer.echo(f"{len(going.todo)} steps to do, {len(going.cached)} cached")
    for step in going.todo:
        typer.echo(f"  {step.key}  {step.title}: {going.why[step.key]}")


@app.command()
def results(
    file: File = None,
    store: StoreAt = RUNS,
    sets: Sets = None,
    seeds: Seeds = None,
    format: Annotated[str, typer.Option("--format", help="table, json, csv or md.")] = "table",
    by: Annotated[str | None, typer.Option("--by", metavar="FACET", help="By rating, theme, difficulty ...")] = None,
) -> None:
    """Print the numbers that are stored of an experiment, over all test examples or by a facet of theirs."""
    from outgrow import api
    from outgrow.report.tables import FORMATS, text
    from outgrow.types import UserError

    if format not in FORMATS:
        raise UserError(f"no format called {format!r}: choose one of {', '.join(FORMATS)}")
    found = api.results(_experiment(file, sets, seeds), store=store)
    numbers = found.sliced(by) if by else found.numbers
    if format == "table":
        _print_table(numbers)
    else:
        typer.echo(text(numbers.records, format), nl=False)


@app.command()
def report(
    file: File = None,
    store: StoreAt = RUNS,
    sets: Sets = None,
    seeds: Seeds = None,
    out: Annotated[Path | None, typer.Option("--out", help="By default NAME-report.html.")] = None,
) -> None:
    """Write the report of an experiment: one HTML page."""
    from outgrow import api

    found = api.results(_experiment(file, sets, seeds), store=store)
    typer.echo(f"report: {found.report(out or Path(f'{_path(file).stem}-report.html'))}")


@app.command(name="list")
def list_plugins(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="tasks, models, losses, labelling, methods or executors.")
    ],
) -> None:
    """List what can be named in an experiment."""
    from outgrow.plugins import FOLDERS, described, nearest
    from outgrow.types import UserError

    kinds = {folder: name for name, folder in FOLDERS.items()}
    if kind not in kinds:
        raise UserError(f"nothing called {kind!r} to list.{nearest(kind, kinds)} Known: {', '.join(kinds)}")
    found = described(kinds[kind])
    width = max(map(len, found), default=0)
    for name, line in found.items():
        typer.echo(f"{name:{width}}  {line}")
        if kind == "models" and (sizes := _sizes(name)):
            typer.echo(f"{'':{width}}  {sizes}")


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="With --prune: the experiments to keep.")] = None,
    store: StoreAt = RUNS,
    prune: Annotated[bool, typer.Option("--prune", help="Delete the steps that no FILE names.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Verify a store; with --prune, free what no FILE names."""
    from outgrow.store import Store
    from outgrow.types import UserError

    place = Store(store)
    if prune and not files:
        raise UserError("--prune keeps what the given files name, and none is given: name at least one TOML file")
    if files and not prune:
        raise UserError("files say what --prune keeps: add --prune, or leave them out")
    if prune and files:
        _prune(place, files, yes)
        return
    found = place.check()
    for key, why in found.damaged.items():
        typer.echo(f"damaged: {key}: {why}", err=True)
    typer.echo(f"{len(found.intact)} artifacts intact, {len(found.damaged)} damaged")
    if found.damaged:
        typer.echo("the next run computes what is damaged again", err=True)
        raise typer.Exit(1)


@app.command()
def pretrain(
    recipe: Annotated[Path, typer.Argument(help="A recipe of the ladder, in TOML.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the finished checkpoint.")],
    store: StoreAt = RUNS,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")] = "cpu",
) -> None:
    """Train a model of the chess ladder; resumable."""
    import shutil

    from outgrow import graph
    from outgrow.api import executor
    from outgrow.config import pretraining
    from outgrow.progress import showing
    from outgrow.store import Store

    step, place = pretraining(recipe), Store(store)
    with executor("inline") as inline, showing(sys.stderr, 1) as watch:
        try:
            done = graph.run([step], place, inline, graph.Settings(device=device), watch)
        except KeyboardInterrupt:
            _interrupted()
    if done.failures:
        _fail(done.failures, len(done.skipped))
    shutil.copytree(place.fetch(step.key), out, dirs_exist_ok=True)
    typer.echo(f"model: {out}")


@app.command()
def mine(
    out: Annotated[Path, typer.Option("--out", help="Folder for the shards of games.")],
    shards: Annotated[int, typer.Option(min=1, help="How many shards there should be.")] = 10,
    seed: Annotated[int, typer.Option(help="Other games.")] = 0,
    workers: Workers = None,
    engine: Annotated[str | None, typer.Option(help="The engine's program; by default stockfish.")] = None,
) -> None:
    """Play games in which somebody errs and judge every position; resumable."""
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    from outgrow.chess.mining import Mining, mine_shard

    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        going = [pool.submit(mine_shard, out, Mining(seed=seed), shard, engine) for shard in range(shards)]
        try:
            for count, future in enumerate(as_completed(going), 1):
                typer.echo(f"[{count}/{shards}] {future.result()}", err=True)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@app.command()
def collect(
    mined: Annotated[Path, typer.Argument(help="A folder of mined games.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the tables.")],
    apart: Annotated[
        Path | None, typer.Option(metavar="RECIPE", help="Leave out what stands on a line of this rung's corpus.")
    ] = None,
    store: StoreAt = RUNS,
) -> None:
    """Make puzzles, positions and pairs of moves of mined games."""
    from outgrow import graph
    from outgrow.api import executor
    from outgrow.chess.collect import collect as tables
    from outgrow.config import pretraining
    from outgrow.store import Store
    from outgrow.types import UserError

    if not any(mined.rglob("games-*.jsonl.gz")):
        raise UserError(f"{mined} holds no mined games: make some with outgrow mine --out {mined}")
    corpus = None
    if apart:
        step, place = pretraining(apart).corpus, Store(store)
        with executor("inline") as inline:
            done = graph.run([step], place, inline)
        if done.failures:
            _fail(done.failures, 0)
        corpus = graph.load(step, place)
    for name, count in tables(mined, out, corpus).items():
        typer.echo(f"{count} {name}")


def _sizes(family: str) -> str:
    """The sizes of a bundled family with their weights: `pawn 24.6k, knight 0.12M`."""
    from outgrow.graph import Settings
    from outgrow.models.base import counted
    from outgrow.plugins import find

    kind: Any = find("model", family)
    return ", ".join(f"{size} {counted(kind(size=size).parameters(Settings()))}" for size in kind.sizes())


def _path(file: Path | None) -> Path:
    if file:
        return file
    from outgrow.config import bundled_example

    return bundled_example()


def _experiment(file: Path | None, sets: list[str] | None, seeds: str | None) -> Any:
    from outgrow.config import read

    return read(_path(file), sets or (), seeds)


def _print_table(numbers: Numbers) -> None:
    from rich.console import Console

    from outgrow.report.tables import table

    width = None if sys.stdout.isatty() else 140  # of a pipe or a file nothing is known, and a table wants room
    Console(width=width).print(table(numbers.aggregates))
    if any(cell.test.split != "test" for cell in numbers.grid):
        typer.echo("scored on validation: for choosing a set-up, not a result")


def _print_json(data: Any) -> None:
    import json

    typer.echo(json.dumps(data, indent=1))


def _refresh(found: Results, path: Path) -> bool:
    """Write the report unless the one that is there shows these numbers already: drawing takes seconds."""
    import hashlib
    import json

    shown = json.dumps([found.records, [str(f) for f in found.failures]], sort_keys=True)
    mark = f"\n<!-- {hashlib.sha256(shown.encode()).hexdigest()} -->\n"
    assert found.outcome is not None
    if not found.outcome.computed and path.exists() and path.read_text(encoding="utf-8").endswith(mark):
        return False
    with found.report(path).open("a", encoding="utf-8") as page:
        page.write(mark)
    return True


def _interrupted() -> NoReturn:
    typer.echo("interrupted: finished steps are stored, run again to go on", err=True)
    raise typer.Exit(130)


def _fail(failures: tuple[Failure, ...], skipped: int) -> NoReturn:
    """Name every failure; a traceback is shown once. Exit code 2 where the user can mend them all, else 1."""
    shown: set[str] = set()
    for failure in failures:
        text = failure.error_text.strip()
        last = text.rpartition("\n")[2]
        if not failure.user_error and last not in shown:
            shown.add(last)
            typer.echo(text, err=True)
        name = f"{failure.step.title} ({failure.step.key})"
        typer.echo(f"{'error' if failure.user_error else 'failed'}: {name}: {last}", err=True)
    if skipped:
        typer.echo(f"{skipped} steps that need these were not run", err=True)
    raise typer.Exit(2 if all(failure.user_error for failure in failures) else 1)


def _prune(store: Store, files: list[Path], yes: bool) -> None:
    from outgrow.config import read
    from outgrow.experiment import cells, targets
    from outgrow.graph import walk
    from outgrow.store import Manifest

    keep = {step.key for file in files for step in walk(targets(cells(read(file).pinned())))}
    doomed = store.listing() - keep
    size = sum(m.bytes for m in store.manifests(doomed).values() if isinstance(m, Manifest))
    typer.echo(f"{len(doomed)} artifacts of {size:,} bytes are named by none of the {len(files)} experiments")
    if yes or typer.confirm("Delete them, and what unfinished runs left?"):
        typer.echo(f"{store.prune(keep):,} bytes freed")
