"""What would make the process wait for a GPU, counted on a CPU: an update has none of it, and copies are pinned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from outgrow.graph import Settings
from outgrow.losses.base import Loss
from outgrow.losses.confidence import Confidence
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.tasks.base import Passage, Readout
from outgrow.training import loop
from outgrow.training.batches import sent
from outgrow.training.classification import ClassificationObjective
from outgrow.training.language_model import LanguageModelObjective, tokenised
from outgrow.training.network import open_network

# Operations whose result, or its shape, the process has to know.
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "_unique2", "unique_dim")
READING = ("tolist", "numpy", "item", "__float__", "__bool__", "__int__", "__index__")


class _Seen(TorchDispatchMode):
    def __init__(self, waits: list[str]) -> None:
        super().__init__()
        self._waits = waits

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.partition(".")[0]
        masked = name in ("index", "index_put", "index_put_") and any(
            each is not None and each.dtype in (torch.bool, torch.uint8) for each in args[1]
        )
        if name in WAITING or masked:
            self._waits.append(name)
        return func(*args, **(kwargs or {}))


@contextmanager
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the process would wait for in the `with` block, by name."""
    found: list[str] = []

    def noted(name: str, function: Any) -> Any:
        def read(*args: Any, **kwargs: Any) -> Any:
            found.append(name)
            return function(*args, **kwargs)

        return read

    with monkeypatch.context() as patched, _Seen(found):
        for name in READING:
            patched.setattr(torch.Tensor, name, noted(name, getattr(torch.Tensor, name)))
        yield found


def test_what_waits_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = torch.arange(4.0)
    for wait in (
        lambda: float(numbers.sum()),
        lambda: bool(numbers.isfinite().all()),
        lambda: numbers[numbers > 1],
        lambda: numbers.tolist(),
        lambda: numbers.numpy(),
        lambda: torch.nn.functional.dropout(numbers, float(numbers[0])),
    ):
        with waits(monkeypatch) as found:
            wait()
        assert found
    with waits(monkeypatch) as found:
        numbers.sum() * 2
    assert not found


def update(module: Any, objective: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What an update waits for: all that the loop does between two checks, but for reading losses."""
    config = loop.TrainingConfig(batch=objective.size)
    (optimiser,) = config.optimisers(module)
    with waits(monkeypatch) as found:
        loop._gradient(module, objective, np.arange(objective.size), 0.0, config)
        optimiser.step()
        optimiser.zero_grad()
    return found


def classifying(
    folder: Path, architecture: str, readout: Readout, loss: Loss, most_rows: int
) -> tuple[Any, ClassificationObjective]:
    data = tiny.pairs(16) if readout == "pair" else tiny.supervision(12, ("a", "b") if readout == "head" else None)
    classes = {"head": ("a", "b"), "pair": ("score",), "tokens": None}[readout]
    tiny.checkpoint(folder, architecture)
    network = open_network(folder, readout, Settings(), classes=classes, trained_in="fp32")
    encoded = network.encode(data.examples), data.labels, network.encode(data.validation), data.validation_labels
    return network.module, ClassificationObjective(network, loss, *encoded, most_rows)


@pytest.mark.parametrize(
    ("architecture", "readout"),
    [("gpt2", "tokens"), ("gpt2", "head"), ("llama", "tokens"), ("llama", "pair"), ("bert", "head")],
)
def test_an_update_waits_for_nothing(
    architecture: str, readout: Readout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert update(*classifying(tmp_path, architecture, readout, CrossEntropy(), 4), monkeypatch) == []


def test_a_loss_that_assigns_the_whole_batch_waits_once_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The confidence loss balances its predictions on the CPU: not once for each micro-batch."""
    few, many = (update(*classifying(tmp_path, "gpt2", "head", Confidence(), most), monkeypatch) for most in (12, 2))
    assert few == many != []


def test_an_update_of_a_language_model_waits_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = open_network(tiny.checkpoint(tmp_path), "tokens", Settings(), trained_in="fp32")
    lines = tokenised(network, [Passage(given="w1", text=f"w2 w{i} w4" + " w5" * i) for i in range(8)])
    objective = LanguageModelObjective(network.module, lines, lines, 3)
    assert update(network.module, objective, monkeypatch) == []


@pytest.mark.parametrize("asked", [False, True])
def test_kernels_of_a_gpu_are_deterministic_only_where_asked(asked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[bool] = []
    monkeypatch.setattr(torch.random, "fork_rng", lambda **options: nullcontext())
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda mode, warn_only: modes.append(mode))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # so that it is as before afterwards
    with loop._own_randomness(torch.device("cuda"), asked):
        assert modes == [True] * asked
    assert modes == [True] * asked + [False]


@pytest.mark.parametrize(("device", "pinned"), [("cuda", True), ("cuda:1", True), ("cpu", False)])
def test_a_gpu_copies_out_of_pinned_memory(device: str, pinned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, Any, Any]] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        calls.append(("pin", None, None))
        return tensor

    def to(tensor: torch.Tensor, device: Any, non_blocking: bool = False) -> torch.Tensor:
        calls.append(("to", device, non_blocking))
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.Tensor, "to", to)
    assert sent(np.arange(3), device).tolist() == [0, 1, 2]
    assert calls == ([("pin", None, None)] if pinned else []) + [("to", device, pinned)]
