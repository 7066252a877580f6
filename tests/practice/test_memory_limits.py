"""What fits into memory, and which finetuning follows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cheap
import pytest
import tiny

from outgrow.experiment.data import Prepare
from outgrow.experiment.estimates import to_learn
from outgrow.methods.contrastive import Contrastive
from outgrow.methods.finetune import Finetune
from outgrow.methods.lora import LoRA
from outgrow.models.hf import HF
from outgrow.practice import budget
from outgrow.practice.budget import finetuning
from outgrow.practice.task import task_of
from outgrow.types import UserError


def test_low_rank_updates_are_taken_where_memory_asks_for_them(bert: HF, monkeypatch: pytest.MonkeyPatch) -> None:
    data, examples = cheap.data(60), Prepare(task=task_of(cheap.data(60)), split="transfer", cut=True)
    needed = to_learn(bert, examples, "head", Contrastive().at("fp32"), tiny.SETTINGS).memory_gb
    assert needed > 0.5  # of the process alone

    def taken(memory_gb: float) -> type[Any]:
        return type(finetuning(data, bert, replace(tiny.SETTINGS, memory_gb=memory_gb)))

    assert taken(needed) is Contrastive
    assert taken(0.999 * needed) is LoRA
    monkeypatch.setattr(budget, "find_spec", lambda name: None)
    assert taken(0.999 * needed) is Contrastive  # whose refusal says what is missing


def test_encoders_of_texts_are_finetuned_contrastively_and_others_by_their_recipe(bert: HF, tmp_path: Path) -> None:
    data = cheap.data()
    assert isinstance(finetuning(data, bert, tiny.SETTINGS), Contrastive)
    assert isinstance(finetuning(data, cheap.model(tmp_path, "gpt2"), tiny.SETTINGS), Finetune)
    pairs = replace(data, replies=(("a", "b"),) * len(data))
    assert isinstance(finetuning(pairs, bert, tiny.SETTINGS), Finetune)


def test_a_budget_is_so_many_updates(bert: HF, monkeypatch: pytest.MonkeyPatch) -> None:
    data, how = cheap.data(320), Finetune(epochs=10, batch=32)
    monkeypatch.setattr(budget, "_measured", lambda wanted, how, settings: [0.5, 3.0])  # an update; before the first
    # 0.85 * 60 s less 3 s to open and 320 / 32 / 3 * 0.5 = 1.67 s to answer are 92 updates; 10 epochs are 100.
    assert budget.within(1.0, data, bert, how, seed=0, settings=tiny.SETTINGS).updates == 92
    assert budget.within(60.0, data, bert, how, seed=0, settings=tiny.SETTINGS).updates == 100
    with pytest.raises(UserError, match=r"--minutes 0\.05 is too short: .* take 6\.1 s: give 0\.11 at least"):
        budget.within(0.05, data, bert, how, seed=0, settings=tiny.SETTINGS)


def test_the_speed_is_measured_once(bert: HF, monkeypatch: pytest.MonkeyPatch) -> None:
    data, how = cheap.data(60), Finetune(epochs=1, precision="fp32")
    first = budget.within(1.0, data, bert, how, seed=0, settings=tiny.SETTINGS)
    monkeypatch.setattr(budget, "_timed", lambda *args: 1 / 0)
    assert budget.within(1.0, data, bert, how, seed=0, settings=tiny.SETTINGS) == first
    assert first.updates is not None
