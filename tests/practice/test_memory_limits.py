"""What fits into memory, and which finetuning follows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cheap
import pytest
import tiny

from outgrow.methods.contrastive import Contrastive
from outgrow.methods.finetune import Finetune
from outgrow.methods.head import Head
from outgrow.methods.lora import LoRA
from outgrow.models.hf import HF
from outgrow.practice import budget, memory
from outgrow.practice.budget import finetuning
from outgrow.practice.memory import bytes_for, fits, free_memory
from outgrow.types import UserError


def test_bytes_of_each_method() -> None:
    assert [bytes_for(method) for method in (Head(), LoRA(), Finetune())] == [4, 5, 16]


def test_free_memory_is_what_the_machine_says() -> None:
    free = free_memory("cpu")
    assert free is None or 2**20 < free < 2**50


def test_low_rank_updates_are_taken_where_memory_asks_for_them(bert: HF, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = bert.parameters(tiny.SETTINGS)
    monkeypatch.setattr(memory, "free_memory", lambda device: 16 * weights)
    assert isinstance(finetuning(cheap.data(), bert, tiny.SETTINGS), Contrastive)
    monkeypatch.setattr(memory, "free_memory", lambda device: 16 * weights - 1)
    assert isinstance(finetuning(cheap.data(), bert, tiny.SETTINGS), LoRA)
    assert fits(bert, tiny.SETTINGS)
    monkeypatch.setattr(budget, "find_spec", lambda name: None)
    assert isinstance(finetuning(cheap.data(), bert, tiny.SETTINGS), Contrastive)  # whose refusal says what is missing
    monkeypatch.setattr(memory, "free_memory", lambda device: None)
    assert fits(bert, tiny.SETTINGS, 16)


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
    with pytest.raises(
        UserError, match=r"--minutes 0.05 is too short: opening the model and reading the rows take 0.1"
    ):
        budget.within(0.05, data, bert, how, seed=0, settings=tiny.SETTINGS)


def test_the_speed_is_measured_once(bert: HF, monkeypatch: pytest.MonkeyPatch) -> None:
    data, how = cheap.data(60), Finetune(epochs=1, precision="fp32")
    first = budget.within(1.0, data, bert, how, seed=0, settings=tiny.SETTINGS)
    monkeypatch.setattr(budget, "_timed", lambda *args: 1 / 0)
    assert budget.within(1.0, data, bert, how, seed=0, settings=tiny.SETTINGS) == first
    assert first.updates is not None
