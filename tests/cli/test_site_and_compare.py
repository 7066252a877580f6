"""`--site`, `--examples` and `compare` on the command line: what they write, and one line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_cli import QUIZ, ended, outgrow


@pytest.fixture
def quiz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computed experiment, with its site."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OUTGROW_STORE", raising=False)
    Path("quiz.toml").write_text(QUIZ)
    Path("again.toml").write_text(QUIZ)
    Path("docs").mkdir()
    Path("docs/thesis.tex").write_text("years of work")
    return tmp_path


def test_a_site_in_place_of_the_page_and_what_is_refused(quiz: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb, option in (("run", "--report"), ("report", "--out")):
        code, text = ended(capsys, verb, "quiz.toml", "--site", "docs")
        assert (code, text.count("\n")) == (2, 1)
        assert "docs is not empty and holds no site of outgrow: choose another folder" in text
        code, text = ended(capsys, verb, "quiz.toml", "--site", "site", option, "page.html")
        assert (code, text) == (2, f"error: {option} and --site are two forms of the report: give one of them\n")
        code, text = ended(capsys, verb, "quiz.toml", "--site", "quiz.toml")
        assert (code, "there is a file: choose another name" in text) == (2, True)
        code, text = ended(capsys, verb, "quiz.toml", "--site", "runs/manifests")
        assert (code, "is in a folder of the store" in text) == (2, True)
    assert not Path("runs").exists()
    assert [path.name for path in Path("docs").iterdir()] == ["thesis.tex"]
    done = outgrow("run", "quiz.toml", "--on", "inline", "--site", "site")
    assert (done.exit_code, "report: site/index.html" in done.output) == (0, True)
    assert not Path("quiz-report.html").exists()

    listed = outgrow("results", "quiz.toml", "--examples", "student right, supervisor wrong", "--format", "json")
    assert all(record["student"] in record["right"] for record in json.loads(listed.stdout))
    code, text = ended(capsys, "results", "quiz.toml", "--examples", "pupil right")
    assert (code, text.count("\n"), "no role called 'pupil'" in text) == (2, 1, True)
    code, text = ended(capsys, "results", "quiz.toml", "--examples", "student right", "--by", "rating")
    assert (code, text) == (2, "error: --by and --examples are views of the results: give one of them\n")

    beside = outgrow("compare", "quiz.toml", "again.toml", "--format", "json", "--out", "beside.html")
    assert beside.exit_code == 0
    assert {record["student difference"] for record in json.loads(beside.stdout)["rows"]} == {0.0}
    assert "quiz and again side by side" in Path("beside.html").read_text()
    code, text = ended(capsys, "compare", "quiz.toml", "quiz.toml")
    assert (code, text) == (
        2,
        "error: quiz.toml is given twice, with one store: name two experiments, or give --second-store\n",
    )
    code, text = ended(capsys, "compare", "quiz.toml", "again.toml", "--out", "docs/thesis.tex")
    assert (code, "is not an HTML page" in text) == (2, True)
    inside = ("--second-store", "other", "--out", "other/manifests/page.html")
    code, text = ended(capsys, "compare", "quiz.toml", "again.toml", *inside)
    assert (code, "is in a folder of the store other" in text) == (2, True)
    code, text = ended(capsys, "compare", "quiz.toml", "again.toml", "--format", "yaml")
    assert (code, "no format called 'yaml'" in text) == (2, True)
    code, text = ended(capsys, "compare", "quiz.toml", "nowhere.toml")
    assert (code, text.count("\n")) == (2, 1)
