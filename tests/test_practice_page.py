"""The page on cheap labels: its scripts and commands run in their order, and print what stands below them."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import shlex
from pathlib import Path

import pytest
from text_files import REPOSITORY
from typer.testing import CliRunner

from outgrow.cli import app

PAGE = (REPOSITORY / "docs" / "practice.md").read_text()
BLOCKS = re.findall(r"<!-- test: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def command(line: str) -> str:
    program, *words = shlex.split(line)
    assert program == "outgrow"
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return done.stdout


def assert_printed(expected: str, printed: str) -> None:
    """Each line stands in the output, with numbers that are the same but for another machine's last digits."""
    lines = printed.splitlines()
    for line in expected.splitlines():
        alike = [each for each in lines if NUMBER.sub("#", each) == NUMBER.sub("#", line)]
        assert alike, f"{line!r} is not in\n{printed}"
        numbers = [float(each) for each in NUMBER.findall(line)]
        assert [float(each) for each in NUMBER.findall(alike[0])] == pytest.approx(numbers, abs=0.3, rel=0.05)


def test_the_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed = ""
    for kind, text in BLOCKS:
        if kind == "run":
            printed = "".join(map(command, text.strip().splitlines()))
        elif kind == "output":
            assert_printed(text, printed)
        else:
            (tmp_path / kind).write_text(text)
            with contextlib.redirect_stdout(io.StringIO()) as out:
                runpy.run_path(kind)
            printed = out.getvalue()
    assert (tmp_path / "labels.html").read_text().startswith("<!doctype html>")
    assert printed.splitlines()[-1] == "3 [[True, True, False], [False, True, True]]"


def test_every_option_of_the_page_exists() -> None:
    shown = CliRunner().invoke(app, ["labels", "--help"]).stdout
    for option in set(re.findall(r"`(--[a-z-]+)", PAGE)):
        assert option in shown, option
