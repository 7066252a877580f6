"""Owners of leases that are suspended, robbed, or whose files are taken away: one result, and no traceback."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from owner import STEPS

from outgrow.executors.inline import Inline
from outgrow.graph import run
from outgrow.store import Store

OWNER = Path(__file__).with_name("owner.py")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    store = Store(str(tmp_path_factory.mktemp("reference") / "store"))
    with Inline() as inline:
        assert not run(STEPS, store, inline).failures
    return {step.key: store.manifest(step.key).files for step in STEPS}


@contextmanager
def owner(store: Store, executor: str = "inline") -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "OUTGROW_CHECKPOINT_SECONDS": "0.05"}
    command = [sys.executable, str(OWNER), store.url, executor]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def at_work(store: Store) -> None:
    """Wait until a checkpoint is there."""
    end = time.monotonic() + 60
    while not list(Path(store.url, "scratch").glob("*/*/checkpoint-*")):
        assert time.monotonic() < end, "no checkpoint in a minute"
        time.sleep(0.01)


def ended(*processes: subprocess.Popen[str]) -> list[str]:
    return [process.communicate(timeout=120)[0] for process in processes]


def agree(store: Store, expected: dict[str, Any], outputs: list[str]) -> None:
    for output in outputs:
        assert "Traceback" not in output, output
        assert "TRACEBACK" not in output, output
    with Inline() as inline:
        assert not run(STEPS, store, inline).failures
    assert {step.key: store.manifest(step.key).files for step in STEPS} == expected
    assert not list(Path(store.url).glob("damaged/*"))


def children(pid: int) -> list[int]:
    """The worker processes of a pool, and its resource tracker."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


TAKEN: dict[str, Callable[[Path], object]] = {
    "the file of the lease": lambda store: [path.unlink() for path in (store / "leases").iterdir()],
    "the folder of leases": lambda store: shutil.rmtree(store / "leases"),
    "its content": lambda store: [path.write_bytes(b"\0{[") for path in (store / "leases").iterdir()],
    "a file in place of the folder": lambda store: (shutil.rmtree(store / "leases"), (store / "leases").touch()),
    "the file, a folder in its place": lambda store: [
        (path.unlink(), path.mkdir()) for path in list((store / "leases").iterdir())
    ],
    "the file, a loop of links in its place": lambda store: [
        (path.unlink(), path.symlink_to(path.name)) for path in list((store / "leases").iterdir())
    ],
    "all of scratch, a file in its place": lambda store: (
        shutil.rmtree(store / "scratch"),
        (store / "scratch").touch(),
    ),
    "the files of its checkpoints, folders in their place": lambda store: [
        (path.unlink(), path.mkdir()) for path in list((store / "scratch").glob("*/*/checkpoint-*/*"))
    ],
    "the scratch of the step": lambda store: [shutil.rmtree(path) for path in (store / "scratch").iterdir()],
    "all of scratch": lambda store: shutil.rmtree(store / "scratch"),
    "its checkpoints": lambda store: [shutil.rmtree(path) for path in (store / "scratch").glob("*/*/checkpoint-*")],
    "what is in its checkpoints": lambda store: [
        path.unlink(missing_ok=True) for path in (store / "scratch").glob("*/*/checkpoint-*/*")
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("what", TAKEN)
@pytest.mark.parametrize("executor", ["inline", "pool"])
def test_files_that_are_taken_from_a_run_at_work(
    what: str, executor: str, expected: dict[str, Any], tmp_path: Path
) -> None:
    store = Store(str(tmp_path / "store"))
    with owner(store, executor) as process:
        at_work(store)
        with suppress(FileNotFoundError):  # of a file that the run replaces meanwhile
            TAKEN[what](Path(store.url))
        outputs = ended(process)
    for name in ("leases", "scratch"):
        if (Path(store.url) / name).is_file():
            (Path(store.url) / name).unlink()
    agree(store, expected, outputs)


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["inline", "pool"])
@pytest.mark.parametrize("who", ["parent", "workers", "all"])
def test_who_is_suspended_is_robbed_and_waits(
    executor: str, who: str, expected: dict[str, Any], tmp_path: Path
) -> None:
    store = Store(str(tmp_path / "store"))
    with owner(store, executor) as first:
        at_work(store)
        stopped = [*([first.pid] if who != "workers" else []), *(children(first.pid) if who != "parent" else [])]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        with owner(store) as second:
            time.sleep(2.5)
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
            outputs = ended(first, second)
    agree(store, expected, outputs)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_three_owners_that_sleep_in_turns(seed: int, expected: dict[str, Any], tmp_path: Path) -> None:
    """Each is suspended at random moments, for longer or shorter than the patience of the others."""
    rng, store = random.Random(seed), Store(str(tmp_path / "store"))
    with owner(store, "pool") as first, owner(store) as second, owner(store) as third:
        processes, naps = (first, second, third), 0
        while naps < 12 and any(process.poll() is None for process in processes):
            process = rng.choice(processes)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGSTOP)
                time.sleep(rng.choice((0.05, 0.3, 1.0, 2.2)))
                os.killpg(process.pid, signal.SIGCONT)
                naps += 1
            time.sleep(rng.uniform(0, 0.3))
        outputs = ended(*processes)
    agree(store, expected, outputs)
