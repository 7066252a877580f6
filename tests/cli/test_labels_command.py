"""`outgrow labels`: from a file to a table, JSON, a page and rows to audit, and what it refuses in one line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from practice.made import drawn, written
from typer.testing import CliRunner

from outgrow.cli import app
from outgrow.types import UserError


def run(*args: object) -> str:
    done = CliRunner().invoke(app, ["labels", *map(str, args)])
    if isinstance(done.exception, UserError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return written(tmp_path, drawn(200)[0])


def test_from_labels_to_audits_and_back(made: Path, tmp_path: Path) -> None:
    audit, page = tmp_path / "audit.csv", tmp_path / "page.html"
    shown = run(made, "--to-audit", 40, audit, "--report", page)
    assert "weak: ann0,ann1,ann2,ann3 (guessed; --weak names another)" in shown
    assert f"40 rows to audit: {audit}" in shown
    assert page.read_text().startswith("<!doctype html>")
    _, truth = drawn(200)
    rows = list(csv.DictReader(audit.open()))
    assert len(rows) == 40
    for row in rows:
        row["audited"] = ("bad", "good")[truth[int(row["id"][1:])]]
    with audit.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    found = json.loads(run(made, "--audited", audit, "--json"))
    assert found["audited"] == 40
    assert found["accuracy"]["by"] == "audits"
    run(made, "--audited", audit, "--to-audit", 20, tmp_path / "more.csv")
    assert len(list(csv.DictReader((tmp_path / "more.csv").open()))) == 60


def test_answers_are_not_overwritten(made: Path, tmp_path: Path) -> None:
    audit = tmp_path / "audit.csv"
    run(made, "--to-audit", 10, audit)
    before = audit.read_text()
    with pytest.raises(UserError, match="somebody's answers may be in it"):
        run(made, "--to-audit", 10, audit)
    assert audit.read_text() == before


def test_roles_by_options(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y,z\none two,0,b\nthree four,1,\n")
    found = json.loads(
        run(tmp_path / "a.csv", "--text", "x", "--weak", "y", "--gold", "z", "--classes", "a,b", "--json")
    )
    assert found["classes"] == ["a", "b"]
    assert found["notes"][:3] == ["text: x", "weak: y", "gold: z"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere.csv"], "there is no file nowhere.csv"),
        (["a.csv", "--weak", "nope"], "has no column 'nope'"),
        (["a.csv", "--to-audit", 10, "b.csv"], "10 rows to audit: give a number from 2 to 2"),
        (["a.csv", "--audited", "a.csv"], "has no column 'audited'"),
        (["a.csv", "--report", "a.csv"], "is not an HTML page"),
        (["a.csv", "--form", "logits"], "form is 'logits'"),
        (["a.csv", "--model", "nope/nope"], "nope"),
        (["a.csv", "--to-audit", 2, ""], "--to-audit 2 names no file: name one, such as audit.csv"),
    ],
)
def test_what_is_refused(args: list[object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("id,text,label\n1,one two,a\n2,three four,b\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        run(*args)
