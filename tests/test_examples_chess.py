"""The main job, shrunk and with a second task, from the command line, to a report; then cached."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import outgrow

EXAMPLE = Path(__file__).parents[1] / "examples/chess.toml"
SMALL = ("weak_train=60", "transfer=60", "transfer_validation=30", "validation=30", "test=80")
SETS = [*(f"sizes.{size}" for size in SMALL), 'task=["chess-puzzles", "chess-advantage"]']
NUMBERS = ("floor", "student", "ceiling")
KEYS = {
    *("task", "weak", "strong", "method", "seed", "zero_shot", "frozen_probe", "label_accuracy"),
    *("pgr", "pgr_low", "pgr_high", "withheld", "gap"),
    *("agreement", "n_test", "n_groups", "n_dropped"),
    *(f"{name}{end}" for name in NUMBERS for end in ("", "_low", "_high")),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chess") / "store"
    found = outgrow.run(EXAMPLE, store=folder, on="inline", overrides=SETS, seeds=[0, 1])
    assert not found.failures
    return folder


def outgrown(*arguments: object, store: Path) -> subprocess.CompletedProcess[str]:
    overrides = [word for change in SETS for word in ("--set", change)]
    command = [sys.executable, "-m", "outgrow", *map(str, arguments), "--store", str(store), *overrides, "--seeds", "2"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=store.parent)


def test_each_pair_gets_a_record_a_seed_and_one_over_all(store: Path) -> None:
    records = json.loads(outgrown("results", EXAMPLE, "--format", "json", store=store).stdout)
    assert [(r["task"], r["strong"], r["seed"]) for r in records] == [
        (task, "ladder/queen", seed) for task in ("chess-puzzles", "chess-advantage") for seed in (None, 0, 1)
    ]
    for record in records:
        assert set(record) >= KEYS
        before, other = (
            ("zero_shot", "frozen_probe") if record["task"] == "chess-puzzles" else ("frozen_probe", "zero_shot")
        )
        assert all(0 <= record[name] <= 1 for name in ("floor", "label_accuracy", "student", "ceiling", before))
        assert 0 <= record["agreement"] <= 1
        assert record[other] is None
        assert (record["pgr"] is None) == (record["withheld"] is not None)
        assert record["n_test"] == 80


def test_eighty_test_examples_are_too_few_for_a_statement_or_enough(store: Path) -> None:
    over_all = [
        r for r in outgrow.results(EXAMPLE, store=store, overrides=SETS, seeds=[0, 1]).records if r["seed"] is None
    ]
    for record in over_all:
        if record["pgr"] is None:
            assert record["withheld"]
        else:
            assert record["gap"] > 0
            assert record["pgr_low"] <= record["pgr"] <= record["pgr_high"]


def test_a_second_run_computes_nothing(store: Path) -> None:
    again = outgrown("run", EXAMPLE, "--on", "inline", store=store)
    assert "0 steps computed" in again.stdout
    assert (store.parent / "chess-report.html").exists()


def test_a_fitted_student_is_an_ordinary_checkpoint(store: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    from outgrow.experiment.grid import cells
    from outgrow.store import Store

    experiment = outgrow.results(EXAMPLE, store=store, overrides=SETS, seeds=[0, 1]).experiment
    autos = {"tokens": AutoModelForCausalLM, "head": AutoModelForSequenceClassification}
    seen = set()
    for cell in cells(experiment):
        folder = Store(str(store)).fetch(cell.student_fit.key)
        model = autos[cell.task.readout].from_pretrained(folder)
        assert len(AutoTokenizer.from_pretrained(folder)) == model.config.vocab_size
        seen.add(cell.task.readout)
    assert seen == {"tokens", "head"}
