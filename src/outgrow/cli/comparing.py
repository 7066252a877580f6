"""The command that sets two experiments side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from outgrow.cli.options import (
    RUNS,
    Device,
    NoPlugins,
    Offline,
    Seeds,
    StoreAt,
    TrustPickle,
    TrustRemoteCode,
    app,
    not_empty,
)
from outgrow.cli.running import settings_from, writable_file

First = Annotated[Path, typer.Argument(help="A TOML file.")]
Second = Annotated[Path, typer.Argument(help="Another one, or the same with another store.")]


@app.command()
def compare(
    first: First,
    second: Second,
    store: StoreAt = RUNS,
    second_store: Annotated[
        str | None, typer.Option("--second-store", callback=not_empty, help="By default the same store.")
    ] = None,
    seeds: Seeds = None,
    format: Annotated[str, typer.Option("--format", help="table, json, csv, md or svg.")] = "table",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write an HTML page, too.")] = None,
    device: Device = "cpu",
    trust_pickle: TrustPickle = False,
    trust_remote_code: TrustRemoteCode = False,
    offline: Offline = False,
    no_plugins: NoPlugins = False,
) -> None:
    """Set two experiments side by side: what their common comparisons differ by, the second minus the first."""
    from outgrow import api
    from outgrow.report.findings import FINDING_FORMATS
    from outgrow.report.page import is_page
    from outgrow.types import UserError

    if format not in FINDING_FORMATS:
        raise UserError(f"no format called {format!r}: choose one of {', '.join(FINDING_FORMATS)}")
    stores = [api.opened(store), api.opened(second_store or store)]
    if os.path.realpath(first) == os.path.realpath(second) and str(stores[0]) == str(stores[1]):
        raise UserError(f"{first} is given twice, with one store: name two experiments, or give --second-store")
    if out:
        for each in stores:
            writable_file(out, "--out", each, is_page, "an HTML page")
    settings = settings_from(device, trust_pickle, trust_remote_code, offline)
    a, b = (
        api.results(file, store=opened, seeds=seeds, plugins=not no_plugins, settings=settings)
        for file, opened in zip((first, second), stores, strict=True)
    )
    found = api.compare(a, b, names=_names(first, second))
    if out:
        found.report(out)
    print(found.text(format), end="")


def _names(first: Path, second: Path) -> tuple[str, str]:
    """The names of the files, with their folders where they would be alike."""
    if first.stem != second.stem:
        return first.stem, second.stem
    folders = [Path(os.path.realpath(file)).parent.name for file in (first, second)]
    if folders[0] != folders[1]:
        return f"{folders[0]}/{first.stem}", f"{folders[1]}/{second.stem}"
    return f"{first.stem} (first)", f"{second.stem} (second)"
