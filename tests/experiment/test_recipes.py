"""How recipes are chosen, `python -m bench.recipes`: by floors and ceilings on validation, of any kind of task."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tiny
from text_files import REPOSITORY, write_jsonl

from outgrow.config import experiment_from
from outgrow.executors.inline import Inline
from outgrow.experiment import recipes
from outgrow.experiment.definition import Experiment
from outgrow.methods.finetune import Finetune
from outgrow.methods.head import Head
from outgrow.store import Store
from outgrow.tasks.reward import Reward


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    return importlib.import_module("bench.recipes")


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """Pairs of which one ends in "a", which is better, judged by two tiny encoders; two techniques."""
    prompts = [f"w{i} w{j} " for i in range(25) for j in range(i)]
    rows = [{"prompt": prompt, "chosen": "a", "rejected": "b"} for prompt in prompts]
    table: dict[str, Any] = {
        "task": {"name": "reward", "path": str(write_jsonl(tmp_path / "pairs.jsonl", rows)), "near_share": 0.0},
        "weak": str(tiny.checkpoint(tmp_path / "weak", "bert")),
        "strong": str(tiny.checkpoint(tmp_path / "strong", "bert", seed=1)),
        "seeds": 1,
        "sizes": {"weak_train": 64, "transfer": 64, "transfer_validation": 5, "validation": 5, "test": 20},
        "methods": [{"label": "naive"}, {"label": "probe", "fit": "head"}],
    }
    return experiment_from(table).pinned()


def test_floors_and_ceilings_of_pairs_are_measured_by_every_method(
    bench: ModuleType, experiment: Experiment, tmp_path: Path
) -> None:
    methods = [Finetune(learning_rate=rate, epochs=2.0) for rate in (1e-9, 2e-2)]
    with Inline() as runner:
        shown = bench.tried(experiment, methods, Store(str(tmp_path / "store")), runner)
    columns = {column.header: list(column.cells) for column in shown.columns}
    assert columns["role"] == ["floor", "floor", "ceiling", "ceiling"]
    assert columns["model"] == ["hf/weak", "hf/weak", "hf/strong", "hf/strong"]
    assert set(columns["task"]) == {"reward/pairs"}
    for still, learned in (columns["loss"][:2], columns["loss"][2:]):
        assert float(learned) < float(still)


def test_what_is_frozen_has_nothing_to_choose(bench: ModuleType, experiment: Experiment) -> None:
    for frozen, left in (("weak", "ceiling"), ("strong", "floor")):
        (model,) = getattr(experiment, frozen)
        fixed = replace(experiment, recipes={(experiment.tasks[0].name, model.name): Head()})
        assert [role for role, _ in bench.fits(fixed)] == [left]


def test_what_fails_leaves_the_rest(
    bench: ModuleType, experiment: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "weak" / "model.safetensors").unlink()
    with Inline() as runner:
        shown = bench.tried(experiment, [Finetune(epochs=1.0)], Store(str(tmp_path / "store")), runner)
    assert list(shown.columns[2].cells) == ["ceiling"]
    assert "fit hf/weak on reward/pairs" in capsys.readouterr().out


def test_a_recipe_by_the_kind_of_task_serves_all_reward_files() -> None:
    task = Reward(path="$OUTGROW_DATA/preference/hh_harmless_*.jsonl.gz")
    assert recipes.bundled(task.name, "minilm/l6") == recipes.bundled("reward", "minilm/l6") != Finetune()
    assert recipes.bundled(task.name, "minilm/none") == Finetune()
