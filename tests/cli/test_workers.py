"""`outgrow work` and `outgrow status`, as processes of their own."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from test_cli import BROKEN, QUIZ
from test_cli_process import outgrow, start

from outgrow.store import Store

SLOW = QUIZ.replace("seeds = [0, 1]", "seeds = [0]").replace(
    '[recipes."fakes/large"]\nname = "fakes:FakeMethod"',
    '[recipes."fakes/large"]\nname = "fakes:SlowMethod"\npieces = 150\nlog = "pieces.log"',
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "quiz.toml").write_text(QUIZ)
    return tmp_path


def test_workers_share_an_experiment_and_end_when_nothing_is_left(folder: Path) -> None:
    assert outgrow(folder, "run", "quiz.toml", "--on", "inline", "--store", "alone")[0] == 0
    workers = [start(folder, "work", "quiz.toml", "--on", "inline", "--name", name) for name in "ab"]
    summaries = [worker.communicate(timeout=120)[0].splitlines()[-1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    computed = [int(line.split()[0]) for line in summaries]
    alone, shared = Store(str(folder / "alone")), Store(str(folder / "runs"))
    assert sum(computed) == len(shared.listing())
    assert alone.listing() == shared.listing()
    for key in alone.listing():
        assert alone.manifest(key).files == shared.manifest(key).files
    code, out, err = outgrow(folder, "work", "quiz.toml", "--on", "inline")
    assert (code, err) == (0, "")
    assert out.startswith("0 steps computed here")
    code, out, _ = outgrow(folder, "status", "quiz.toml")
    assert (code, out) == (0, f"{len(shared.listing())} of {len(shared.listing())} steps done, 0 failed; 0 workers\n")


def test_a_failure_is_recorded_shown_and_tried_again_when_asked(folder: Path) -> None:
    (folder / "quiz.toml").write_text(BROKEN.replace("HOW", "user"))
    code, _, err = outgrow(folder, "work", "quiz.toml", "--on", "inline")
    assert code == 2
    assert "error: fit fakes/large" in err
    assert "Traceback" not in err
    code, _, err = outgrow(folder, "work", "quiz.toml", "--on", "inline")
    assert code == 2
    assert "--retry tries it again" in err
    found = json.loads(outgrow(folder, "status", "quiz.toml", "--json")[1])
    assert {each["text"] for each in found["failed"].values()} == {"the fake method does not like this: try another"}
    code, _, err = outgrow(folder, "work", "quiz.toml", "--on", "inline", "--retry")
    assert code == 2
    assert "--retry tries it again" not in err


@pytest.mark.parametrize("on", ["inline", pytest.param("pool", marks=pytest.mark.slow)])
def test_a_terminated_worker_saves_a_checkpoint_and_asks_for_a_requeue(folder: Path, on: str) -> None:
    (folder / "quiz.toml").write_text(SLOW)
    worker = start(folder, "work", "quiz.toml", "--on", on, "--workers", "1")
    log, end = folder / "pieces.log", time.monotonic() + 60
    while not log.exists() or len(log.read_text().splitlines()) < 5:
        assert time.monotonic() < end
        time.sleep(0.02)
    worker.send_signal(signal.SIGTERM)
    _, err = worker.communicate(timeout=30)
    assert worker.returncode == 75
    assert err.splitlines()[-1].startswith("terminated: finished steps and checkpoints are stored")
    assert "Traceback" not in err
    assert Store(str(folder / "runs")).storage.names("leases") == set()
    assert len(log.read_text().splitlines()) < 600
    code, _, err = outgrow(folder, "work", "quiz.toml", "--on", on, "--workers", "1")
    assert code == 0, err
    assert set(Counter(log.read_text().splitlines()).values()) == {1}  # no piece was lost or done twice


def test_an_interrupted_worker_ends_as_a_run_does(folder: Path) -> None:
    (folder / "quiz.toml").write_text(SLOW)
    worker = start(folder, "work", "quiz.toml", "--on", "inline")
    end = time.monotonic() + 60
    while not (folder / "pieces.log").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    worker.send_signal(signal.SIGINT)
    assert worker.communicate(timeout=30)[1].splitlines()[-1] == (
        "interrupted: finished steps are stored, run again to go on"
    )
    assert worker.returncode == 130


def test_what_does_not_fit_is_named(folder: Path) -> None:
    code, out, _ = outgrow(folder, "work", "quiz.toml", "--on", "inline", "--memory-gb", "0.5")
    assert code == 0
    assert "left to others: " in out
    assert "GB of memory (here 0.5)" in out


@pytest.mark.parametrize("arguments", [["--cores", "0"], ["--gpus", "-1"], ["--set", "weak=ladder"], ["--name", " "]])
def test_bad_input_is_one_line(folder: Path, arguments: list[str]) -> None:
    code, out, err = outgrow(folder, "work", "quiz.toml", *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert not (folder / "runs").exists()
