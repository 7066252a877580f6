"""The commands on an experiment: run, plan, results, report."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outgrow.cli.options import (
    RUNS,
    Analyses,
    Deterministic,
    Device,
    File,
    Log,
    MemoryGb,
    Microbatch,
    NoPlugins,
    Offline,
    On,
    Overrides,
    PerGpu,
    Recompute,
    Seeds,
    Shards,
    Site,
    StoreAt,
    TrustPickle,
    TrustRemoteCode,
    Workers,
    app,
)
from outgrow.cli.resources import needs, print_resources
from outgrow.cli.running import (
    fail,
    logging_to,
    path_of,
    print_json,
    read_experiment,
    resumable,
    settings_from,
    source_from,
    writable_file,
    writable_folder,
)

if TYPE_CHECKING:
    from outgrow.api import Results
    from outgrow.report.results import Results as Numbers
    from outgrow.store import Store


@app.command()
def run(
    file: File = None,
    store: StoreAt = RUNS,
    overrides: Overrides = None,
    seeds: Seeds = None,
    analyses: Analyses = "",
    on: On = "",
    workers: Workers = None,
    device: Device = "cpu",
    microbatch: Microbatch = None,
    gradient_checkpointing: Recompute = False,
    deterministic: Deterministic = False,
    shards: Shards = 1,
    per_gpu: PerGpu = 1,
    memory_gb: MemoryGb = None,
    report: Annotated[Path | None, typer.Option(help="Where to write the report; by default NAME-report.html.")] = None,
    site: Site = None,
    trust_pickle: TrustPickle = False,
    trust_remote_code: TrustRemoteCode = False,
    offline: Offline = False,
    log: Log = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Run the steps of an experiment that are not stored yet, and write its report."""
    from outgrow import api
    from outgrow.preflight import notes
    from outgrow.progress import duration, showing

    started = time.monotonic()
    settings = settings_from(
        device, trust_pickle, trust_remote_code, offline, microbatch=microbatch, shards=shards, per_gpu=per_gpu,
        gradient_checkpointing=gradient_checkpointing, memory_gb=memory_gb, deterministic=deterministic,
    )  # fmt: skip
    read_experiment(file, overrides, seeds, no_plugins, analyses)  # a wrong one is refused before anything is opened
    request, opened_store = source_from(file, overrides, seeds, no_plugins, analyses), api.opened(store)
    path = _destination(file, report, "--report", site, opened_store, log)
    with (
        logging_to(log, opened_store),
        resumable(),
        api.executor(on, workers, plugins=not no_plugins) as executor,
        showing(sys.stderr, executor.slots) as watch,
    ):
        results = api.run(**request, store=opened_store, on=executor, settings=settings, watch=watch)
    written = _refresh(results, path, is_site=site is not None)  # before anything is printed, maybe to a closed pipe
    _print_table(results.numbers)
    for name, finding in results.findings.items():
        typer.echo(f"{name}: {finding.sentence}")
    for note in notes(results.experiment, settings):
        typer.echo(f"note: {note}")
    for why in results.untracked:
        typer.echo(f"warning: {why}", err=True)
    typer.echo(f"report: {path}{'' if written else ' (up to date)'}")
    assert results.outcome is not None
    counts = f"{len(results.outcome.computed)} steps computed, {len(results.outcome.cached)} cached"
    idle = f", workers idle {results.outcome.idle:.0%}" if results.outcome.computed and executor.slots > 1 else ""
    typer.echo(f"{counts}, in {duration(time.monotonic() - started)}{idle}")
    if results.failures:
        fail(results.failures, len(results.outcome.skipped))


@app.command()
def plan(
    file: File = None,
    store: StoreAt = RUNS,
    overrides: Overrides = None,
    seeds: Seeds = None,
    analyses: Analyses = "",
    resources: Annotated[bool, typer.Option("--resources", help="What each step needs; what will not fit.")] = False,
    device: Device = "cpu",
    microbatch: Microbatch = None,
    gradient_checkpointing: Recompute = False,
    shards: Shards = 1,
    per_gpu: PerGpu = 1,
    memory_gb: MemoryGb = None,
    trust_pickle: TrustPickle = False,
    trust_remote_code: TrustRemoteCode = False,
    offline: Offline = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    no_plugins: NoPlugins = False,
) -> None:
    """Show which steps are still to do, and how each differs from what is stored.

    Classes named as package.module:Class are imported, which runs their code, unless --no-plugins is given.
    """
    from outgrow import api
    from outgrow.experiment.texts import new_texts
    from outgrow.preflight import notes

    settings = settings_from(
        device, trust_pickle, trust_remote_code, offline, microbatch=microbatch, shards=shards, per_gpu=per_gpu,
        gradient_checkpointing=gradient_checkpointing, memory_gb=memory_gb,
    )  # fmt: skip
    experiment = api.checked_experiment(
        read_experiment(file, overrides, seeds, no_plugins, analyses), settings=settings
    )
    planned = api.plan(experiment, store=store, settings=settings)
    if as_json:
        needed = needs(planned, settings) if resources else {}
        todo = [
            {"key": step.key, "title": step.title, "why": planned.why[step.key], **needed.get(step.key, {})}
            for step in planned.todo
        ]
        print_json({"todo": todo, "cached": [{"key": step.key, "title": step.title} for step in planned.cached]})
        return
    for note in notes(experiment, settings):
        typer.echo(f"note: {note}")
    typer.echo(f"{len(planned.todo)} steps to do, {len(planned.cached)} cached")
    if resources:
        print_resources(planned, settings)
        return
    for new in new_texts(planned.todo, planned.store):
        typer.echo(f"frozen features of {new}")
    for step in planned.todo:
        typer.echo(f"  {step.key}  {step.title}: {planned.why[step.key]}")


