"""Terminals, pipes and disks that do not take what is printed; and what a command finds when it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import QUIZ

HERE = Path(__file__).parents[1]
FULL = Path("/dev/full")
UNUSUAL = QUIZ.replace('"other"', '"naïve → 模型"')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "quiz.toml").write_text(UNUSUAL, encoding="utf-8")
    return tmp_path


def outgrow(folder: Path, *args: str, shell: str = "", **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a process of its own; `shell`: what stands after it on a shell's line."""
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **env}
    variables.pop("OUTGROW_STORE", None)
    command = [sys.executable, "-m", "outgrow", *args]
    if shell:
        command = ["bash", "-c", f'"$@" {shell}', "bash", *command]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an experiment that has run in a terminal of another encoding."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "quiz.toml").write_text(UNUSUAL, encoding="utf-8")
    done = outgrow(folder, "run", "quiz.toml", "--on", "inline", PYTHONIOENCODING="cp1252")
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    return folder


def test_characters_that_an_encoding_lacks_are_replaced(finished: Path) -> None:
    for format in ("table", "csv", "md"):
        done = outgrow(finished, "results", "quiz.toml", "--format", format, PYTHONIOENCODING="ascii:strict")
        assert done.returncode == 0
        assert b"na?ve -> ??" in done.stdout
    records = json.loads(outgrow(finished, "results", "quiz.toml", "--format", "json", PYTHONIOENCODING="ascii").stdout)
    assert {record["method"] for record in records} == {"naive", "naïve → 模型"}
    assert "模型".encode() in (finished / "quiz-report.html").read_bytes()  # files are UTF-8 whatever the terminal is


def test_a_minus_sign_is_never_a_question_mark(finished: Path) -> None:
    table = outgrow(finished, "results", "quiz.toml", PYTHONIOENCODING="cp1252").stdout.decode("cp1252")
    whole = outgrow(finished, "results", "quiz.toml", PYTHONIOENCODING="utf-8").stdout.decode()
    assert table.count("-") >= whole.count("−") > 0


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_the_output_is_one_line(finished: Path, unbuffered: str) -> None:
    if not FULL.exists():
        pytest.skip("no /dev/full")
    for args in (("results", "quiz.toml"), ("--help",)):
        done = outgrow(finished, *args, shell=">/dev/full", PYTHONUNBUFFERED=unbuffered)
        assert (done.returncode, done.stderr) == (2, b"error: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_is_silent(finished: Path, unbuffered: str) -> None:
    for args in (("results", "quiz.toml"), ("plan", "quiz.toml")):
        done = outgrow(finished, *args, shell="| true; echo ${PIPESTATUS[0]}", PYTHONUNBUFFERED=unbuffered)
        assert (done.stdout, done.stderr) == (b"141\n", b"")


def test_a_run_whose_output_is_not_taken_keeps_its_work(folder: Path) -> None:
    done = outgrow(folder, "run", "quiz.toml", "--on", "inline", shell="| true; echo ${PIPESTATUS[0]}")
    assert (done.stdout, b"Traceback" in done.stderr) == (b"141\n", False)
    assert (folder / "quiz-report.html").is_file()
    assert outgrow(folder, "plan", "quiz.toml").stdout.startswith(b"0 steps to do")


def test_a_full_disk_behind_the_log_does_not_end_the_run(folder: Path) -> None:
    if not FULL.exists():
        pytest.skip("no /dev/full")
    done = outgrow(folder, "run", "quiz.toml", "--on", "inline", shell="2>/dev/full")
    assert (done.returncode, b"steps computed" in done.stdout) == (0, True)


def test_without_streams_it_works_all_the_same(folder: Path) -> None:
    done = outgrow(folder, "run", "quiz.toml", "--on", "inline", shell=">&- 2>&-; echo $?")
    assert done.stdout == b"0\n"
    assert (folder / "quiz-report.html").is_file()


def test_a_folder_that_is_gone(folder: Path) -> None:
    script = f"mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m outgrow"
    for args, code in (("plan ../quiz.toml", 2), ("--version", 0)):
        done = subprocess.run(["bash", "-c", f"{script} {args}"], cwd=folder, capture_output=True, text=True)
        assert done.returncode == code
        assert code == 0 or done.stderr == "error: the working directory no longer exists: change to another one\n"


def test_a_path_that_is_no_text(folder: Path) -> None:
    odd = folder / os.fsdecode(b"w\xffrd\nname")
    odd.mkdir()
    (folder / "quiz.toml").replace(odd / "quiz.toml")
    assert outgrow(folder, "run", str(odd / "quiz.toml"), "--on", "inline").returncode == 0
    refused = outgrow(odd, "run", "quiz.toml", "--on", "inline")
    assert refused.returncode == 2
    assert b"w\\udcffrd\\nname/runs has a path that is not UTF-8 text: name another with --store\n" in refused.stderr


NOBODY = """
import os, pwd, sys
def unknown(*args): raise KeyError("nobody")
pwd.getpwuid = pwd.getpwnam = unknown
from outgrow.__main__ import main
main()
"""


def test_without_a_home(folder: Path) -> None:
    """As in a container whose user is in no list: only what asks for a home folder needs one."""

    def nobody(*args: str) -> tuple[int, str]:
        command = [
            "env",
            "-u",
            "HOME",
            "-u",
            "XDG_CACHE_HOME",
            "-u",
            "OUTGROW_CACHE",
            sys.executable,
            "-c",
            NOBODY,
            *args,
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr

    assert nobody("plan") == (0, "")
    message = "error: the store ~/runs begins with a home folder that does not exist: write the path in full\n"
    assert nobody("plan", "--store", "~/runs") == (2, message)
