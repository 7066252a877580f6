"""`--log FILE`: the events of a run in a file, with times and levels, beside the progress display."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from test_cli import BROKEN, QUIZ, ended, outgrow

from outgrow.cli import running
from outgrow.store import Store

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR) (.*)")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OUTGROW_STORE", raising=False)
    (tmp_path / "quiz.toml").write_text(QUIZ)
    return tmp_path


def test_a_run_is_logged_to_a_file_and_shown_as_before(here: Path) -> None:
    plain = outgrow("run", "quiz.toml", "--on", "inline", "--store", "one")
    logged = outgrow("run", "quiz.toml", "--on", "inline", "--store", "two", "--log", "logs/run.log")
    assert logged.exit_code == 0
    without_times = [re.sub(r" · .*", "", done.stderr) for done in (plain, logged)]
    assert without_times[0] == without_times[1]
    matches = [LINE.fullmatch(line) for line in (here / "logs" / "run.log").read_text().splitlines()]
    lines = [match[2] for match in matches if match]
    assert len(lines) == len(matches)
    steps = int(lines[0].partition(" ")[0])
    assert sum(line.endswith(": started") for line in lines) == steps
    assert sum(": finished in " in line for line in lines) == steps
    assert lines[-1] == f"{steps} steps computed, 0 cached, 0 failed, 0 skipped"


def test_a_second_run_appends(here: Path) -> None:
    for _ in range(2):
        outgrow("run", "quiz.toml", "--on", "inline", "--log", "run.log")
    text = (here / "run.log").read_text()
    assert text.count(" steps to do, ") == 2
    assert "INFO 0 steps to do, " in text


def test_a_failure_is_in_the_log_with_its_traceback(here: Path) -> None:
    (here / "quiz.toml").write_text(BROKEN.replace("HOW", "bug"))
    outgrow("run", "quiz.toml", "--on", "inline", "--log", "run.log")
    text = (here / "run.log").read_text()
    assert " ERROR " in text
    assert "Traceback" in text


def test_nothing_of_the_logging_remains(here: Path) -> None:
    logger = logging.getLogger("outgrow")
    before = list(logger.handlers), logger.level
    outgrow("run", "quiz.toml", "--on", "inline", "--log", "run.log")
    assert (list(logger.handlers), logger.level) == before


def test_a_log_that_cannot_be_written_is_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = ended(capsys, "run", "quiz.toml", "--on", "inline", "--log", ".")
    assert code == 2
    assert text.startswith("error: --log . is a folder: name a file in it")
    assert not (here / "runs").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_disk_that_fills_does_not_stop_the_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "writable_file", lambda path, *rest: path)
    with running.logging_to(Path("/dev/full"), Store("runs")):
        for _ in range(3):
            logging.getLogger("outgrow").error("a line")
    assert capsys.readouterr().err == (
        "warning: the log is incomplete ([Errno 28] No space left on device): the run goes on\n"
    )
