"""`outgrow list`: the tasks, models and methods that an experiment can name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from outgrow.cli.options import app


@app.command(name="list")
def list_plugins(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="tasks, models, supervisors, losses, analyses: any folder of plug-ins.",
        ),
    ],
) -> None:
    """List the tasks, models or methods that an experiment can name."""
    from outgrow.plugins import FOLDERS, described, nearest
    from outgrow.types import UserError

    kinds = {folder: name for name, folder in FOLDERS.items()}
    if kind not in kinds:
        raise UserError(f"nothing called {kind!r} to list.{nearest(kind, kinds)} Known: {', '.join(kinds)}")
    entries = described(kinds[kind])
    width = max(map(len, entries), default=0)
    for name, line in entries.items():
        typer.echo(f"{name:{width}}  {line}")
        if kind == "models" and (sizes := _sizes(name)):
            typer.echo(f"{'':{width}}  {sizes}")


def _sizes(family: str) -> str:
    """The sizes of a bundled family with their weights: `pawn 24.6k, knight 0.12M`."""
    from outgrow.graph import Settings
    from outgrow.models.base import counted
    from outgrow.plugins import find

    kind: Any = find("model", family)
    return ", ".join(f"{size} {counted(kind(size=size).parameters(Settings()))}" for size in kind.sizes())
