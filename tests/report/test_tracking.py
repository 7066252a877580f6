"""Results handed to trackers: what they get, that they are in no key, and that a broken one loses nothing."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from slots import BASE

import outgrow
from outgrow.config import experiment_from
from outgrow.experiment.grid import cells, targets
from outgrow.report import tracking
from outgrow.trackers.base import Tracked, Tracker
from outgrow.types import UserError

SEEN: list[Tracked] = []


@dataclass(frozen=True, kw_only=True)
class Listed(Tracker):
    """Keeps the rows in memory."""

    def write(self, rows):
        SEEN.extend(rows)
        return len(rows)


@dataclass(frozen=True, kw_only=True)
class Broken(Tracker):
    """Fails as a backend would that cannot be reached."""

    def write(self, rows):
        sys.exit("no server\nfor miles around")


def test_a_run_writes_every_row_and_a_broken_tracker_loses_none(tmp_path: Path) -> None:
    SEEN.clear()
    experiment = replace(BASE, trackers=(Broken(), Listed()))
    assert targets(cells(experiment)) == targets(cells(BASE))  # in no key
    found = outgrow.run(experiment, store=tmp_path, on="inline")
    name = f"{__name__}:Broken"
    assert found.untracked == (f"the tracker {name} failed (SystemExit: no server): the results are stored",)
    assert not found.failures
    assert len(SEEN) == len(found.numbers.records)
    assert {row.params["seed"] for row in SEEN} == {"0", "all"}
    for row, record in zip(SEEN, found.records, strict=True):
        assert row.metrics["student"] == record["student"]
        assert row.params["method"] == record["method"]
    again = outgrow.run(experiment, store=tmp_path, on="inline")
    assert [row.id for row in SEEN[len(found.numbers.records) :]] == [row.id for row in SEEN[: len(again.records)]]


def test_the_curve_of_an_oracle_is_written_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SEEN.clear()
    monkeypatch.setattr(tracking, "_curve", lambda cell, store: ({"loss": 1.0},))
    oracle = replace(BASE.methods[0], label="cheats", oracle="labels")
    outgrow.run(replace(BASE, methods=(*BASE.methods, oracle), trackers=(Listed(),)), store=tmp_path, on="inline")
    curves = {row.params["method"]: row.curve for row in SEEN if row.params["seed"] != "all"}
    assert "cheats (oracle)" in curves
    assert all(curves.values())


def test_one_line_of_toml_names_them(tmp_path: Path) -> None:
    table = {"task": "chess-puzzles", "weak": "ladder/pawn", "strong": "ladder/knight"}
    found = experiment_from({**table, "trackers": ["tensorboard", {"name": "mlflow", "uri": "sqlite:///a.db"}]})
    assert [tracker.name for tracker in found.trackers] == ["tensorboard", "mlflow"]
    assert found.trackers[1].uri == "sqlite:///a.db"
    assert experiment_from(table, ["trackers=wandb"]).trackers[0].name == "wandb"
    with pytest.raises(UserError, match=r"no tracker called 'tensorbord'\. Did you mean 'tensorboard'"):
        experiment_from({**table, "trackers": ["tensorbord"]})
    with pytest.raises(UserError, match="trackers lists 'wandb' twice"):
        experiment_from({**table, "trackers": ["wandb", "wandb"]})
