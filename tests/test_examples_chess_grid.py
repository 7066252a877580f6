"""The grid of the ladder: every upward pair of its rungs, and, shrunk, a run to numbers by facet and a report."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

import outgrow
from outgrow.config import read
from outgrow.experiment.grid import cells
from outgrow.models.ladder import rungs

EXAMPLE = Path(__file__).parents[1] / "examples/chess-grid.toml"
SMALL = ("weak_train=60", "transfer=60", "transfer_validation=30", "validation=30", "test=80")


def test_it_asks_for_every_upward_pair_of_the_rungs_it_names_on_both_tasks() -> None:
    experiment = read(EXAMPLE)
    named = {model.name for model in (*experiment.weak, *experiment.strong)}
    ordered = [f"ladder/{rung}" for rung in rungs() if f"ladder/{rung}" in named]  # smallest first
    assert len(ordered) == len(named)  # what it names ships
    found = cells(experiment.pinned())
    assert {(cell.weak.name, cell.strong.name) for cell in found} == set(combinations(ordered, 2))
    assert {cell.task.name for cell in found} == {"chess-puzzles", "chess-advantage"}
    assert {cell.seed for cell in found} == {0, 1, 2, 3, 4}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_shrunk_it_runs_to_numbers_by_theme_and_a_figure(tmp_path: Path) -> None:
    overrides = [f"sizes.{size}" for size in SMALL]
    found = outgrow.run(EXAMPLE, store=tmp_path / "store", on="inline", overrides=overrides, seeds=[0, 1])
    assert not found.failures
    themes = found.by("theme")
    assert {record["task"] for record in themes} == {"chess-puzzles"}
    assert {"capture", "quiet"} <= {record["slice"] for record in themes}
    assert sum(record["n_test"] for record in found.by("margin") if record["weak"] == "ladder/pawn") % 80 == 0
    students = {model.name for model in found.experiment.strong}
    page = found.report(tmp_path / "page.html").read_text()
    assert ("scaling-title" in page) == (len(students) > 1)
