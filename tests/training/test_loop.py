"""The training loop: what an update is, and that an interrupted run ends like an undisturbed one."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from straight import Plain, Straight, weight

from outgrow.graph import Settings
from outgrow.losses.base import Loss
from outgrow.losses.confidence import Confidence
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.losses.log_confidence import LogConfidence
from outgrow.tasks.base import Readout
from outgrow.training import loop
from outgrow.training.classification import ClassificationObjective
from outgrow.training.loop import TrainingConfig, schedule, train
from outgrow.training.network import Network, open_network

HYPER = TrainingConfig(epochs=3, batch=8, learning_rate=3e-3, weight_decay=0.1)


def classifying(
    folder: Path, loss: Loss | None = None, most_rows: int | None = None, readout: Readout = "tokens"
) -> tuple[Network, ClassificationObjective]:
    """A small model with dropout, and 40 examples: with choices of their own, or of two classes where it has a head."""
    if not folder.exists():
        tiny.checkpoint(folder, resid_pdrop=0.1, embd_pdrop=0.1, attn_pdrop=0.1)
    data = tiny.supervision(40, None if readout == "tokens" else ("a", "b"))
    network = open_network(folder, readout, Settings(), classes=("a", "b") if readout == "head" else None)
    encoded = network.encode(data.examples), data.labels, network.encode(data.validation), data.validation_labels
    return network, ClassificationObjective(network, loss or CrossEntropy(), *encoded, most_rows)


def weights(network: Network) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.module.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


class Stop(BaseException):
    """What ends a run in the middle."""


class Mortal(tiny.Scratch):
    """Checkpoints every `every` updates, and dies after `dies`."""

    dies = 0

    def progress(self, fraction: float, note: str = "") -> None:
        super().progress(fraction, note)
        if self.updates == self.dies:
            raise Stop


@pytest.mark.parametrize(("keep", "every", "dies"), [("best", 4, 3), ("last", 1, 2), ("best", 3, 11), ("best", 5, 15)])
def test_an_interrupted_run_ends_like_an_undisturbed_one(keep: Any, every: int, dies: int, tmp_path: Path) -> None:
    config = TrainingConfig(**{**HYPER.__dict__, "keep": keep})
    network, objective = classifying(tmp_path / "model")
    curve = train(network.module, objective, config, 0, tiny.Scratch(tmp_path / "whole"))

    first, objective = classifying(tmp_path / "model")
    mortal = Mortal(tmp_path / "cut", every=every)
    mortal.dies = dies
    with pytest.raises(Stop):
        train(first.module, objective, config, 0, mortal)
    second, objective = classifying(tmp_path / "model")
    heir = tiny.Scratch(tmp_path / "cut", every=every)
    again = train(second.module, objective, config, 0, heir)
    assert again == curve
    assert same(weights(network), weights(second))
    assert heir.updates == 15 - (dies - 1) // every * every, "it did not go on where the checkpoint was"


def test_a_resume_goes_on_from_the_trained_weights(tmp_path: Path) -> None:
    """A resume that evaluates or trains the untrained model would not be where the checkpoint is."""
    network, objective = classifying(tmp_path / "model")
    scratch = tiny.Scratch(tmp_path / "run", every=1)
    train(network.module, objective, TrainingConfig(epochs=1, batch=8, learning_rate=3e-3), 0, scratch)
    trained, (fresh, objective) = weights(network), classifying(tmp_path / "model")
    assert not same(trained, weights(fresh))
    heir = tiny.Scratch(tmp_path / "run")
    train(fresh.module, objective, TrainingConfig(epochs=1, batch=8, learning_rate=3e-3), 0, heir)
    assert heir.updates == 0
    assert same(trained, weights(fresh))


@pytest.mark.parametrize("loss", [CrossEntropy(), Confidence(), LogConfidence()], ids=str)
@pytest.mark.parametrize("readout", ["tokens", "head"])
def test_the_micro_batch_does_not_change_the_gradient(loss: Loss, readout: Readout, tmp_path: Path) -> None:
    network, whole = classifying(tmp_path / "model", loss, readout=readout)
    network.module.eval()
    rows = torch.arange(16).numpy()

    def gradient(objective: ClassificationObjective) -> torch.Tensor:
        network.module.zero_grad()
        micro_batches = objective.micro_batches(rows)
        with torch.no_grad():
            targets = objective.targets(micro_batches, 0.5)
        for micro_batch, target in zip(micro_batches, targets, strict=True):
            (objective.per_example(micro_batch, target).sum() / len(rows)).backward()
        return torch.cat([p.grad.flatten() for p in network.module.parameters()])

    _, small = classifying(tmp_path / "model", loss, most_rows=3, readout=readout)
    small._network = network
    assert len(small.micro_batches(rows)) > len(whole.micro_batches(rows))
    assert torch.allclose(gradient(whole), gradient(small), atol=1e-6)


def test_choices_of_their_own_are_no_classes_even_where_all_have_as_many(tmp_path: Path) -> None:
    """Two positions with as many moves: hardening goes by each one's likeliest move, and labels are not centred."""
    network, objective = classifying(tmp_path / "model", Confidence(weight=1.0))
    network.module.eval()
    counts = (objective._examples.columns >= 0).sum(1)
    rows = next(np.flatnonzero(counts == n)[:2] for n in np.unique(counts) if n > 1 and (counts == n).sum() > 1)
    micro_batches = objective.micro_batches(rows)
    (micro_batch,) = micro_batches
    with torch.no_grad():
        (targets,) = objective.targets(micro_batches, 1.0)
        logits = network.choice_logits(micro_batch)
    assert bool(logits.isfinite().all())
    assert torch.equal(targets, torch.nn.functional.one_hot(logits.argmax(1), logits.shape[1]).float())
    objective._loss = LogConfidence(weight=0.0)
    weak = torch.from_numpy(objective._labels[micro_batch.rows, : logits.shape[1]])
    assert torch.equal(objective.targets(micro_batches, 1.0)[0], weak)


