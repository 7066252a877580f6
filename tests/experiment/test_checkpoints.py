"""Checkpoints that no step could load are refused before anything is computed, from config and headers alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
from text_files import reviews, write_jsonl

import outgrow
from outgrow.cache import cache_folder
from outgrow.experiment.definition import Experiment
from outgrow.graph import Settings
from outgrow.methods.finetune import Finetune
from outgrow.methods.head import Head
from outgrow.models.hf import HF
from outgrow.tasks.text import Text
from outgrow.training.checkpoint import check_loadable
from outgrow.types import CollectedError, UserError

HERE = Settings()
SIZES: Any = {"weak_train": 40, "transfer": 40, "transfer_validation": 4, "validation": 4, "test": 20}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))


def experiment(folder: Path, weak: Path, strong: Path, **changes: Any) -> Experiment:
    task = Text(
        path=str(write_jsonl(folder / "t.jsonl", reviews(300))), prompt="{body}", label="sentiment", near_share=0
    )
    models = HF(size=str(weak)), HF(size=str(strong))
    recipes = {(task.name, model.name): Finetune(epochs=1) for model in models}
    made = Experiment(tasks=(task,), weak=models[:1], strong=models[1:], seeds=(0,), sizes=SIZES, recipes=recipes)
    return replace(made, **changes)


def with_config(folder: Path, **changes: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


WRONG = {
    "intermediate_size": ("bert", {"intermediate_size": 64}, "intermediate.dense"),
    "hidden_size": ("bert", {"hidden_size": 32}, "hidden_size = 32"),
    "heads": ("bert", {"num_attention_heads": 3}, "not a multiple of the number of attention"),
    "positions": ("gpt2", {"n_positions": 32}, "wpe.weight has the shape (64, 16)"),
    "types": ("bert", {"type_vocab_size": 5}, "token_type_embeddings"),
    "keys": ("llama", {"num_key_value_heads": 1}, "k_proj"),
    "architecture": ("bert", {"model_type": "gpt2"}, "it lacks"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_config_that_does_not_fit_its_weights_is_refused_by_plan_and_run(name: str, tmp_path: Path) -> None:
    architecture, changes, said = WRONG[name]
    good, bad = tiny.checkpoint(tmp_path / "good"), tiny.checkpoint(tmp_path / "bad", architecture)
    with_config(bad, **changes)
    for ask in (outgrow.plan, outgrow.run):
        with pytest.raises(UserError) as caught:
            ask(experiment(tmp_path, good, bad), store=tmp_path / "store")
        assert said in str(caught.value), str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "store").exists()


def test_all_checkpoints_are_said_at_once(tmp_path: Path) -> None:
    weak = with_config(tiny.checkpoint(tmp_path / "weak", "bert"), intermediate_size=64)
    strong = with_config(tiny.checkpoint(tmp_path / "strong"), n_positions=32)
    with pytest.raises(CollectedError) as caught:
        outgrow.plan(experiment(tmp_path, weak, strong), store=tmp_path / "store")
    assert sum(str(weak) in line for line in caught.value.messages) == 1
    assert sum(str(strong) in line for line in caught.value.messages) >= 1


def test_a_second_plan_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = tiny.checkpoint(tmp_path / "good")
    asked = experiment(tmp_path, good, tiny.checkpoint(tmp_path / "other", seed=1))
    first = outgrow.plan(asked, store=tmp_path / "store")
    assert first.todo
    assert list((cache_folder() / "facts").glob("loadable-*"))
    monkeypatch.setattr("outgrow.training.network.check_loadable", lambda *_, **__: pytest.fail("looked at again"))
    assert outgrow.plan(asked, store=tmp_path / "store").todo == first.todo


def test_a_model_without_classifier_can_have_a_head_on_its_features(tmp_path: Path) -> None:
    """transformers has a language model of CodeGen, and no classifier."""
    import architectures

    speaking = architectures.checkpoint(tmp_path / "speaking", "codegen")
    asked = experiment(tmp_path, speaking, tiny.checkpoint(tmp_path / "other"))
    with pytest.raises(UserError, match="no classifier of the architecture codegen"):
        outgrow.plan(asked, store=tmp_path / "store")
    recipes = {(asked.tasks[0].name, model.name): Head() for model in asked.models}
    assert outgrow.plan(replace(asked, recipes=recipes), store=tmp_path / "store").todo


def test_an_encoder_is_not_asked_for_next_tokens(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_config(tiny.config("bert")).save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="does not read from left to right"):
        check_loadable("language model", tmp_path, HERE, drawn=False)


def test_no_memory_is_taken_for_large_weights(tmp_path: Path) -> None:
    """4 GB of weights in a sparse file."""
    import resource
    import struct

    folder = tiny.checkpoint(tmp_path, "llama")
    with_config(folder, intermediate_size=10_000_000)
    with (folder / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    end, tensors = 0, {}
    for name, entry in header.items():
        if name != "__metadata__":
            shape = [10_000_000 if size == 32 else size for size in entry["shape"]]
            length = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
            tensors[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + length]}
            end += length
    text = json.dumps(tensors).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    assert end > 3e9
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check_loadable("classifier", folder, HERE, drawn=True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "KiB"
