"""What `outgrow plan --resources` shows: what each step needs of a machine, and about how long it takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from outgrow.graph import Plan, Resources, Settings


def needs(planned: Plan, settings: Settings) -> dict[str, dict[str, Any]]:
    """Resources and seconds of each step to do, by key. Raises UserError for what does not fit on this machine."""
    found = _needed(planned, settings)
    return {key: {**asdict(needed), "seconds": planned.seconds[key]} for key, needed in found.items()}


def print_resources(planned: Plan, settings: Settings) -> None:
    """Steps of one title and need are one line. Raises UserError for what does not fit on this machine."""
    from outgrow.progress import duration

    found = _needed(planned, settings)
    alike = Counter((step.title, found[step.key], round(planned.seconds[step.key], 1)) for step in planned.todo)
    for (title, needed, seconds), number in alike.items():
        times = f"{number} times " if number > 1 else ""
        typer.echo(f"  {times}{title}: {_shown(needed)}, about {duration(seconds)}{' each' if number > 1 else ''}")
    typer.echo(f"about {duration(sum(planned.seconds.values()))} of one step after the other")


def _needed(planned: Plan, settings: Settings) -> dict[str, Resources]:
    from outgrow.executors._gpus import with_gpu_memory
    from outgrow.executors._machine import machine
    from outgrow.graph import check_resources

    settings = with_gpu_memory(settings)
    check_resources(planned.todo, machine(settings, workers=max(settings.shards, 1)), settings)
    return {step.key: step.resources(settings) for step in planned.todo}


def _shown(needed: Resources) -> str:
    gpus = f", {needed.gpus:.2g} GPU with {needed.gpu_gb:.1f} GB" if needed.gpus else ""
    return f"{needed.cores} core{'s' if needed.cores > 1 else ''}, {needed.memory_gb:.1f} GB{gpus}"
