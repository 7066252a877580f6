"""The examples in the docstrings of the Python API run as they stand."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import pytest
from test_cli import QUIZ

import outgrow
from outgrow import api

DOCUMENTED = [
    api.plan,
    api.run,
    api.results,
    api.Results,
    api.Results.report,
    api.Results.frame,
    api.Results.findings.func,
]


@pytest.mark.parametrize("documented", DOCUMENTED, ids=lambda each: each.__qualname__)
def test_the_example_runs(documented: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiment.toml").write_text(QUIZ)
    (example,) = doctest.DocTestFinder(recurse=False).find(documented, globs={"outgrow": outgrow})
    assert len(example.examples) == 2
    failures = doctest.DocTestRunner(verbose=False).run(example)
    assert failures.failed == 0


@pytest.mark.parametrize("documented", [api.plan, api.run, api.results])
def test_every_argument_is_documented(documented: Any) -> None:
    arguments = [name for name in documented.__annotations__ if name != "return"]
    section = documented.__doc__.partition("Args:")[2].partition("Returns:")[0]
    shared = ("source", "store", "overrides", "seeds", "analyses", "plugins")
    missing = [name for name in arguments if f"{name}:" not in section and name not in shared]
    assert missing == []
    assert "Raises:" in documented.__doc__
