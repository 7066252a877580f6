"""Examples that some answer rightly and others wrongly."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from slots import BASE

import outgrow
from outgrow.graph import load
from outgrow.report.examples import matching, parsed, text
from outgrow.types import UserError


def test_conditions_are_read_and_wrong_ones_refused() -> None:
    assert parsed("student right, supervisor wrong") == [("student", True), ("supervisor", False)]
    assert parsed("Frozen probe wrong") == [("frozen probe", False)]
    with pytest.raises(UserError, match="write who is right or wrong"):
        parsed("student")
    with pytest.raises(UserError, match=r"'studnt' answers nothing\. Did you mean 'student'"):
        parsed("studnt right")


def test_the_rows_are_those_whose_scores_say_so(tmp_path: Path) -> None:
    results = outgrow.run(BASE, store=tmp_path, on="inline")
    (cell,) = results.numbers.grid
    student, floor = load(cell.student, results.store), load(cell.floor, results.store)
    wanted = {
        id for id, own, weak in zip(student.ids, student.correct, floor.correct, strict=True) if own == 1 and weak == 0
    }
    rows = tuple(matching(results.experiment, results.store, parsed("student right, supervisor wrong")))
    assert {row.id for row in rows} == wanted
    assert 0 < len(rows) < len(student.ids)
    assert all(row.answers["student"] != row.answers["supervisor"] for row in rows)
    assert json.loads(text(rows, "json"))[0]["student"] == rows[0].answers["student"]
    assert len(list(csv.DictReader(io.StringIO(text(rows, "csv"))))) == len(rows)
    assert text(rows, "table").splitlines()[-1] == f"{len(rows)} examples"


def test_nothing_stored_is_said(tmp_path: Path) -> None:
    results = outgrow.results(BASE, store=tmp_path)
    with pytest.raises(UserError, match="no scores of student are stored: run the experiment"):
        list(matching(results.experiment, results.store, parsed("student right")))
