"""What is heavy is imported where it is used: each check in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import QUIZ

HERE = Path(__file__).parent
TRAINING = {"torch", "transformers", "datasets", "sklearn"}
PLANNING = TRAINING | {"matplotlib", "scipy"}
HELP = PLANNING | {"rich", "pydantic", "numpy", "pyarrow"}

IMPORTED = "import sys, json; print(json.dumps([name for name in sys.modules if '.' not in name]))"


def imported(folder: Path, code: str) -> set[str]:
    """The packages a process has imported after running `code`."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    script = f"{code}\n{IMPORTED}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def verb(*args: str) -> str:
    return f"from outgrow.cli import app\napp({list(args)!r}, standalone_mode=False)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "quiz.toml").write_text(QUIZ)
    return tmp_path


def test_importing_outgrow_is_light(folder: Path) -> None:
    assert not imported(folder, "import outgrow") & (HELP | {"typer"})


@pytest.mark.parametrize("module", ["types", "graph", "store", "executors.inline", "executors.pool"])
def test_the_core_knows_no_ml_library(folder: Path, module: str) -> None:
    assert not imported(folder, f"import outgrow.{module}") & (PLANNING | {"rich", "pydantic"})


@pytest.mark.parametrize("module", ["experiment.steps", "experiment.grid", "config", "api", "report.results"])
def test_records_know_no_ml_library(folder: Path, module: str) -> None:
    assert not imported(folder, f"import outgrow.{module}") & TRAINING


def test_help(folder: Path) -> None:
    assert not imported(folder, verb("--help")) & HELP


def test_list(folder: Path) -> None:
    assert not imported(folder, verb("list", "models")) & (PLANNING | {"rich", "pyarrow"})


def test_plan(folder: Path) -> None:
    assert not imported(folder, verb("plan", "quiz.toml")) & PLANNING


def test_plan_of_the_bundled_models_and_tasks(folder: Path) -> None:
    code = "from outgrow.config import read, bundled_example\nread(bundled_example())"
    assert not imported(folder, code) & PLANNING


def test_a_cached_run(folder: Path) -> None:
    run = verb("run", "quiz.toml", "--on", "inline")
    imported(folder, run)
    assert not imported(folder, run) & (TRAINING | {"matplotlib"})
