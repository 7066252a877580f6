"""Which rows are marked better or worse, and that every table, export and sentence marks the same ones."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from outgrow.experiment.definition import Experiment
from outgrow.report import tables
from outgrow.report.answers import sentences
from outgrow.report.page import html
from outgrow.report.record import Record
from outgrow.report.results import read
from outgrow.report.row import Estimate
from outgrow.report.verdicts import judged, meaning_of_marks
from outgrow.store import Store

BASE = Record(task="t", weak="w", strong="s", method="naive", seed=None, status="done", baseline="naive")


def compared(method: str, p: float, difference: float = 0.1) -> Record:
    return replace(BASE, method=method, estimates={"versus_first": Estimate(value=difference, low=0.0, high=0.2, p=p)})


def test_rows_are_corrected_for_their_number() -> None:
    """Of three rows 0.01 · 3 = 0.03 is below 0.05, and 0.03 · 2 = 0.06 is not, though 0.03 is; 0.9 stays."""
    rows = judged([BASE, compared("a", 0.03), compared("b", 0.01), compared("c", 0.9, -0.01)])
    assert [row.p_holm for row in rows] == [None, *map(pytest.approx, (0.06, 0.03, 0.9))]
    assert [row.verdict for row in rows] == [None, "unclear", "better", "unclear"]
    assert [row.verdict for row in judged([BASE, compared("a", 0.03)])] == [None, "better"]
    assert [row.verdict for row in judged([BASE, compared("a", 0.03, -0.1)])] == [None, "worse"]


def test_a_row_of_one_seed_is_not_judged_and_does_not_count() -> None:
    rows = judged([compared("a", 0.03), *(replace(compared("a", 0.001), seed=seed) for seed in range(5))])
    assert [row.verdict for row in rows] == ["better"] + 5 * [None]


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([-0.1, 0.1])), min_size=1, max_size=12))
def test_no_more_rows_are_marked_than_without_the_correction(rows: list[tuple[float, float]]) -> None:
    found = judged([compared(str(i), p, difference) for i, (p, difference) in enumerate(rows)])
    for record, (p, difference) in zip(found, rows, strict=True):
        if record.verdict != "unclear":
            assert p < 0.05
            assert record.verdict == ("better" if difference > 0 else "worse")
    assert (min(p for p, _ in rows) * len(rows) < 0.05) == any(record.verdict != "unclear" for record in found)


def test_what_marks_mean_is_reported_once_and_names_the_baseline_and_the_rows() -> None:
    rows = judged([BASE, compared("a", 0.03), compared("b", 0.01)])
    text = "vs first: against naive; ↑ clearly better, ↓ clearly worse, with p-values corrected for the 2 rows compared"
    assert meaning_of_marks(rows) == f"{text} (Holm)."
    assert meaning_of_marks([BASE]) == ""
    assert tables.text(rows, "md").count("vs first:") == 1


def test_every_place_marks_the_same_rows(planned: Experiment, finished: Store) -> None:
    found = read(planned, finished)
    marked = {r.method for r in found.aggregates if r.verdict == "better"}
    assert marked == {"better"}
    flat = json.loads(tables.text(found.records, "json"))
    assert {row["method"] for row in flat if row["verdict"] == "better"} == marked
    assert all(row["verdict"] is None for row in flat if row["seed"] is not None)
    lines = tables.text(found.aggregates, "md").splitlines()[2:4]
    assert {line.split(" | ")[2] for line in lines if "↑" in line} == marked
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(tables.table(found.aggregates))
    assert console.export_text().count("↑") == 1 + 1  # the mark and its meaning
    assert [("surely better than" in each) for each in sentences(found.aggregates)] == [False, True]
    page = html(planned, finished)
    assert page.count("+10.0 ↑") == 1
    assert page.count("surely better than with naive") == 1
