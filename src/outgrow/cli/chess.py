"""The commands that make the chess models and data: pretrain, mine, collect, move-values."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from outgrow.cli.options import RUNS, Device, Log, StoreAt, Workers, app
from outgrow.cli.running import fail, logging_to, resumable, writable_file, writable_folder


@app.command()
def pretrain(
    recipe: Annotated[Path, typer.Argument(help="A recipe of the ladder, in TOML.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the finished checkpoint.")],
    store: StoreAt = RUNS,
    device: Device = "cpu",
    log: Log = None,
) -> None:
    """Train a model of the chess ladder; resumable."""
    import shutil

    from outgrow import graph
    from outgrow.api import executor, opened
    from outgrow.config import pretraining
    from outgrow.progress import showing

    step, opened_store = pretraining(recipe), opened(store)
    writable_folder(out, "--out", opened_store)
    with logging_to(log, opened_store), resumable(), executor("inline") as inline, showing(sys.stderr, 1) as watch:
        done = graph.run([step], opened_store, inline, graph.Settings(device=device), watch)
    if done.failures:
        fail(done.failures, len(done.skipped))
    shutil.copytree(opened_store.fetch(step.key), out, dirs_exist_ok=True)
    typer.echo(f"model: {out}")


@app.command()
def mine(
    out: Annotated[Path, typer.Option("--out", help="Folder for the shards of games.")],
    shards: Annotated[int, typer.Option(min=1, help="How many shards there should be.")] = 10,
    seed: Annotated[int, typer.Option(help="Another seed makes other games.")] = 0,
    workers: Workers = None,
    engine: Annotated[str | None, typer.Option(help="The engine's program; by default stockfish.")] = None,
) -> None:
    """Play games with errors and judge every position with an engine; resumable."""
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    from outgrow.chess.mining import Mining, mine_shard

    writable_folder(out, "--out")
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
    decontaminate_against: Annotated[
        Path | None, typer.Option(metavar="RECIPE", help="Leave out positions in the corpus of this recipe.")
    ] = None,
    store: StoreAt = RUNS,
) -> None:
    """Make puzzles, positions and pairs of moves from mined games."""
    from outgrow import graph
    from outgrow.api import executor, opened
    from outgrow.chess.collect import collect as tables
    from outgrow.config import pretraining
    from outgrow.types import UserError

    if not any(mined.rglob("games-*.jsonl.gz")):
        raise UserError(f"{mined} holds no mined games: make some with outgrow mine --out {mined}")
    opened_store = opened(store)
    writable_folder(out, "--out", opened_store)
    corpus = None
    if decontaminate_against:
        step = pretraining(decontaminate_against).corpus
        with executor("inline") as inline:
            done = graph.run([step], opened_store, inline)
        if done.failures:
            fail(done.failures, 0)
        corpus = graph.load(step, opened_store)
    for name, count in tables(mined, out, corpus).items():
        typer.echo(f"{count} {name}")


@app.command()
def move_values(
    puzzles: Annotated[Path, typer.Argument(help="Puzzles, as the task chess-puzzles reads them.")],
    out: Annotated[Path, typer.Option("--out", help="The Parquet file to write.")],
    examples: Annotated[int, typer.Option("--examples", min=1, help="How many of the test puzzles.")] = 3000,
    nodes: Annotated[int, typer.Option(min=1, help="How many nodes the engine searches in each position.")] = 6000,
    engine: Annotated[str | None, typer.Option(help="The engine's program; by default stockfish.")] = None,
) -> None:
    """Judge every legal move of test puzzles with an engine, for win probability lost."""
    from outgrow.chess.values import is_values, valued, write
    from outgrow.tasks.chess_puzzles import ChessPuzzles
    from outgrow.types import UserError

    if out.suffix != ".parquet":
        raise UserError(f"--out {out} is written as Parquet: name a file that ends in .parquet")
    writable_file(out, "--out", None, is_values, "a table of values")
    rows = ChessPuzzles(source=str(puzzles)).examples("test", None, seed=0).rows[:examples]
    found = []
    for row in valued(((row.id, row.prompt) for row in rows), engine, nodes):
        found.append(row)
        if len(found) % 100 == 0 or len(found) == len(rows):
            typer.echo(f"[{len(found)}/{len(rows)}] positions", err=True)
    write(found, out)
    typer.echo(f"{len(found)} positions, {sum(len(row['values']) for row in found)} moves: {out}")
