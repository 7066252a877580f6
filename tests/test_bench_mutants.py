"""The mutation run finds what survives and what is killed, in a tiny package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SOURCE = '''
"""Two functions of which one is tested."""


class Price:
    def of(self, count):
        # a comment above what is changed
        if count < 0:
            raise ValueError("no such " + "count")
        return count + 1


def untold(count):
    return count + 1
'''
TESTS = """
from tiny_shop.prices import Price, untold

def test_of(): assert Price().of(2) == 3 and Price().of(0) == 1

def test_untold(): untold(2)
"""
CONFIG = """
[tool.mutants]
prices = ["src/tiny_shop/*", "tests"]
[tool.mutmut]
source_paths = ["src"]
"""


def test_a_survivor_is_named_by_file_and_line_and_the_tree_is_left_alone(tmp_path: Path) -> None:
    pytest.importorskip("mutmut")
    for name, text in {
        "pyproject.toml": CONFIG,
        "src/tiny_shop/__init__.py": "",
        "src/tiny_shop/prices.py": SOURCE.lstrip("\n"),
        "tests/test_prices.py": TESTS,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "bench.mutants", "prices", "--sample", "0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("src/tiny_shop/prices.py:13: return count + 1 -> return count - 1") for line in lines)
    assert not any(line.startswith("src/tiny_shop/prices.py:9:") for line in lines)  # tested
    assert not any("no such" in line for line in lines)  # a message
    assert lines[-1].startswith("prices: ")
    assert "killed" in lines[-1]
    assert (tmp_path / "src/tiny_shop/prices.py").read_text() == SOURCE.lstrip("\n")
