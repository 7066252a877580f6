"""`kill -9` in the middle of a real finetuning: its checkpoints bring it to the same bytes as an undisturbed one."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from outgrow.executors.inline import Inline
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.experiment.steps import Fit
from outgrow.graph import Step, run, walk
from outgrow.models.ladder import Ladder
from outgrow.store import Store
from outgrow.tasks.base import Split
from outgrow.tasks.chess_puzzles import ChessPuzzles

SIZES: dict[Split, int | None] = {
    "weak_train": 160,
    "transfer": 640,
    "transfer_validation": 32,
    "validation": 32,
    "test": 32,
}
KILLS = 6
fork = multiprocessing.get_context("fork")  # a child that need not import anything again: twenty seconds each


def student() -> Fit:
    planned = Experiment(
        tasks=(ChessPuzzles(),), weak=(Ladder(size="pawn"),), strong=(Ladder(size="knight"),), sizes=SIZES, seeds=(0,)
    )
    (cell,) = cells(planned.pinned())
    return cell.student_fit


def work(url: str) -> None:
    os.environ["OUTGROW_CHECKPOINT_SECONDS"] = "0"
    with Inline() as inline:
        run([student()], Store(url), inline)


def data_files(store: Store, steps: tuple[Step[Any], ...]) -> dict[str, Any]:
    return {step.key: store.manifest(step.key).files for step in steps}


@pytest.mark.timeout(300)
def test_kills_of_a_finetuning_cost_no_byte(tmp_path: Path) -> None:
    rng = random.Random(0)
    target = student()
    reference, store = Store(str(tmp_path / "reference")), Store(str(tmp_path / "store"))
    child = fork.Process(target=work, args=(reference.url,))
    child.start()
    child.join()
    assert child.exitcode == 0
    hits, last = 0, ""
    while target.key not in store.listing():
        child = fork.Process(target=work, args=(store.url,))
        child.start()
        while hits < KILLS and child.is_alive():
            now = newest(store, target)
            if now > last:  # it is at work, and further than at the last kill
                time.sleep(rng.uniform(0, 0.05))
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)
                hits, last = hits + 1, newest(store, target)
                break
            time.sleep(0.005)
        child.join()
        assert child.exitcode in (0, -signal.SIGKILL)
    assert hits >= KILLS - 1  # the last one may come as it ends
    steps = walk([target])
    assert data_files(store, steps) == data_files(reference, steps)
    assert not store.check().damaged


def newest(store: Store, step: Fit) -> str:
    """The name of the last checkpoint, which rises; empty before the first."""
    try:
        return max((path.name for path in Path(store.url, "scratch", step.key).glob("*/checkpoint-*")), default="")
    except FileNotFoundError:  # the folder went while it was listed: the step was committed
        return ""
