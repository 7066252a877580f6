"""Analyses are asked from TOML, the command line and Python, of experiments that have run or not."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from fakes import FakeTask
from test_cli import QUIZ, ended
from test_cli import outgrow as invoked

import outgrow
from outgrow.analyses.imitation import Imitation
from outgrow.config import experiment_from, read
from outgrow.types import UserError

ASKED = f'analyses = ["imitation"]\n{QUIZ}'


@pytest.fixture
def quiz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, in the working directory; the store is ./runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OUTGROW_STORE", raising=False)
    (tmp_path / "quiz.toml").write_text(QUIZ)
    return tmp_path / "quiz.toml"


def test_a_file_names_them_alone_or_with_fields(quiz: Path) -> None:
    for text in ("imitation", '"imitation"', '["imitation"]', '[{ name = "imitation" }]'):
        assert read("quiz.toml", [f"analyses={text}"]).analyses == (Imitation(),)
    quiz.write_text(ASKED)
    assert read("quiz.toml").analyses == (Imitation(),)
    assert read("quiz.toml", (), None, ["imitation"]).analyses == (Imitation(),)  # not twice
    quiz.write_text(ASKED.replace("imitation", "imitatoin"))
    with pytest.raises(UserError, match=r"line 1: no analysis called 'imitatoin'\. Did you mean 'imitation'\?"):
        read("quiz.toml")
    quiz.write_text(ASKED.replace('["imitation"]', '["imitation", "imitation"]'))
    with pytest.raises(UserError, match="analyses lists 'imitation' twice"):
        read("quiz.toml")


def test_they_are_asked_of_an_experiment_that_has_run(quiz: Path) -> None:
    outgrow.run("quiz.toml", on="inline")
    again = invoked("run", "quiz.toml", "--on", "inline", "--analyses", "imitation")
    assert again.exit_code == 0
    assert "\nimitation: " in again.stdout
    assert "0 steps computed" in again.stdout
    assert 'data-analysis="imitation"' in Path("quiz-report.html").read_text()
    assert invoked("report", "quiz.toml", "--analyses", "imitation", "--out", "own.html").exit_code == 0
    assert 'data-analysis="imitation"' in Path("own.html").read_text()
    assert "0 steps to do" in invoked("plan", "quiz.toml", "--analyses", "imitation").stdout


def test_results_show_one_in_every_format(quiz: Path) -> None:
    outgrow.run("quiz.toml", on="inline")
    shown = {
        format: invoked("results", "quiz.toml", "--analysis", "imitation", "--format", format).stdout
        for format in ("table", "md", "csv", "json")
    }
    data = json.loads(shown["json"])
    rows = list(csv.DictReader(io.StringIO(shown["csv"])))
    assert [row["comparison"] for row in rows] == ["naive", "other"]
    assert float(rows[0]["imitation_low"]) == data["rows"][0]["imitation_low"]
    assert f"| naive | {100 * data['rows'][0][rows_head(data)]:.1f} (" in shown["md"]
    assert data["sentence"] in " ".join(shown["table"].split())


def rows_head(data: dict[str, list[dict[str, float]]]) -> str:
    return list(data["rows"][0])[1]


def test_python_has_them_as_data(quiz: Path) -> None:
    results = outgrow.run("quiz.toml", on="inline", analyses=["imitation"])
    assert results.findings["imitation"].table.columns[0].head == "comparison"
    assert 'analyses = ["imitation"]' in results.toml
    records = outgrow.results(results.experiment, analyses=["imitation"]).findings
    assert repr(records) == repr(results.findings)
    assert outgrow.results("quiz.toml").findings == {}


def test_what_cannot_be_asked_is_one_line_before_anything_runs(quiz: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output = ended(capsys, "run", "quiz.toml", "--on", "inline", "--seeds", "0,", "--analyses", "imitation")
    assert code == 2
    assert output.startswith("error: analysis imitation needs two seeds or more")
    assert not Path("runs").exists() or not any(Path("runs").iterdir())
    code, output = ended(capsys, "run", "quiz.toml", "--analyses", "imitatoin")
    assert (code, "Did you mean 'imitation'?" in output) == (2, True)
    assert "--analyses imitatoin: " in output
    code, output = ended(capsys, "results", "quiz.toml", "--analysis", "imitation", "--by", "parity")
    assert (code, output) == (2, "error: --analysis and --by are views of the results: give one of them\n")
    with pytest.raises(UserError, match="should be a list of names"):
        outgrow.results("quiz.toml", analyses="imitation")


def test_an_unfinished_experiment_says_so(quiz: Path) -> None:
    experiment = experiment_from({**table(), "seeds": [0, 1, 2]}, analyses=["imitation"])
    outgrow.run(experiment, on="inline", seeds=[0, 1])
    finding = outgrow.results(experiment).findings["imitation"]
    assert finding.notes == (
        "naive: over 2 of 3 seeds, since the others are not finished",
        "other: over 2 of 3 seeds, since the others are not finished",
    )
    assert FakeTask().name in {record["task"] for record in outgrow.results(experiment).records}


def test_what_failed_is_named(quiz: Path) -> None:
    broken = {"name": "fakes:BrokenMethod", "how": "user"}
    table_of_broken = {**table(), "recipes": {"fakes/small": broken, "fakes/large": broken}}
    results = outgrow.run(table_of_broken, on="inline", analyses=["imitation"])
    output = results.findings["imitation"].sentence
    assert output.startswith("No finding, because a step that it needs has failed: fit fakes/")
    assert output in results.report("page.html").read_text()


def table() -> dict[str, object]:
    import tomllib

    return tomllib.loads(QUIZ)
