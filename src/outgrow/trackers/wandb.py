"""Weights & Biases: an offline run for each row, which `wandb sync` sends when you wish."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from outgrow.trackers.base import Tracked, Tracker


@dataclass(frozen=True, kw_only=True)
class Wandb(Tracker):
    """Nothing is sent: `wandb sync wandb/offline-run-*` does it later.

    folder: in which the folder `wandb` with the runs is. project: the name of their project.
    """

    packages: ClassVar[Mapping[str, str]] = {"wandb": "wandb"}

    folder: str = "."
    project: str = "outgrow"

    def write(self, rows: Sequence[Tracked]) -> int:
        done = Path(self.folder) / "wandb"
        new = [row for row in rows if not (done / f".{row.id}").exists()]
        for row in new:
            _write(self, row)
            (done / f".{row.id}").touch()  # last, so that a run that was cut off is written again
        return len(new)


def _write(tracker: Wandb, row: Tracked) -> None:
    import wandb

    folder = Path(os.path.realpath(tracker.folder))  # of this process: the library works in another one
    folder.mkdir(parents=True, exist_ok=True)
    quiet = wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_meta=True)
    run = wandb.init(
        project=tracker.project, dir=str(folder), id=row.id, name=row.name, config=dict(row.params), mode="offline",
        settings=quiet,
    )  # fmt: skip
    for values in row.curve:
        run.log({f"fit/{name}": value for name, value in values.items()})
    run.summary.update(dict(row.metrics))
    run.finish()
