"""The plain scripts that the benchmark compares with do the same work: same rows, same roles, similar answers."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from text_files import REPOSITORY


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    return importlib.import_module("bench.work")


@pytest.mark.slow
def test_a_plain_pair_has_the_accuracies_of_ours(work: ModuleType) -> None:
    """A pawn and a knight on few puzzles: everything but rounding, and the order of examples in training, is equal."""
    size = work.Size(train=64, held_out=40, test=200, small="ladder/pawn", middle="ladder/pawn", large="ladder/knight")
    records = work.compared("one pair", size.experiment([size.small], [size.large]), 1, 1)
    percents = {record.unit: record.values for record in records if record.unit.startswith("% ")}
    assert {unit.split()[1] for unit in percents} == {"floor", "student", "ceiling", "direct", "zero-shot"}
    zero_shot = percents["% zero-shot ladder/knight"]
    assert zero_shot["outgrow"] == pytest.approx(zero_shot["Trainer"], abs=3.0)  # bf16 beside fp32, no training
    assert all(abs(each["outgrow"][0] - each["Trainer"][0]) < 12 for each in percents.values())
    assert {"s", "s of a core", "MB", "MB stored"} <= {record.unit for record in records}


def test_rows_of_the_plain_script_are_those_of_the_experiment(work: ModuleType) -> None:
    size = work.Size(train=8, held_out=4, test=6, small="ladder/pawn", middle="ladder/pawn", large="ladder/knight")
    job = work.plain_job(size.experiment([size.small], [size.large]), "grid")
    assert {split: len(rows) for split, rows in job["splits"].items()} == {
        "weak_train": 8, "transfer": 8, "transfer_validation": 4, "validation": 4, "test": 6,
    }  # fmt: skip
    assert job["pairs"] == [("ladder/pawn", "ladder/knight")]
    assert job["hard"]  # as chess hardens the labels of a supervisor
    assert job["models"]["ladder/pawn"]["learning_rate"] == 1e-3  # of the recipe
    for row in job["splits"]["test"]:
        assert len(row["targets"]) == len(row["choices"])
        assert sum(row["targets"]) == pytest.approx(1.0)


def test_a_plain_head_learns_soft_labels(work: ModuleType) -> None:
    """Two classes apart along one of three features; the labels are the probabilities of a logistic curve."""
    fit = importlib.import_module("bench.plain_heads").fit
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 3))
    yes = 1 / (1 + np.exp(-2 * x[:, 0]))
    targets = np.stack([1 - yes, yes], axis=1)
    scaler, made = fit(x[:300], targets[:300], x[300:], targets[300:])
    found = made.predict_proba(scaler.transform(x[300:]))
    assert np.abs(found - targets[300:]).max() < 0.05


def test_what_starts_is_measured_on_invented_cells(work: ModuleType, tmp_path: Path) -> None:
    turns = importlib.import_module("bench.turns")
    for what in ("fill", "plan", "run", "results"):
        assert turns.process(["bench.starting", what, str(tmp_path), "4"])["s"] > 0


def test_a_peer_takes_part_where_its_folder_is_named(
    work: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "peer").mkdir()
    (tmp_path / "peer/bench_peer.py").write_text(
        "import json, pathlib, sys\n"
        "job = json.loads(pathlib.Path(sys.argv[1]).read_text())\n"
        "pathlib.Path(sys.argv[2]).write_text(json.dumps({'ceiling': len(job['splits']['test'])}))\n"
    )
    monkeypatch.setenv("PEER_W2S", str(tmp_path / "peer"))
    monkeypatch.setattr(work, "ours", lambda *args: {"s": 1.0})
    monkeypatch.setattr(work, "PLAIN", "w2s")  # the plain script is not needed here
    size = work.Size(train=8, held_out=4, test=6, small="ladder/pawn", middle="ladder/pawn", large="ladder/knight")
    records = work.compared("one fit", size.experiment([size.small], [size.large]), 1, 1)
    percent = next(record for record in records if record.unit == "% ceiling")
    assert percent.values == {"w2s": [6.0]}


def test_the_page_is_made_of_what_was_measured(work: ModuleType) -> None:
    page = (REPOSITORY / "docs/performance.md").read_text()
    tables, turns = (importlib.import_module(f"bench.{name}") for name in ("tables", "turns"))
    found = turns.read(REPOSITORY / "docs/performance.json")
    assert found
    for name, part in found.items():
        assert f"<!-- results: bench.tables {name} -->" in page
        assert tables.page(part) in page, f"python -m docs.refresh docs/performance.md: {name} is not up to date"
