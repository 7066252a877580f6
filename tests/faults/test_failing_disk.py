"""Calls of the system that fail while a model is fitted and saved: one line, no partial result, and the next run ends
as one on a disk that works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("runs", "seed"), [(6, 0), pytest.param(150, 1, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_a_disk_that_fails_in_any_call_costs_nothing_but_time(runs: int, seed: int, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs a C compiler on Linux")
    library = tmp_path / "failing_disk.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, HERE / "failing_disk.c", "-ldl"], check=True)
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "OUTGROW_CHECKPOINT_SECONDS": "0",
        "OUTGROW_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(HERE / "failing_disk.py"), str(tmp_path / "runs"), str(runs), str(seed)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert " 0 went wrong" in done.stdout
    assert " met 0 faults" not in done.stdout
