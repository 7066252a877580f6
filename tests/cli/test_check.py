"""`outgrow check`: what is damaged, and mending it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import QUIZ, ended, outgrow

from outgrow.config import read
from outgrow.experiment.grid import cells, targets
from outgrow.store import Store

EXAMPLE = Path(__file__).parents[2] / "examples/chess.toml"


@pytest.fixture
def quiz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a store ./runs that is finished."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OUTGROW_STORE", raising=False)
    (tmp_path / "quiz.toml").write_text(QUIZ)
    assert outgrow("run", "quiz.toml", "--on", "inline").exit_code == 0
    return tmp_path


def flip(folder: Path, pattern: str) -> str:
    """Change a byte of an artifact; gives its key."""
    victim = min(folder.glob(f"runs/{pattern}"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    return victim.parents[1].name


def test_repair_computes_what_is_damaged_again(quiz: Path) -> None:
    before = {key: Store("runs").manifest(key).files for key in Store("runs").listing()}
    keys = {flip(quiz, "score-*/*/scores.parquet"), flip(quiz, "prepare-*/*/examples.parquet")}
    done = outgrow("check", "quiz.toml", "--repair", "--workers", "1")
    assert done.exit_code == 0
    assert all(f"damaged: {key}: the checksum of " in done.stderr for key in keys)
    count = len(before)
    end = f"{count - 2} artifacts intact, 2 set aside: 2 computed again, 0 not named\n"
    assert done.stdout.endswith(end)
    assert outgrow("check").stdout == f"{count} artifacts intact, 0 damaged\n"
    assert {key: Store("runs").manifest(key).files for key in before} == before


def test_repair_sets_aside_and_lists_what_no_file_names(quiz: Path) -> None:
    (quiz / "fewer.toml").write_text(QUIZ.replace("seeds = [0, 1]", "seeds = [5]"))
    named = {step.key for step in targets(cells(read("fewer.toml").pinned()))}
    stored = Store("runs").listing()
    key = min(each for each in stored - named if each.startswith("score-"))  # some scores are shared by all seeds
    flip(quiz, f"{key}/*/scores.parquet")
    count = len(stored)
    done = outgrow("check", "fewer.toml", "--repair")
    assert done.exit_code == 0
    assert (
        f"damaged: {key}: the checksum of scores.parquet is wrong; no file given here names it: it is set aside"
        in done.stderr
    )
    assert done.stdout == f"{count - 1} artifacts intact, 1 set aside: 0 computed again, 1 not named\n"
    assert key not in Store("runs").listing()
    assert outgrow("run", "quiz.toml", "--on", "inline").exit_code == 0
    assert outgrow("check").stdout == f"{count} artifacts intact, 0 damaged\n"


def test_repair_without_files_takes_the_bundled_experiment(quiz: Path) -> None:
    flip(quiz, "fit-*/*/fake.json")
    assert outgrow("check", "--repair").stdout.endswith("1 set aside: 0 computed again, 1 not named\n")


def test_repair_of_what_is_whole_does_nothing(quiz: Path) -> None:
    count = len(Store("runs").listing())
    done = outgrow("check", "quiz.toml", "--repair")
    assert done.stdout == f"{count} artifacts intact, 0 set aside: 0 computed again, 0 not named\n"


@pytest.mark.parametrize("verb", [("check",), ("check", "--repair"), ("check", "--prune", "quiz.toml", "--yes")])
def test_a_store_that_is_not_there(verb, quiz: Path, capsys) -> None:
    (quiz / "empty").mkdir()
    for name in ("nowhere", "empty"):
        code, text = ended(capsys, *verb, "--store", name)
        assert (code, text) == (2, f"error: there is no store at {name}: name one with --store\n")
    assert not (quiz / "nowhere").exists()


def test_what_check_is_reported_to_do_is_one_thing(quiz: Path, capsys) -> None:
    code, text = ended(capsys, "check", "quiz.toml", "--repair", "--prune")
    assert (code, text) == (2, "error: --prune and --repair cannot be combined: run one after the other\n")


def test_pruning_asks_nobody_where_standard_input_is_closed(quiz: Path) -> None:
    before = Store("runs").listing()
    command = f"{sys.executable} -m outgrow check {EXAMPLE} --prune <&-"
    done = subprocess.run(["bash", "-c", command], cwd=quiz, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "error: nobody can confirm, since standard input is closed: add --yes\n",
    )
    assert Store("runs").listing() == before
