"""The commands for people with cheap labels and a model: fit, predict, export."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outgrow.cli.data_options import (
    Abstain,
    Annotator,
    Classes,
    Data,
    Form,
    Gold,
    Id,
    Normalize,
    Replies,
    Text,
    Weak,
    data_from,
)
from outgrow.cli.options import (
    RUNS,
    Device,
    MemoryGb,
    Microbatch,
    NoPlugins,
    Offline,
    Overrides,
    Recompute,
    Seeds,
    StoreAt,
    TrustPickle,
    TrustRemoteCode,
    Workers,
    app,
)
from outgrow.cli.running import resumable, settings_from

MORE = 0.05  # of all rows, on which a finetuned model may differ more from the weak labels than a head

if TYPE_CHECKING:
    from outgrow.practice.data import PracticeData
    from outgrow.practice.fit import Fitted


@app.command()
def fit(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="The folder for the model, its card and its predictions.")],
    model: Annotated[str, typer.Option(help="minilm/l6, a checkpoint's folder, or its name on the hub.")] = "minilm/l6",
    text: Text = None,
    weak: Weak = None,
    gold: Gold = None,
    id: Id = None,
    annotator: Annotator = None,
    replies: Replies = None,
    classes: Classes = "",
    form: Form = "auto",
    abstain: Abstain = "-1",
    normalize: Normalize = False,
    audited: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file of labels --to-audit, with answers.")
    ] = None,
    method: Annotated[str, typer.Option(help="auto, naive, audited, a labelling rule or a loss.")] = "auto",
    finetune: Annotated[bool, typer.Option("--finetune", help="Finetune after the head on frozen features.")] = False,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Finetune for at most so many minutes.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random draws.")] = 0,
    store: StoreAt = RUNS,
    workers: Workers = None,
    device: Device = "cpu",
    microbatch: Microbatch = None,
    gradient_checkpointing: Recompute = False,
    memory_gb: MemoryGb = None,
    trust_pickle: TrustPickle = False,
    trust_remote_code: TrustRemoteCode = False,
    offline: Offline = False,
) -> None:
    """Fit a model to cheap labels: a head on its frozen features first, then, if asked, finetuning."""
    from outgrow import api
    from outgrow.practice.audits import of_data, read_audits
    from outgrow.practice.budget import check_minutes
    from outgrow.practice.folder import refuse_foreign
    from outgrow.progress import duration, showing

    started = time.monotonic()
    refuse_foreign(out)
    if minutes is not None:
        check_minutes(minutes)
    settings = settings_from(
        device, trust_pickle, trust_remote_code, offline, microbatch=microbatch, memory_gb=memory_gb,
        gradient_checkpointing=gradient_checkpointing,
    )  # fmt: skip
    table = data_from(
        data, text=text, weak=weak, gold=gold, id=id, annotator=annotator, replies=replies, classes=classes, form=form,
        abstain=abstain, normalize=normalize,
    )  # fmt: skip
    table, audits = read_audits(audited, table) if audited else (table, of_data(table))
    opened = api.opened(store)
    with resumable(), api.executor("", workers) as executor, showing(sys.stderr, executor.slots) as watch:
        common: dict[str, Any] = {"method": method, "audits": audits, "seed": seed, "settings": settings}
        common |= {"store": opened, "on": executor, "watch": watch}
        _fit(table, model, out, common, finetune=finetune or minutes is not None, minutes=minutes)
    took = duration(time.monotonic() - started)
    typer.echo(f"{out}: the model, README.md, report.html and predictions.parquet, in {took}")


def _fit(
    data: PracticeData, name: str, out: Path, common: dict[str, Any], *, finetune: bool, minutes: float | None
) -> None:
    """Fit the head and write its folder; then, if asked, do the same with the finetuned model."""
    from outgrow.practice.fit import fit
    from outgrow.practice.folder import earlier_command, write_folder
    from outgrow.practice.models import named
    from outgrow.practice.report import differing

    command, model, settings = shlex.join(["outgrow", *sys.argv[1:]]), named(name), common["settings"]
    fitted, earlier = fit(data, model, **common), earlier_command(out)
    write_folder(fitted, out, settings, command)
    if earlier not in ("", command):
        typer.echo(f"{out} held the model of `{earlier}`, which is replaced")
    if finetune:
        typer.echo("a head on frozen features, whose folder is written already:")
        _print(fitted)
        head, fitted = fitted, _finetuned(data, model, fitted, minutes, common)
        write_folder(fitted, out, settings, command)
        typer.echo(f"\nfinetuned ({_shown_method(fitted)}):")
        _warn_of_short_training(differing(head), differing(fitted))
    _print(fitted)


def _warn_of_short_training(head: float, finetuned: float) -> None:
    """Say so where finetuning has not even learned the labels that it was given as well as the head."""
    from outgrow.numbers import percent

    if finetuned > head + MORE:
        shares = f"{percent(finetuned)} % of the weak labels, the head on {percent(head)} %"
        typer.echo(f"warning: the finetuned model differs on {shares}: give it more time, or leave out --finetune")


def _finetuned(data: PracticeData, model: Any, frozen: Fitted, minutes: float | None, common: dict[str, Any]) -> Fitted:
    from outgrow.practice.budget import finetuning, within
    from outgrow.practice.fit import fit

    pinned, settings, seed = frozen.wanted.model, common["settings"], common["seed"]
    fit_method = finetuning(data, pinned, settings)
    if minutes is not None:
        fit_method = within(minutes, data, pinned, fit_method, seed=seed, settings=settings)
    return fit(data, model, fit_method=fit_method, others={"a head on frozen features": frozen.scored}, **common)


def _shown_method(fitted: Fitted) -> str:
    fit_method: Any = fitted.wanted.method
    amount = f"{fit_method.updates} updates" if fit_method.updates else f"{fit_method.epochs:g} epochs"
    return f"{type(fit_method).__name__.lower()}, {amount}"


def _print(fitted: Fitted) -> None:
    from outgrow.practice.report import lines

    for line in lines(fitted):
        typer.echo(line)


@app.command()
def predict(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that fit or export has written.")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A CSV, TSV, JSONL or Parquet file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The Parquet file for the predictions.")],
    text: Text = None,
    id: Id = None,
    device: Device = "cpu",
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Predict the rows of a file, in constant memory."""
    from outgrow.graph import Settings
    from outgrow.practice.predict import predict_file

    shown = sys.stderr.isatty()

    def show_progress(rows: int, seconds: float) -> None:
        if shown:
            print(f"\r{rows:,} rows, {rows / max(seconds, 1e-9):,.0f} rows/s", end="", file=sys.stderr, flush=True)

    started, settings = time.monotonic(), Settings(device=device, trust_remote_code=trust_remote_code)
    found = predict_file(folder, data, out, text=text or "", id=id or "", settings=settings, progress=show_progress)
    seconds = time.monotonic() - started
    if shown:
        print(file=sys.stderr)
    empty = f", {found.empty:,} of them without a text and so without a label" if found.empty else ""
    typer.echo(f"{out}: {found.rows:,} rows{empty}, {found.rows / seconds:,.0f} rows/s")
    if found.too_long:
        longer = f"{found.too_long:,} of {found.rows:,} texts are longer than {found.longest} tokens"
        typer.echo(f"{longer}: the rest is not read")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="A TOML file whose results are stored.")],
    cell: Annotated[str, typer.Argument(metavar="CELL", help="Its task/weak/strong/method/seed, or enough of it.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder for the student.")],
    store: StoreAt = RUNS,
    overrides: Overrides = None,
    seeds: Seeds = None,
    device: Device = "cpu",
    trust_pickle: TrustPickle = False,
    trust_remote_code: TrustRemoteCode = False,
    offline: Offline = False,
    no_plugins: NoPlugins = False,
) -> None:
    """Write a fitted student of an experiment into a folder, as a checkpoint that transformers loads."""
    from outgrow import api
    from outgrow.graph import Settings
    from outgrow.practice import export as exporting
    from outgrow.practice.folder import refuse_foreign
    from outgrow.source import resolved

    refuse_foreign(folder)
    settings = Settings(device=device, trust_pickle=trust_pickle, trust_remote_code=trust_remote_code, offline=offline)
    experiment = resolved(file, overrides=overrides or (), seeds=seeds, plugins=not no_plugins, settings=settings)
    found = exporting.export(experiment, cell, folder, api.opened(store), settings)
    typer.echo(f"{folder}: the student of {exporting.name_of(found)}")
