"""The application, and the arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RUNS = "runs"
HELP = "Weak-to-strong generalization: train a strong student on weak labels and measure how far it outgrows them."

# Without rich in help texts `outgrow --help` takes a third of the time.
app = typer.Typer(
    rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def not_empty(text: str | None) -> str | None:
    """The text of an option. Raises BadParameter for an empty one."""
    if text is not None and not text.strip():
        raise typer.BadParameter("it is empty")
    return text


File = Annotated[Path | None, typer.Argument(help="A TOML file; the bundled chess experiment if there is none.")]
StoreAt = Annotated[
    str,
    typer.Option("--store", envvar="OUTGROW_STORE", callback=not_empty, help="Folder or URL of the stored steps."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Change a field: sizes.test=500, methods[0].loss.weight=0.5."),
]
Seeds = Annotated[
    str | None,
    typer.Option("--seeds", metavar="N|LIST", help="How many seeds (5), or which (0,1,2 or 0-4; one alone as 7,)."),
]
Analyses = Annotated[
    str, typer.Option("--analyses", metavar="NAME,...", help="Analyses to add: see `outgrow list analyses`.")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, max=1024, help="Processes; by default one a core.")]
On = Annotated[
    str, typer.Option("--on", help="inline, pool, ray, or package.module:Class; by default a pool if there are cores.")
]
Microbatch = Annotated[int | None, typer.Option(min=1, help="Examples at once: fewer need less memory.")]
Recompute = Annotated[
    bool, typer.Option("--gradient-checkpointing", help="Compute activations twice: less memory, a third more time.")
]
Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="On a GPU: slower kernels, the same result to the byte each time.")
]
Shards = Annotated[int, typer.Option(min=1, max=1024, help="Devices that share the weights of a student.")]
PerGpu = Annotated[int, typer.Option(min=1, max=64, help="Steps on one GPU at a time, where its memory allows.")]
MemoryGb = Annotated[
    float | None, typer.Option(min=0.1, help="Memory that steps may use together; by default all of the machine.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")]
TrustPickle = Annotated[bool, typer.Option("--trust-pickle", help="Load pickled weights.")]
TrustRemoteCode = Annotated[bool, typer.Option("--trust-remote-code", help="Run a checkpoint's code.")]
Offline = Annotated[bool, typer.Option("--offline", help="Use what is on this machine only.")]
Site = Annotated[Path | None, typer.Option("--site", metavar="FOLDER", help="Write a site of pages into this folder.")]
Log = Annotated[Path | None, typer.Option("--log", metavar="FILE", help="Append the events of the run to this file.")]
NoPlugins = Annotated[bool, typer.Option("--no-plugins", help="Refuse classes from outside the package.")]


def _version(requested: bool) -> None:
    if requested:
        from outgrow import __version__

        typer.echo(f"outgrow {__version__}")
        raise typer.Exit


@app.callback(help=HELP)
def common(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Runs before every command."""
    try:
        Path.cwd()
    except OSError:
        from outgrow.types import UserError

        raise UserError("the working directory no longer exists: change to another one") from None
