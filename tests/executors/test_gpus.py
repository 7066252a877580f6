"""Processes of one machine share its GPUs: which are invented here, but the processes and their locks are real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gpus import invent
from test_cli import QUIZ

from outgrow.executors.inline import Inline
from outgrow.executors.pool import Pool
from outgrow.graph import Settings

TESTS = Path(__file__).parents[1]
CLAIMS = """
import sys
from gpus import invented
from outgrow.executors import _gpus
from outgrow.graph import Settings
from outgrow.types import UserError

_gpus.found = lambda: invented(80.0, 80.0, 24.0)
device, number = sys.argv[1:]
try:
    with _gpus.claimed(Settings(device=device), int(number) if number else None) as settings:
        print(settings.gpus, settings.gpu_gb, flush=True)
        sys.stdin.read()
except UserError as error:
    print(error)
"""
Claim = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "OUTGROW_CACHE": str(tmp_path / "cache"), "OUTGROW_STORE": ""}


@pytest.fixture
def claim(environment: dict[str, str]) -> Iterator[Claim]:
    """Starts processes that claim GPUs of a machine that has three, and keep them until they are ended."""
    going: list[subprocess.Popen[str]] = []

    def start(device: str, number: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-c", CLAIMS, device, number]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        going.append(subprocess.Popen(command, env=environment, text=True, **pipes))  # type: ignore[call-overload]
        return going[-1]

    yield start
    for each in going:
        each.kill()
        each.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_two_workers_of_a_machine_never_take_the_same_gpu(claim: Claim) -> None:
    first = claim("cuda", "2")
    assert said(first) == "(0, 1) 80.0"
    assert said(claim("cuda")) == "(2,) 24.0"
    assert said(claim("cuda", "1")) == (
        "--gpus 1: this machine has 3, and other processes of outgrow use 3 of them: wait until some are free"
    )
    assert said(claim("cuda")).startswith("all 3 GPUs of this machine are in use by other processes of outgrow: wait")
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert said(claim("cuda", "1")) == "(0,) 80.0"
    assert said(claim("cuda", "2")) == (
        "--gpus 2: this machine has 3, and other processes of outgrow use 2 of them: use --gpus 1"
    )


def test_more_gpus_than_there_are_is_an_error(claim: Claim) -> None:
    assert said(claim("cuda", "4")) == "--gpus 4: this machine has 3: use --gpus 3"


def test_a_gpu_that_is_named_is_shared_and_not_chosen_by_others(claim: Claim) -> None:
    assert said(claim("cuda:1")) == "() 80.0"
    assert said(claim("cuda:1")) == "() 80.0"
    assert said(claim("cuda")) == "(0, 2) 24.0"
    assert said(claim("cuda:0")) == "() 80.0"


def test_a_claim_ends_with_its_block_and_is_not_made_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invent(monkeypatch, 80.0, 40.0)
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path))
    with Pool(2) as pool:
        for _ in range(2):
            with pool.claimed(Settings(device="cuda"), 1) as outer, Inline().claimed(outer) as inner:
                assert outer.gpus == (0,)
                assert inner == outer
                assert (pool.machine(inner).gpus, pool.machine(inner).gpu_gb) == (1, 80.0)


def test_a_cache_folder_that_cannot_be_written_claims_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invent(monkeypatch, 80.0, 40.0)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "file"))
    with Inline().claimed(Settings(device="cuda")) as settings, Inline().claimed(Settings(device="cuda"), 2) as again:
        assert settings.gpus == again.gpus == (0, 1)


def work(environment: dict[str, str], folder: Path, gpus: str, *options: str) -> subprocess.CompletedProcess[str]:
    """`outgrow work` on a machine with invented GPUs."""
    (folder / "quiz.toml").write_text(QUIZ)
    command = [sys.executable, str(TESTS / "gpus.py"), gpus, "work", "quiz.toml", "--store", "runs", "--device", "cuda"]
    command += ["--on", "inline", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_a_worker_is_refused_gpus_that_another_has(claim: Claim, environment: dict[str, str], tmp_path: Path) -> None:
    assert said(claim("cuda", "2")) == "(0, 1) 80.0"
    refused = work(environment, tmp_path, "80,80,24", "--gpus", "2")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "--gpus 2: this machine has 3, and other processes of outgrow use 2 of them: use --gpus 1" in refused.stderr
    done = work(environment, tmp_path, "80,80,24", "--gpus", "1")
    assert done.returncode == 0, done.stderr
    assert " steps computed here" in done.stdout


def test_what_a_worker_leaves_to_others_is_counted_with_the_memory_of_a_gpu(
    environment: dict[str, str], tmp_path: Path
) -> None:
    left = work(environment, tmp_path, "80,80", "--gpus", "0", "--per-gpu", "4")
    assert left.returncode == 0, left.stderr
    lines = [line for line in left.stdout.splitlines() if line.startswith("left to others: ")]
    assert lines
    assert all("needs 0.25 GPUs (here 0)" in line for line in lines)
