"""The memory of a fit, counted before anything is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny
from gpus import invent
from hypothesis import given
from hypothesis import strategies as st
from slots import Headed

from outgrow.executors import _machine as machines
from outgrow.executors._gpus import with_gpu_memory
from outgrow.experiment import estimates
from outgrow.experiment.data import Gold, Prepare
from outgrow.experiment.membership import Membership
from outgrow.experiment.pretrained import Adapt
from outgrow.experiment.steps import Features, Fit
from outgrow.graph import Resources, Settings, check_resources, lacking
from outgrow.methods.finetune import Finetune
from outgrow.methods.lora import LoRA
from outgrow.models.base import weights_in
from outgrow.models.hf import HF
from outgrow.training.footprint import Architecture, Pass, activations, architecture, pass_of, weights_to_learn
from outgrow.training.language_model import Generative
from outgrow.types import UserError

SMALL = Architecture(parameters=1000, layers=2, width=10, inner=40, heads=2, vocabulary=50, sides=400)
HUGE = Architecture(
    parameters=70 * 10**9,
    layers=80,
    width=8192,
    inner=28672,
    heads=64,
    vocabulary=128_256,
    sides=80 * 190_000,
    gated=True,
)


def test_weights_by_hand() -> None:
    assert weights_to_learn(SMALL, 1000, "fp32") == 1000 * (4 + 4 + 8 + 4)
    assert weights_to_learn(SMALL, 1000, "bf16") == 1000 * (4 + 4 + 8 + 4 + 2)
    assert weights_to_learn(SMALL, 8, "fp32") == 4000 + 8 * 16  # LoRA: the rest has neither gradient nor moments


def test_activations_by_hand() -> None:
    a_token = 34 * 10 + 8 * 40
    assert activations(SMALL, Pass(texts=3, length=5)) == 15 * a_token * 3
    assert activations(SMALL, Pass(texts=3, length=5, outputs=3)) == 15 * a_token * 3 + 12 * 3 * 50
    eager = a_token + (4 + 4 + 1) * 2 * 5
    assert activations(SMALL, Pass(texts=3, length=5, eager=True)) == 15 * eager * 3
    again = Pass(texts=3, length=5, gradient_checkpointing=True)
    assert activations(replace(SMALL, layers=9), again) == 15 * (4 * 10 * 9 + 4 * a_token)


@given(st.integers(1, 64), st.integers(1, 9000))
def test_a_micro_batch_has_so_many_tokens_or_one_text(texts: int, length: int) -> None:
    each = pass_of(texts, length)
    assert 1 <= each.texts <= texts
    assert each.texts == 1 or each.tokens <= 4096


@pytest.mark.parametrize("name", tiny.ARCHITECTURES)
def test_the_sizes_of_a_checkpoint(name: str, tmp_path: Path) -> None:
    found = architecture(tiny.checkpoint(tmp_path, name))
    assert (found.layers, found.width, found.heads, found.vocabulary) == (2, 16, 2, len(tiny.WORDS))
    assert found.inner == (64 if name == "gpt2" else 32)
    assert found.parameters == weights_in(tmp_path)
    assert found.gated == (name == "llama")


def fit(folder: Path, method: Finetune | LoRA = Finetune()) -> Fit:  # noqa: B008 - frozen
    model = HF(size=str(tiny.checkpoint(folder / "model", "bert"))).pinned()
    prepared = Prepare(task=Headed(digest="fake"), split="transfer", n=40)
    gold = Gold(examples=prepared)
    return Fit(
        model=model, readout="head", method=method.at("fp32"), examples=prepared, labels=gold, validation=prepared,
        validation_labels=gold,
    )  # fmt: skip


@pytest.fixture
def huge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "_architecture", lambda model: HUGE)
    monkeypatch.setattr(estimates, "_longest", lambda task, model: 512)


@pytest.mark.usefixtures("huge")
def test_a_70b_student_needs_more_than_a_gpu_and_says_what_would_do(tmp_path: Path) -> None:
    settings = Settings(device="cuda", gpu_gb=80.0)
    there = Resources(cores=64, memory_gb=2000.0, gpus=8, gpu_gb=80.0)
    with pytest.raises(UserError, match=r"GB of memory on a GPU .here 80.: --shards .* would do"):
        check_resources([fit(tmp_path, LoRA())], there, settings)
    sharded = fit(tmp_path, LoRA()).resources(replace(settings, shards=8, microbatch=1, gradient_checkpointing=True))
    assert sharded.gpus == 8
    assert 50 < sharded.gpu_gb < 60  # 280 GB of weights in eight parts, what is gathered at once, and a micro-batch
    assert not lacking(sharded, there)


@pytest.mark.usefixtures("huge")
def test_what_one_device_computes_counts_no_shards(tmp_path: Path) -> None:
    """Features, generative supervision and the scores of tokens: shards would be of no use to them."""
    student, shared = fit(tmp_path), Settings(device="cuda", gpu_gb=80.0, shards=8)
    model, examples = student.model, student.labels.examples
    adapt = Adapt(model=model, method=Generative(precision="fp32"), examples=examples, validation=examples)
    known = Membership(model=model, examples=examples, unseen=examples)
    for step in (Features(source=model, examples=examples), adapt, known):
        needed = step.resources(shared)
        assert needed == step.resources(replace(shared, shards=1))
        assert needed.gpus == 1
        assert needed.gpu_gb > 280  # of weights alone
    assert not any("--shards" in how for how, _ in adapt.remedies(replace(shared, shards=1)))


@pytest.mark.usefixtures("huge")
def test_what_nothing_helps_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="use a larger machine or a smaller model"):
        check_resources([fit(tmp_path)], Resources(memory_gb=16.0), Settings())


def test_small_fits_share_a_gpu_where_its_memory_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invent(monkeypatch, 80.0, 80.0)
    step, settings = fit(tmp_path), Settings(device="cuda", per_gpu=4)
    assert step.resources(replace(settings, per_gpu=1)).gpus == 1
    assert step.resources(with_gpu_memory(settings)).gpus == 0.25
    invent(monkeypatch, 2.0)
    needed = step.resources(with_gpu_memory(settings))
    assert needed.gpus == needed.gpu_gb / 2.0 > 0.25  # four of them would not fit
    there = machines.machine(settings)
    assert (there.gpus, there.gpu_gb) == (1, 2.0)


def test_a_smaller_micro_batch_and_low_rank_need_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "_longest", lambda task, model: 60)
    step = fit(tmp_path)
    every = [step.resources(Settings()), *(needed for _, needed in step.remedies(Settings()))]
    names = [how for how, _ in step.remedies(Settings())]
    assert names[:5] == [f"--microbatch {rows}" for rows in (16, 8, 4, 2, 1)]
    assert [each.memory_gb for each in every[:7]] == sorted((each.memory_gb for each in every[:7]), reverse=True)
    assert every[-1].memory_gb < every[0].memory_gb


def test_the_machine_says_what_it_has() -> None:
    there = machines.machine(Settings())
    assert there.cores >= 1
    assert there.memory_gb > 0.5
    assert (there.gpus, there.gpu_gb) == (0, 0)
    assert machines.machine(Settings(memory_gb=3.0)).memory_gb == 3.0
