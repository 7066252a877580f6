"""The page on analyses: every one has its section, and what it shows is accepted."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from test_cli import QUIZ

from outgrow.config import experiment_from
from outgrow.plugins import find, names

PAGE = (Path(__file__).parents[1] / "docs/analyses.md").read_text()
TABLE = {"task": "fakes:FakeTask", "strong": "fakes:FakeModel/large", "weak": "fakes:FakeModel/small"}


def test_every_analysis_has_a_row_and_a_section() -> None:
    assert set(re.findall(r"^## ([\w-]+)$", PAGE, re.M)) == set(names("analysis"))
    rows = dict(re.findall(r"^\| \[([\w-]+)\]\(#[\w-]+\) \| (.*?) \|", PAGE, re.M))
    assert rows == {name: find("analysis", name).question for name in names("analysis")}  # type: ignore[attr-defined]


def test_what_it_shows_of_toml_is_accepted() -> None:
    shown = [*re.findall(r"```toml\n(.*?)```", PAGE, re.S), *re.findall(r"^    (analyses = .*)$", PAGE, re.M)]
    assert len(shown) >= 4
    for text in shown:
        assert experiment_from({**TABLE, **tomllib.loads(text)}).analyses or "analyses" not in text


def test_the_script_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import outgrow

    monkeypatch.chdir(tmp_path)
    Path("experiment.toml").write_text(QUIZ)
    (script,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    exec(script.replace('analyses=["imitation"]', 'analyses=["imitation"], on="inline"'), {"outgrow": outgrow})
    assert "imitation" in capsys.readouterr().out
