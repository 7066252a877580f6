"""An engine that is not there, or stops, is one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from outgrow.chess.engine import Engine
from outgrow.types import UserError


def test_an_engine_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none-such cannot be started .*: name another"):
        Engine(str(tmp_path / "none-such"))


def test_a_program_that_ends_is_no_engine() -> None:
    with pytest.raises(UserError, match="the chess engine /bin/true has stopped: name one that speaks UCI"):
        Engine("/bin/true")


def test_mining_without_an_engine_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "outgrow", "mine", "--out", "mined", "--engine", "./none-such", "--shards", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "none-such" in done.stderr
    assert "Traceback" not in done.stderr
