"""What is wrong with an experiment is said before anything is computed, all of it at once."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import tiny
from fakes import FakeLoss, FakeMethod, FakeModel, FakeTask
from text_files import reviews, write_jsonl

import outgrow
from outgrow import preflight
from outgrow.experiment.definition import Experiment
from outgrow.experiment.steps import Fit
from outgrow.experiment.technique import Technique
from outgrow.graph import Settings
from outgrow.labelling.harden import Harden
from outgrow.methods.finetune import Finetune
from outgrow.methods.lora import LoRA
from outgrow.models.hf import HF
from outgrow.preflight import checked, facts_of, notes
from outgrow.store import Store
from outgrow.tasks.text import Text
from outgrow.types import CollectedError, Shape, UserError

HERE = Settings()
WEAK, STRONG = FakeModel(size="small"), FakeModel(size="large")
RECIPES = {("fakes", model.name): FakeMethod() for model in (WEAK, STRONG)}
GOOD = Experiment(tasks=(FakeTask(),), weak=(WEAK,), strong=(STRONG,), seeds=(0,), recipes=RECIPES)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))


def messages(experiment: Experiment) -> list[str]:
    """The lines that a check ends in; none where nothing is wrong."""
    try:
        checked(experiment, HERE)
    except CollectedError as errors:
        return list(errors.messages)
    except UserError as error:
        return [str(error)]
    return []


def text_experiment(folder: Path, **changes: Any) -> Experiment:
    """Every tenth text is five words longer than the others."""
    rows = [
        {**row, "body": row["body"] + (f" and more of it {i}" if i % 10 == 0 else "")}
        for i, row in enumerate(reviews(300))
    ]
    task = Text(path=str(write_jsonl(folder / "t.jsonl", rows)), prompt="{body}", label="sentiment", near_share=0.0)
    model = HF(size=str(tiny.checkpoint(folder / "m", "bert")))
    sizes = {"weak_train": 40, "transfer": 40, "transfer_validation": 4, "validation": 4, "test": 20}
    return replace(Experiment(tasks=(task,), weak=(model,), strong=(model,), seeds=(0,), sizes=sizes), **changes)


def test_nothing_is_wrong() -> None:
    assert messages(GOOD) == []
    assert checked(GOOD, HERE).tasks == GOOD.pinned().tasks


def test_every_split_that_is_too_small_is_named_at_once() -> None:
    lines = messages(replace(GOOD, sizes={"transfer": 10_000, "test": 9_000, "validation": 1}))
    assert [("split transfer" in line, "split test" in line) for line in lines] == [(True, False), (False, True)]
    assert "10000 examples asked for" in lines[0]


def test_data_models_and_techniques_are_reported_together(tmp_path: Path) -> None:
    good = text_experiment(tmp_path)
    task = good.tasks[0]
    wrong = replace(
        good,
        tasks=(
            replace(task, label="mood"),
            Text(path=str(tmp_path / "none.csv"), prompt="{body}", label="sentiment"),
        ),
        strong=(HF(size=str(tmp_path / "nowhere")),),
    )
    lines = messages(wrong)
    assert len(lines) == 3
    for words in ("no column 'mood'", "none.csv does not exist", "nowhere"):
        assert sum(words in line for line in lines) == 1
    assert all("\n" not in line for line in lines)


def test_checkpoints_and_the_grid_are_reported_with_the_data(tmp_path: Path) -> None:
    """What would show only once the steps are made and the models are looked into: with all else, in one list."""
    good = text_experiment(tmp_path)
    weak = HF(size=str(tiny.checkpoint(tmp_path / "weak", "bert")))
    config = Path(weak.size) / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "intermediate_size": 64}))
    recipes = {(good.tasks[0].name, weak.name): Finetune(epochs=1)}
    wrong = replace(good, weak=(weak,), sizes={**good.sizes, "test": 5000}, recipes=recipes)
    words = ["split test has", "intermediate.dense"]
    assert [sum(each in line for line in messages(wrong)) for each in words] == [1, 1]

    chained = Technique(label="chain", chain=(weak,))
    grid = replace(wrong, sizes={**good.sizes, "transfer": None}, methods=(Technique(), chained))
    with pytest.raises(CollectedError) as caught:  # the data are as they should be: the grid is not
        outgrow.plan(grid, store=tmp_path / "store")
    words = ["a chain takes fresh parts of transfer", "intermediate.dense"]
    assert [sum(each in line for line in caught.value.messages) for each in words] == [1, 1]


def test_a_device_and_a_disk_are_reported_with_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = text_experiment(tmp_path)
    with pytest.raises(CollectedError, match=r"no device 'cuda:77' here(.|\n)*split test has"):
        outgrow.plan(replace(good, sizes={**good.sizes, "test": 5000}), settings=Settings(device="cuda:77"))
    config = Path(good.models[0].size) / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "intermediate_size": 64}))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10))
    recipes = {(good.tasks[0].name, good.models[0].name): Finetune(epochs=1)}
    with pytest.raises(CollectedError, match=r"intermediate\.dense(.|\n)*needs about"):
        outgrow.plan(replace(good, recipes=recipes), store=tmp_path / "store")


@dataclass(frozen=True, kw_only=True)
class Fussy(FakeLoss):
    """Wants three choices."""

    def check(self, shape: Shape) -> None:
        if shape.most != 3:
            raise UserError(f"the fussy loss needs three choices, the task has {shape.most}")


@dataclass(frozen=True, kw_only=True)
class Lacking(FakeMethod):
    """Wants a library that is not there."""

    def check(self, shape: Shape) -> None:
        raise UserError("the lacking method needs a library: install it")


@dataclass(frozen=True, kw_only=True)
class Picky(Harden):
    """Wants shared choices other than those there are."""

    def check(self, shape: Shape) -> None:
        if shape.choices != ("left", "right"):
            raise UserError(f"the picky rule needs left and right, not {shape.choices}")


def test_every_slot_and_recipe_is_asked_whether_it_fits_the_task() -> None:
    techniques = (
        Technique(label="loss", loss=Fussy()),
        Technique(label="rule", rules=(Picky(),)),
        Technique(label="fit", fit=Lacking()),
    )
    lines = messages(replace(GOOD, methods=techniques))
    assert lines == [
        "the fussy loss needs three choices, the task has 2",
        "the picky rule needs left and right, not ('no', 'yes')",
        "the lacking method needs a library: install it",
    ]
    recipe = {**RECIPES, ("fakes", STRONG.name): Lacking()}
    assert messages(replace(GOOD, recipes=recipe)) == ["the lacking method needs a library: install it"]


def test_a_chain_needs_a_fresh_part_of_transfer_for_each_rung() -> None:
    chain = Technique(label="chain", chain=(FakeModel(size="medium"),))
    recipes = {**RECIPES, ("fakes", "fakes/medium"): FakeMethod()}
    enough = replace(GOOD, methods=(chain,), recipes=recipes, sizes={"transfer": 100})
    assert messages(enough) == []
    (line,) = messages(replace(enough, sizes={"transfer": 200}))
    assert "200 examples a part" in line
    assert 'chain_data = "same"' in line


def test_texts_that_are_too_long_are_left_out_and_reported(tmp_path: Path) -> None:
    model = HF(size=str(tiny.checkpoint(tmp_path / "short", "gpt2", n_positions=7, max_position_embeddings=7)))
    long = text_experiment(tmp_path, weak=(model,))
    (note,) = notes(checked(long, HERE), HERE)
    assert "longer than the 7 tokens that a model reads, and are left out for all models" in note
    (line,) = messages(replace(long, too_long="refuse"))
    most = int(line.partition("max_chars = ")[2].partition(",")[0])
    assert 'too_long = "drop" or "cut"' in line
    shorter = replace(long, tasks=(replace(long.tasks[0], max_chars=most),), too_long="refuse")
    assert not any("longer than" in line for line in messages(shorter))
    assert notes(checked(replace(long, too_long="cut"), HERE), HERE) == []


def test_a_choice_that_a_model_has_no_token_for_is_reported_before_a_run(tmp_path: Path) -> None:
    model = HF(size=str(tiny.checkpoint(tmp_path / "m")))
    lines = messages(replace(GOOD, weak=(model,), strong=(model,)))
    assert lines == [f"{model.name}: the choice 'no' is not one token of the model: rename it or use a head"]


def test_a_second_look_reads_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = text_experiment(tmp_path)
    first = checked(experiment, HERE)
    monkeypatch.setattr(Text, "load", lambda self: pytest.fail("the data were read again"))
    preflight.too_long.cache_clear()
    assert checked(experiment, HERE) == first
    assert facts_of(first.tasks[0]).shape.choices == ("bad", "good")


def test_a_disk_that_is_too_small_is_reported_before_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    experiment = text_experiment(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10_000))
    with pytest.raises(UserError, match=r"needs about 0\.0 GB and the disk of .* has 0\.0 GB free"):
        outgrow.plan(experiment, store=tmp_path / "store")
    with pytest.raises(UserError, match="needs about"):
        outgrow.run(experiment, store=tmp_path / "store", on="inline")
    assert not (tmp_path / "store").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, 10**12))
    assert outgrow.plan(experiment, store=Store(str(tmp_path / "store"))).todo


def test_lora_needs_disk_for_its_updates_alone(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    experiment = text_experiment(tmp_path)
    (model,) = experiment.strong
    task = experiment.tasks[0].name

    def needed(method: Finetune | LoRA) -> int:
        planned = outgrow.plan(replace(experiment, recipes={(task, model.name): method}), store=tmp_path / "store")
        return preflight._stored(next(step for step in planned.todo if isinstance(step, Fit)), HERE)

    assert 0 < needed(LoRA(rank=1)) < needed(LoRA(rank=2)) < needed(Finetune()) == model.parameters(HERE)
