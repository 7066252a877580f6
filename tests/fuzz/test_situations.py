"""Situations of the command line, each in a process of its own: it ends in time with a known code and one line.

Special files stand where an experiment reads a file or a folder, and where a command writes one.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import QUIZ
from tiny import checkpoint

pytestmark = pytest.mark.slow
CODES = {0, 1, 2, 130, 141, 143}
SECONDS = 60.0
EXPERIMENT = """\
task = { name = "text", path = "data.csv", label = "y", prompt = "{text}" }
weak = [{ name = "file", path = "labels.csv", prompt = "{text}" }]
strong = "model"
seeds = [0]
sizes = { weak_train = 20, transfer = 40, transfer_validation = 5, validation = 10, test = 20 }

[recipes."hf/model"]
name = "head"

[[methods]]
label = "naive"
"""


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)
    os.chdir(here)


SPECIAL = {
    "fifo": lambda path: os.mkfifo(path),
    "socket": _socket,
    "zero": lambda path: path.symlink_to("/dev/zero"),
    "null": lambda path: path.symlink_to("/dev/null"),
    "full": lambda path: path.symlink_to("/dev/full"),
    "random": lambda path: path.symlink_to("/dev/urandom"),
    "memory": lambda path: path.symlink_to("/proc/self/mem"),
    "process": lambda path: path.symlink_to("/proc/self/environ"),
    "system": lambda path: path.symlink_to("/sys"),
    "loop": lambda path: path.symlink_to(path.name),
    "dangling": lambda path: path.symlink_to("nowhere"),
    "folder": lambda path: path.mkdir(),
    "empty": lambda path: path.touch(),
    "junk": lambda path: path.write_bytes(bytes(range(256)) * 40),
}
PLACES = {
    "TOML": ("quiz.toml", ("plan", "quiz.toml")),
    "data": ("data.csv", ("plan", "quiz.toml")),
    "compressed data": ("data.csv.gz", ("plan", "quiz.toml", "--set", "task.path=data.csv.gz")),
    "Parquet": ("data.parquet", ("plan", "quiz.toml", "--set", "task.path=data.parquet")),
    "labels": ("labels.csv", ("plan", "quiz.toml")),
    "checkpoint": ("model", ("plan", "quiz.toml")),
    "config": ("model/config.json", ("plan", "quiz.toml")),
    "weights": ("model/model.safetensors", ("plan", "quiz.toml")),
    "tokenizer": ("model/tokenizer.json", ("plan", "quiz.toml")),
}
WRITTEN = {
    "store": ("runs", ("run", "fakes.toml", "--on", "inline")),
    "log": ("out.log", ("run", "fakes.toml", "--on", "inline", "--log", "out.log")),
    "report": ("page.html", ("report", "fakes.toml", "--out", "page.html")),
    "page of labels": ("page.html", ("labels", "data.csv", "--weak", "y", "--report", "page.html")),
    "rows to audit": ("audit.csv", ("labels", "data.csv", "--weak", "y", "--to-audit", "5", "audit.csv")),
}
HARMLESS = {"null", "zero", "random", "dangling", "empty", "folder"}  # what may be written to, depending on the place


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    checkpoint(folder / "model", "bert")
    rows = [(f"w{i % 40} w{i * 7 % 40} w{i * 3 % 37} w{i // 40}", "ab"[i % 2]) for i in range(300)]
    for name in ("data.csv", "labels.csv"):
        head = "text,y" if name == "data.csv" else "text,label"
        (folder / name).write_text("\n".join([head, *map(",".join, rows)]) + "\n")
    (folder / "quiz.toml").write_text(EXPERIMENT)
    (folder / "fakes.toml").write_text(QUIZ)
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    shutil.copytree(prepared, tmp_path / "here")
    return tmp_path / "here"


def ended(folder: Path, *args: str) -> tuple[int, str]:
    """Exit code and errors of a command, after the checks that hold for all."""
    command = [sys.executable, "-m", "outgrow", *args]
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = {**os.environ, "OUTGROW_CACHE": str(folder / "cache"), "PYTHONPATH": os.pathsep.join(paths)}
    variables.pop("OUTGROW_STORE", None)
    done = subprocess.run(
        command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS
    )
    out, err = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
    assert done.returncode in CODES, (done.returncode, err)
    assert "Traceback" not in out + err, err
    if done.returncode == 2:
        lines = err.splitlines()
        assert any(re.match("(error|failed): ", line) for line in lines), err
        assert max(map(len, lines)) < 1000
    return done.returncode, err


def test_the_experiment_itself_runs(folder: Path) -> None:
    assert ended(folder, "run", "quiz.toml", "--on", "inline")[0] == 0


@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("place", PLACES)
def test_special_files(folder: Path, place: str, special: str) -> None:
    name, args = PLACES[place]
    path = folder / name
    if path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    SPECIAL[special](path)
    code, err = ended(folder, *args)
    assert code == 2, (code, err)


@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("place", WRITTEN)
def test_special_files_in_place_of_what_is_written(folder: Path, place: str, special: str) -> None:
    name, args = WRITTEN[place]
    SPECIAL[special](folder / name)
    junk = (folder / name).read_bytes() if special == "junk" else b""
    code, err = ended(folder, *args)
    assert code == 2 or (code == 0 and special in HARMLESS), (code, err)
    assert not junk or (folder / name).read_bytes() == junk, "what was there is lost"
