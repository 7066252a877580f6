"""Exports stay flat and as they were; a new measure is one entry that every table, export and the page follow."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from invented import BETTER, Riddles, WellRead, computed, experiment
from rich.console import Console

from outgrow.experiment.definition import Experiment
from outgrow.experiment.pretrained import Adapt
from outgrow.experiment.technique import Technique
from outgrow.methods.base import Predictor
from outgrow.report import tables
from outgrow.report.measures import MEASURES, Measure
from outgrow.report.page import html
from outgrow.report.record import Record
from outgrow.report.results import read
from outgrow.report.row import Estimate, Row
from outgrow.store import Store
from outgrow.training.language_model import Generative

HERE = Path(__file__).parent


def assert_same_csv(text: str, golden: Path) -> None:
    """The same bytes, but for the last digits of numbers, which differ between processors."""
    for line, wanted in zip(text.splitlines(), golden.read_text(encoding="utf-8").splitlines(), strict=True):
        for cell, wanted_cell in zip(*csv.reader([line, wanted]), strict=True):
            if cell != wanted_cell:
                assert float(cell) == pytest.approx(float(wanted_cell), rel=1e-9, abs=1e-12)


def test_csv_is_what_it_was(planned: Experiment, finished: Store) -> None:
    """The numbers in the file were written when a record had a field for every number."""
    assert_same_csv(tables.text(read(planned, finished).records, "csv"), HERE / "grid.csv")


def test_csv_with_a_matched_pgr_that_is_withheld_is_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Adapt, "run", lambda self, ctx: Predictor(ctx.scratch))
    methods = (Technique(label="generative", adapt=Generative()),)
    adapted = experiment(methods=methods, student=WellRead(skill=32), supervisor=WellRead(skill=16, more=20))
    store = Store(str(tmp_path))
    computed(adapted, store)
    assert_same_csv(tables.text(read(adapted, store).records, "csv"), HERE / "adapted.csv")


def test_json_has_the_columns_of_csv_and_null_where_csv_is_empty(planned: Experiment, finished: Store) -> None:
    found = read(planned, finished).records
    rows = json.loads(tables.text(found, "json"))
    lines = list(csv.DictReader(io.StringIO(tables.text(found, "csv"))))
    assert [list(row) for row in rows] == [list(line) for line in lines]
    empty = {name for name, value in rows[0].items() if value is None or value == []}
    assert empty == {name for name, value in lines[0].items() if value == ""}


def halved(row: Row) -> Estimate | str | None:
    found = MEASURES["student"].estimate(row)
    return Estimate(value=found.value / 2, low=0.1, high=0.9) if isinstance(found, Estimate) else "no student"


def test_a_new_measure_is_one_entry(
    planned: Experiment, finished: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The students' 24 of 40 on average, halved: 30 percent, from 10 to 90; lower is better."""
    new = Measure(
        estimate=halved,
        head="calibration",
        table="stated",
        page="stated",
        higher_is_better=False,
        reason="withheld_calibration",
        note="calibration: a sentence about it.",
        definition="how far confidence is from accuracy",
    )
    monkeypatch.setitem(MEASURES, "calibration", new)
    found = read(planned, finished)
    row = found.records[0].to_dict()
    assert (row["calibration"], row["calibration_low"], row["calibration_high"]) == (pytest.approx(0.3), 0.1, 0.9)
    assert row["withheld_calibration"] is None
    at = list(row).index("calibration")
    assert list(row)[at : at + 4] == ["calibration", "calibration_low", "calibration_high", "withheld_calibration"]
    assert "calibration_high" in tables.text(found.records, "csv").splitlines()[0]
    lines = tables.text(found.records, "md").splitlines()
    assert "| calibration ↓ |" in lines[0]
    assert "| 30.0 (10.0–90.0) |" in lines[2]
    assert "calibration: a sentence about it.  " in lines
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(tables.table(found.aggregates))
    assert "calibration" in console.export_text()
    page = html(planned, finished)
    assert '<th scope="col">calibration ↓</th>' in page
    assert 'data-head="calibration ↓" data-value="0.3"><b>30.0</b> <small>10.0–90.0</small></td>' in page
    assert "how far confidence is from accuracy." in page
    missing = html(planned, Store(str(tmp_path)))
    assert "calibration withheld for riddles-cats, mind/small → mind/big, naive: no student." in missing


def test_a_record_without_estimates_has_every_column_and_no_value() -> None:
    flat = Record(task="t", weak="w", strong="s", method="m", seed=None, status="missing").to_dict()
    assert {name for name, value in flat.items() if value is not None} == {
        *("task", "weak", "strong", "method", "metric", "status", "n_seeds", "caveats", "notes")
    }
    assert flat.keys() >= {f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")}


def test_no_column_is_named_twice(planned: Experiment, finished: Store) -> None:
    names = [f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]
    names += [measure.reason for measure in MEASURES.values() if measure.reason]
    names += [f"{name}_p" for name, measure in MEASURES.items() if measure.signed]
    others = [name for name in Record.__dataclass_fields__ if name not in ("estimates", "withheld")]
    assert len({*names, *others}) == len(names) + len(others)


def test_measures_to_compare_need_several_methods(tmp_path: Path) -> None:
    single = experiment(tasks=(Riddles(),), methods=(Technique(),))
    store = Store(str(tmp_path))
    computed(single, store)
    aggregates = list(read(single, store).aggregates)
    assert "agreement_wrong" not in tables.columns(aggregates, "table")
    other = replace(aggregates[0], method=BETTER.label)
    assert tables.columns([*aggregates, other], "table")[-1] == "agreement_wrong"
    assert tables.columns(aggregates, "table", always=("versus_first",))[-1] == "versus_first"