def test_only_one_graph_is_alive_at_a_time(tmp_path: Path) -> None:
    """What autograd keeps for a backward pass, counted at each micro-batch's loss: never more than one's."""
    kept: weakref.WeakSet[Kept] = weakref.WeakSet()
    counts: list[int] = []

    class Kept:
        def __init__(self, tensor: torch.Tensor) -> None:
            self.tensor = tensor
            kept.add(self)

    @dataclass(frozen=True, kw_only=True)
    class Watched(CrossEntropy):
        def per_example(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            counts.append(len(kept))
            return super().per_example(logits, targets)

    network, objective = classifying(tmp_path / "model", Watched(), most_rows=2)
    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda box: box.tensor):
        train(network.module, objective, TrainingConfig(epochs=1, batch=8), 0, tiny.Scratch(tmp_path / "run"))
    assert len(counts) == 20, "4 micro-batches in each of 5 updates"
    assert counts[0] > 10
    assert max(counts) < 1.5 * counts[0]


def test_targets_see_the_whole_batch_and_the_progress(tmp_path: Path) -> None:
    seen: list[tuple[tuple[int, ...], tuple[int, ...], float, bool]] = []

    @dataclass(frozen=True, kw_only=True)
    class Looking(CrossEntropy):
        needs_logits = True

        def targets(self, logits: torch.Tensor | None, weak: torch.Tensor, progress: float) -> torch.Tensor:
            assert logits is not None
            seen.append((tuple(logits.shape), tuple(weak.shape), progress, logits.requires_grad))
            return weak

    network, objective = classifying(tmp_path / "model", Looking(), most_rows=3)
    train(network.module, objective, TrainingConfig(epochs=1, batch=16), 0, tiny.Scratch(tmp_path / "run"))
    assert [shapes[0][0] for shapes in seen] == [16, 16, 8]
    assert all(logits == weak for logits, weak, _, _ in seen)
    assert [progress for _, _, progress, _ in seen] == [0, 1 / 3, 2 / 3]
    assert not any(grad for *_, grad in seen)


def test_training_leaves_everybody_elses_random_numbers_alone(tmp_path: Path) -> None:
    network, objective = classifying(tmp_path / "model")
    before = torch.get_rng_state()
    train(network.module, objective, HYPER, 0, tiny.Scratch(tmp_path / "run"))
    assert torch.equal(before, torch.get_rng_state())


