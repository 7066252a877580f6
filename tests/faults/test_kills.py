"""`kill -9` at random moments costs at most the work since the last checkpoint, and never a byte of the result."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from driver import targets

from outgrow.executors.inline import Inline
from outgrow.graph import run, walk
from outgrow.store import Store

DRIVER = Path(__file__).parent / "driver.py"


def start(store: Store, executor: str, pieces: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "OUTGROW_CHECKPOINT_SECONDS": "0.03"}
    command = [sys.executable, str(DRIVER), store.url, executor, "--pieces", str(pieces)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def data_files(store: Store, pieces: int) -> dict[str, Any]:
    """Checksums of every data file, by key."""
    return {step.key: store.manifest(step.key).files for step in walk(targets(pieces)) if store.fetch(step.key)}


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] not in "ZX":
            found.append(int(stat.parent.name))
    return found


def kill_many(tmp_path: Path, executor: str, kills: int, workers: bool, pieces: int, seed: int) -> None:
    """Start, kill and start again until `kills` kills have hit a run at work; every finished store must agree."""
    rng = random.Random(seed)
    reference = Store(str(tmp_path / "reference"))
    with Inline() as inline:
        run(targets(pieces), reference, inline)
    expected = data_files(reference, pieces)
    hits = finished = 0
    store = Store(str(tmp_path / "store-0"))
    while hits < kills or not finished:
        process = start(store, executor, pieces)
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        if hits < kills:
            time.sleep(rng.uniform(0, 0.1 + pieces * 0.01))
            victims = children(process.pid) if workers else [process.pid]
            if process.poll() is None and victims:
                os.kill(rng.choice(victims), signal.SIGKILL)
                hits += 1
        output, _ = process.communicate(timeout=60)
        if process.returncode == 0:
            assert data_files(store, pieces) == expected
            assert not store.check().damaged
            finished += 1
            store = Store(str(tmp_path / f"store-{finished}"))
        else:
            assert process.returncode == -signal.SIGKILL, output


def test_kills_of_a_run(tmp_path: Path) -> None:
    kill_many(tmp_path, "inline", kills=14, workers=False, pieces=15, seed=1)


def test_kills_of_a_run_with_workers(tmp_path: Path) -> None:
    kill_many(tmp_path, "pool", kills=4, workers=False, pieces=15, seed=2)


def test_kills_of_workers(tmp_path: Path) -> None:
    kill_many(tmp_path, "pool", kills=3, workers=True, pieces=15, seed=3)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("executor", "workers"), [("inline", False), ("pool", False), ("pool", True)])
def test_many_more_kills(tmp_path: Path, executor: str, workers: bool) -> None:
    kill_many(tmp_path, executor, kills=40, workers=workers, pieces=60, seed=4)


def test_a_kill_costs_no_more_than_the_work_since_the_last_checkpoint(tmp_path: Path) -> None:
    from toys import Chain

    store = Store(str(tmp_path / "store"))
    process = start(store, "inline", 200)
    scratch = Path(store.url, "scratch", Chain(seed=0, pieces=200).key)
    end = time.monotonic() + 20
    while not list(scratch.glob("*/checkpoint-00000001*")):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    process.communicate()
    (last,) = sorted(scratch.glob("*/checkpoint-*"))[-1:]
    done = int((last / "done.txt").read_text())
    fractions: list[float] = []
    with Inline() as inline:
        run([Chain(seed=0, pieces=200)], store, inline, watch=lambda e: fractions.append(e.fraction or 0))
    assert min(fraction for fraction in fractions if fraction) >= (done + 1) / 200
