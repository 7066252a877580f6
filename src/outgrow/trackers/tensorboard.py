"""TensorBoard: a folder of events for each row, with its parameters in the tab HParams."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from outgrow.trackers.base import Tracked, Tracker


@dataclass(frozen=True, kw_only=True)
class Tensorboard(Tracker):
    """`tensorboard --logdir tensorboard` shows it.

    folder: of the events, relative to the working directory.
    """

    packages: ClassVar[Mapping[str, str]] = {"tensorboard": "tensorboard"}

    folder: str = "tensorboard"

    def write(self, rows: Sequence[Tracked]) -> int:
        new = [(row, path) for row in rows if not (path := Path(self.folder) / _folder(row)).exists()]
        for row, path in new:
            draft = path.with_name(f".{uuid.uuid4().hex}")
            try:
                _write(row, draft)
                draft.rename(path)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        return len(new)


def _folder(row: Tracked) -> str:
    plain = re.sub(r"[^\w.+-]+", "-", row.name)[:100]
    return f"{plain}-{row.id}"


def _write(row: Tracked, folder: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        writer.add_hparams(dict(row.params), dict(row.metrics), run_name=".")
        for check, values in enumerate(row.curve):
            for name, value in values.items():
                writer.add_scalar(f"fit/{name}", value, check)