def test_best_keeps_the_epoch_with_the_lowest_validation_loss(tmp_path: Path) -> None:
    config = TrainingConfig(epochs=12, batch=8, learning_rate=3e-2)  # overfits
    network, objective = classifying(tmp_path / "model")
    curve = train(network.module, objective, config, 0, tiny.Scratch(tmp_path / "run")).curve
    lowest = min(epoch["validation_loss"] for epoch in curve)
    assert lowest < curve[-1]["validation_loss"], "it does not overfit: this test could not fail"
    assert objective.validate()["validation_loss"] == pytest.approx(lowest, abs=1e-6)
    last, objective = classifying(tmp_path / "model")
    train(
        last.module,
        objective,
        TrainingConfig(epochs=12, batch=8, learning_rate=3e-2, keep="last"),
        0,
        tiny.Scratch(tmp_path / "2"),
    )
    assert objective.validate()["validation_loss"] == pytest.approx(curve[-1]["validation_loss"], abs=1e-6)


def test_schedule_by_hand() -> None:
    # 10 updates, 20 % warm-up: 1/2, 1 at updates 0 and 1, then down to 0 at update 10, linearly: 1 - (s - 2) / 8.
    shares = [schedule(TrainingConfig(warmup=0.2), step, 10) for step in range(10)]
    assert shares == pytest.approx([0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    assert schedule(TrainingConfig(warmup=0.2, schedule="cosine"), 6, 10) == pytest.approx(0.5)
    assert schedule(TrainingConfig(warmup=0.0, schedule="constant"), 9, 10) == 1


def test_part_of_an_epoch_is_possible(tmp_path: Path) -> None:
    network, objective = classifying(tmp_path / "model")
    scratch = tiny.Scratch(tmp_path / "run")
    curve = train(network.module, objective, TrainingConfig(epochs=1.4, batch=8), 0, scratch).curve
    assert scratch.updates == 7
    assert [epoch["epoch"] for epoch in curve] == [1.0, 1.4]


def test_weights_are_cast_once_for_all_micro_batches(tmp_path: Path) -> None:
    """In bf16 every matrix is cast once an update, however many micro-batches it has."""
    casts = []

    class Counting(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.ops.aten._to_copy.default and args[0] is matrix:
                casts.append(kwargs["dtype"])
            return func(*args, **(kwargs or {}))

    network, objective = classifying(tmp_path / "model", most_rows=2)
    matrix = network.module.transformer.h[0].mlp.c_fc.weight
    config = TrainingConfig(updates=1, batch=8, precision="bf16")
    objective.validate = dict.fromkeys(["validation_loss"], 1.0).copy  # type: ignore[method-assign]
    with Counting():
        train(network.module, objective, config, 0, tiny.Scratch(tmp_path / "run"))
    assert casts == [torch.bfloat16]


@pytest.mark.parametrize(("unread", "reads"), [(1, 12), (4, 4), (32, 2)])
def test_losses_are_read_together_where_reading_waits_for_the_device(
    unread: int, reads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """12 updates with a check after the 6th and the 12th. What is read at once does not change what is found."""
    found = {}
    for most in (1, unread):
        waits: list[str] = []
        monkeypatch.setattr(loop, "most_unread", lambda device, most=most: most)
        for name in ("tolist", "item", "__float__", "__bool__", "numpy"):
            monkeypatch.setattr(torch.Tensor, name, counted(getattr(torch.Tensor, name), waits))
        module = weight()
        objective = Straight(module, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], losses=[2.0, 1.0])
        config = Plain(epochs=2, batch=1, learning_rate=0.01, keep="last")
        curve = train(module, objective, config, 0, tiny.Scratch(tmp_path / f"{most}")).curve
        monkeypatch.undo()
        found[most] = curve, module.weight.item()
    in_checks = 2 * 2  # whether all weights are numbers, and what Straight notes of its weight
    assert len(waits) - in_checks == reads
    assert found[1] == found[unread]


def counted(function: Any, calls: list[str]) -> Any:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        calls.append(function.__name__)
        return function(*args, **kwargs)

    return wrapped


def test_what_diverges_unread_is_named_and_nothing_of_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "most_unread", lambda device: 32)
    module = weight()
    spoil = lambda update, bf16: float("nan") if update == 7 else None  # noqa: E731
    objective = Straight(module, [1.0] * 6, losses=[2.0, 1.0], spoil=spoil)
    config = Plain(epochs=2, batch=1, learning_rate=0.01, keep="best")
    result = train(module, objective, config, 0, tiny.Scratch(tmp_path))
    assert "the training loss is nan at update 8 of 12" in result.notes[0]
    assert module.weight.item() == objective.checks[0]
    assert len(result.curve) == 1
