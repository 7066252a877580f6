"""A student taken out of an experiment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cheap
import numpy as np
import pytest
from slots import BASE
from worded import WordedHead

from outgrow.executors.inline import Inline
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.experiment.steps import predicted
from outgrow.experiment.technique import Technique
from outgrow.graph import Settings, load, run
from outgrow.labelling.harden import Harden
from outgrow.methods.head import Head
from outgrow.methods.lora import LoRA
from outgrow.practice.checkpoint import read_model
from outgrow.practice.export import export, name_of
from outgrow.store import Store
from outgrow.types import UserError


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    model = cheap.model(tmp_path_factory.mktemp("models"))
    return replace(
        BASE,
        tasks=(WordedHead(digest="worded"),),
        weak=(model,),
        strong=(model,),
        methods=(Technique(), Technique(label="hard labels", rules=(Harden(),))),
        seeds=(0, 1),
        sizes={"weak_train": 60, "transfer": 60, "transfer_validation": 12, "validation": 12, "test": 40},
        recipes={("worded", model.name): Head()},
        precision="fp32",
    )


@pytest.mark.slow
def test_the_student_answers_as_in_the_experiment(experiment: Experiment, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    found = next(cell for cell in cells(experiment) if cell.seed == 1 and cell.method.rules)
    answers = predicted(found.student_fit, found.test)
    with Inline() as executor:
        assert not run([answers], store, executor).failures
    name = "hard-labels/1"
    assert export(experiment, name, tmp_path / "out", store, Settings()).student_fit == found.student_fit
    texts = [row.prompt for row in found.test.read().rows]
    stored = load(answers, store).probs.reshape(len(texts), 2)
    assert np.allclose(read_model(tmp_path / "out", Settings()).predict(texts), stored, atol=1e-5)


def test_a_student_with_lora_is_exported_as_an_ordinary_checkpoint(experiment: Experiment, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    (model,) = experiment.strong
    tuned = LoRA(epochs=1, learning_rate=1e-2, precision="fp32")
    changed = replace(experiment, methods=(Technique(),), seeds=(0,), recipes={("worded", model.name): tuned})
    store, (found,) = Store(str(tmp_path / "store")), cells(changed)
    answers = predicted(found.student_fit, found.test)
    with Inline() as executor:
        assert not run([answers], store, executor).failures
    kept = load(found.student_fit, store).folder
    assert not (kept / "model.safetensors").exists()
    export(changed, name_of(found), tmp_path / "out", store, Settings())
    assert (tmp_path / "out" / "model.safetensors").stat().st_size > (kept / "adapters.safetensors").stat().st_size
    texts = [row.prompt for row in found.test.read().rows]
    stored = load(answers, store).probs.reshape(len(texts), 2)
    assert np.allclose(read_model(tmp_path / "out", Settings()).predict(texts), stored, atol=1e-6)


def test_names_are_whole_or_enough(experiment: Experiment, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    names = [name_of(cell) for cell in cells(experiment)]
    assert names[0] == "worded/hf-bert/hf-bert/naive/0"
    with pytest.raises(UserError, match=r"the student of .*/naive/0 is not stored: run the experiment first"):
        export(experiment, names[0], tmp_path / "out", store, Settings())
    with pytest.raises(UserError, match=r"several cells are called 'naive': choose one of .*/naive/0, .*/naive/1$"):
        export(experiment, "naive", tmp_path / "out", store, Settings())
    with pytest.raises(UserError, match=r"no cell is called 'magic': choose one of .*hard-labels/1$"):
        export(experiment, "magic", tmp_path / "out", store, Settings())
    assert not (tmp_path / "out").exists()
