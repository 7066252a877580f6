"""Several processes share the weights of a student: it learns the same as in one, within rounding."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tiny
from slots import Worded

from outgrow.executors.inline import Inline
from outgrow.executors.pool import Pool
from outgrow.experiment.data import Gold, Prepare
from outgrow.experiment.steps import Fit, Predict
from outgrow.graph import Outcome, Settings, load, run
from outgrow.losses.base import Loss
from outgrow.losses.confidence import Confidence
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import TextMethod
from outgrow.methods.finetune import Finetune
from outgrow.methods.lora import LoRA
from outgrow.models.hf import HF
from outgrow.store import Store
from outgrow.tasks.base import Readout
from outgrow.training import sharded

TWO = Settings(shards=2)
METHOD = Finetune(learning_rate=3e-3, epochs=3, batch=10, precision="fp32", checks=2)  # 44 examples: 5 updates
BOUND = {"rtol": 1e-5, "atol": 1e-5}  # what the order of sums may change of losses and answers


@dataclass(frozen=True, kw_only=True)
class Sorted(Worded):
    """Two classes, by a head."""

    readout: ClassVar[Readout] = "head"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def predict(folder: Path, method: TextMethod = METHOD, loss: Loss = CrossEntropy()) -> Predict:  # noqa: B008 - frozen
    """The answers of a tiny BERT without dropout, fitted to ground truth."""
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.1}
    model = HF(size=str(tiny.checkpoint(folder / "model", "bert", **quiet))).pinned()
    task = Sorted(digest="fake")
    prepared, stop_on = Prepare(task=task, split="transfer", n=44), Prepare(task=task, split="validation", n=20)
    gold, held_gold = Gold(examples=prepared), Gold(examples=stop_on)
    fit = Fit(
        model=model, readout="head", method=method, loss=loss, examples=prepared, labels=gold, validation=stop_on,
        validation_labels=held_gold,
    )  # fmt: skip
    return Predict(fitted=fit, examples=stop_on)


def ran(step: Predict, folder: Path, settings: Settings = TWO, executor: Any = Inline) -> tuple[Store, Outcome]:
    store = Store(str(folder))
    with executor() as on:
        return store, run([step], store, on, settings)


def curve(store: Store, step: Predict) -> np.ndarray[Any, Any]:
    checks = json.loads((load(step.fitted, store).folder / "curve.json").read_text())
    return np.array([list(check.values()) for check in checks])


def weights(store: Store, step: Predict) -> dict[str, Any]:
    from safetensors.numpy import load_file

    (file,) = load(step.fitted, store).folder.glob("*.safetensors")  # of LoRA what it keeps
    return load_file(file)


def assert_equal_within_rounding(step: Predict, one: Store, two: Store) -> None:
    assert np.allclose(curve(one, step), curve(two, step), **BOUND)
    first, second = weights(one, step), weights(two, step)
    assert first.keys() == second.keys()
    # The bias of keys shifts every score of a query alike, so its gradient is rounding alone, which AdamW makes large.
    compared = [name for name in first if not name.endswith("key.bias")]
    assert all(np.allclose(first[name], second[name], **BOUND) for name in compared)
    assert np.allclose(load(step, one).probs, load(step, two).probs, **BOUND)


@pytest.mark.timeout(900)
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    step = predict(tmp_path)
    one, outcome = ran(step, tmp_path / "one", Settings())
    assert not outcome.failures
    two, outcome = ran(step, tmp_path / "two", executor=lambda: Pool(1))  # ranks are children of a worker
    assert not outcome.failures, outcome.failures
    assert_equal_within_rounding(step, one, two)
    assert curve(one, step)[-1][1] < curve(one, step)[0][1]  # it has learned something
    assert two.manifest(step.fitted.key).provenance["devices"] == 2
    assert one.manifest(step.fitted.key).provenance["devices"] == 1
    assert not list(Path(two.storage.local or "", "scratch").rglob("rendezvous*"))
    from transformers import AutoModelForSequenceClassification

    opened = AutoModelForSequenceClassification.from_pretrained(load(step.fitted, two).folder)  # an ordinary checkpoint
    stored = weights(two, step)
    assert all(
        np.array_equal(tensor.numpy(), stored[name]) for name, tensor in opened.state_dict().items() if name in stored
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("method", "loss", "settings"),
    [
        (METHOD, Confidence(), TWO),  # whose targets come from a whole batch
        (LoRA(learning_rate=1e-2, epochs=2, batch=10, precision="fp32"), CrossEntropy(), TWO),
        (METHOD, CrossEntropy(), replace(TWO, gradient_checkpointing=True, shards=3)),
        (replace(METHOD, precision="bf16"), CrossEntropy(), TWO),
    ],
    ids=["confidence", "lora", "three ranks, gradient checkpointing", "bf16"],
)
def test_other_ways_to_learn(method: TextMethod, loss: Loss, settings: Settings, tmp_path: Path) -> None:
    if isinstance(method, LoRA):
        pytest.importorskip("peft")
    step = predict(tmp_path, method, loss)
    one, _ = ran(step, tmp_path / "one", Settings())
    two, outcome = ran(step, tmp_path / "two", settings)
    assert not outcome.failures, outcome.failures
    if method.precision == "bf16":
        assert np.allclose(curve(one, step), curve(two, step), atol=0.05)
    else:
        assert_equal_within_rounding(step, one, two)


def rank_processes() -> list[int]:
    """The processes that this one has started for ranks."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children if b"outgrow.training.ranks" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Predict, Store]:
    """A step, and what it comes to when nothing is killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    step = predict(folder, replace(METHOD, epochs=4))
    whole, outcome = ran(step, folder / "whole")
    assert not outcome.failures
    return step, whole


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("which", [0, 1])
def test_a_killed_rank_costs_nothing_but_time(
    which: int, undisturbed: tuple[Predict, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, whole = undisturbed
    monkeypatch.setenv("OUTGROW_CHECKPOINT_SECONDS", "0")
    killed: list[int] = []
    scratch = tmp_path / "killed" / "scratch"

    def kill() -> None:
        while not list(scratch.glob("fit-*/*/checkpoint-*")):
            time.sleep(0.05)
        killed.append(rank_processes()[which])
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    store, outcome = ran(step, tmp_path / "killed")
    thread.join()
    assert killed
    assert not outcome.failures, outcome.failures
    assert store.manifest(step.fitted.key).files == whole.manifest(step.fitted.key).files  # to the byte
    assert not rank_processes()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_wrong_step_is_one_line_and_leaves_no_process(tmp_path: Path) -> None:
    step = predict(tmp_path, replace(METHOD, learning_rate=1e30, keep="last"))
    _, outcome = ran(step, tmp_path / "store")
    (failure,) = outcome.failures
    assert failure.user_error
    assert failure.error_text.startswith("training diverged")
    assert not rank_processes()


def test_a_batch_smaller_than_the_ranks_is_refused(tmp_path: Path) -> None:
    step = predict(tmp_path, replace(METHOD, batch=3))
    _, outcome = ran(step, tmp_path / "store", replace(TWO, shards=4))
    (failure,) = outcome.failures
    assert (failure.user_error, failure.error_text) == (
        True,
        "batch is 3, fewer examples than --shards 4: use 3 shards at most",
    )


@pytest.mark.parametrize("items", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_ranks_share_items_in_lockstep(items: int, world: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = []
    for number in range(world):
        monkeypatch.setattr(sharded, "_own", sharded.Rank(number=number, world=world))
        shares.append(list(sharded.share(range(items))))
    assert len({len(each) for each in shares}) == 1
    assert sorted(item for each in shares for item, counts in each if counts) == list(range(items))