@app.command()
def results(
    file: File = None,
    store: StoreAt = RUNS,
    overrides: Overrides = None,
    seeds: Seeds = None,
    format: Annotated[str, typer.Option("--format", help="table, json, csv or md; svg of an analysis.")] = "table",
    by: Annotated[str | None, typer.Option("--by", metavar="FACET", help="By rating, theme, difficulty ...")] = None,
    analysis: Annotated[
        str, typer.Option("--analysis", metavar="NAME", help="Print the finding of this analysis.")
    ] = "",
    examples: Annotated[
        str | None, typer.Option("--examples", metavar="WHICH", help='Such as "student right, supervisor wrong".')
    ] = None,
    device: Device = "cpu",
    trust_pickle: TrustPickle = False,
    trust_remote_code: TrustRemoteCode = False,
    offline: Offline = False,
    no_plugins: NoPlugins = False,
) -> None:
    """Print the stored results of an experiment: over all test examples, by a facet, the finding of an analysis, or
    the examples that some models get right and others wrong."""
    from outgrow import api
    from outgrow.report.example_tables import text as example_text
    from outgrow.report.examples import read as read_examples
    from outgrow.report.findings import FINDING_FORMATS
    from outgrow.report.findings import text as finding_text
    from outgrow.report.tables import FORMATS, text
    from outgrow.types import UserError

    formats = FINDING_FORMATS if analysis else FORMATS
    if format not in formats:
        raise UserError(f"no format called {format!r}: choose one of {', '.join(formats)}")
    settings = settings_from(device, trust_pickle, trust_remote_code, offline)
    views = {"--analysis": analysis or None, "--by": by, "--examples": examples}
    if len(given := [name for name, value in views.items() if value is not None]) > 1:
        raise UserError(f"{' and '.join(given)} are views of the results: give one of them")
    stored = api.results(**source_from(file, overrides, seeds, no_plugins, analysis), store=store, settings=settings)
    if analysis:
        print(finding_text(analysis, stored.findings[analysis], format), end="")
        return
    if examples is not None:
        print(example_text(read_examples(stored.experiment, stored.store, examples), format), end="")
        return
    numbers = stored.numbers if by is None else stored.sliced(by)
    if format == "table":
        _print_table(numbers)
    else:
        print(text(numbers.records, format), end="")


@app.command()
def report(
    file: File = None,
    store: StoreAt = RUNS,
    overrides: Overrides = None,
    seeds: Seeds = None,
    analyses: Analyses = "",
    out: Annotated[Path | None, typer.Option("--out", help="By default NAME-report.html.")] = None,
    site: Site = None,
    device: Device = "cpu",
    trust_pickle: TrustPickle = False,
    trust_remote_code: TrustRemoteCode = False,
    offline: Offline = False,
    no_plugins: NoPlugins = False,
) -> None:
    """Write the report of an experiment: one HTML page, or a small site with a page for each comparison."""
    from outgrow import api

    read_experiment(file, overrides, seeds, no_plugins, analyses)
    opened_store = api.opened(store)
    path = _destination(file, out, "--out", site, opened_store)
    settings = settings_from(device, trust_pickle, trust_remote_code, offline)
    found = api.results(
        **source_from(file, overrides, seeds, no_plugins, analyses), store=opened_store, settings=settings
    )
    typer.echo(f"report: {found.site(site) if site else found.report(path)}")


def _destination(
    file: Path | None, page: Path | None, option: str, site: Path | None, store: Store, log: Path | None = None
) -> Path:
    """Where the report goes, after a check that it can be written there and is not the log: a page, or the index of a
    site."""
    from outgrow.report.folder import former
    from outgrow.report.page import is_page
    from outgrow.report.site import INDEX
    from outgrow.types import UserError

    if site and page:
        raise UserError(f"{option} and --site are two forms of the report: give one of them")
    if site:
        former(site)
        path = writable_folder(site, "--site", store) / INDEX
    else:
        path = page or Path(f"{path_of(file).stem}-report.html")
        path = writable_file(path, option, store, is_page, "an HTML page")
    if log and os.path.realpath(log) == os.path.realpath(path):
        raise UserError(f"--log and {option} are one file, {log}: name two")
    return path


def _print_table(numbers: Numbers) -> None:
    from rich.console import Console

    from outgrow.report.tables import table

    width = None if sys.stdout.isatty() else 140  # the width of a pipe or a file is unknown
    console = Console(width=width)
    with console.capture() as captured:  # printed below: rich exits with a code of its own for a closed pipe
        console.print(table(numbers.aggregates))
    print(captured.get(), end="")


def _refresh(results: Results, path: Path, is_site: bool) -> bool:
    """Write the report unless the file shows these numbers already, since drawing takes seconds. Returns whether it
    was written: a site always is."""
    import hashlib
    import json

    from outgrow.types import UserError

    if is_site:
        results.site(path.parent)
        return True
    failures = [str(failure) for failure in results.failures]
    content = json.dumps([results.records, failures, results.toml, repr(results.findings)], sort_keys=True)
    mark = f"\n<!-- {hashlib.sha256(content.encode()).hexdigest()} -->\n"
    assert results.outcome is not None
    if not results.outcome.computed and path.is_file() and path.read_bytes().endswith(mark.encode()):
        return False
    try:
        with results.report(path).open("a", encoding="utf-8") as page:
            page.write(mark)
    except OSError as error:
        text = f"the report {path} cannot be written ({error.strerror}): the results are stored, name another file"
        raise UserError(text) from None
    return True
