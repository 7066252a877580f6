"""What every loss keeps to. A new file in `outgrow.losses` is picked up by itself."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import torch

import outgrow.losses
from outgrow.graph import identity
from outgrow.losses.base import Loss

MODULES = [
    importlib.import_module(f"outgrow.losses.{each.name}")
    for each in pkgutil.iter_modules(outgrow.losses.__path__)
    if each.name != "base"
]
LOSSES = [
    kind
    for module in MODULES
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Loss) and kind.__module__ == module.__name__
]


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels of 8 examples, half of them with a third choice."""
    generator = torch.Generator().manual_seed(0)
    logits, weak = torch.randn(8, 3, generator=generator), torch.rand(8, 3, generator=generator)
    weak[:4, 2], logits[:4, 2] = 0.0, -float("inf")
    return logits, weak / weak.sum(1, keepdim=True)


def test_there_are_losses() -> None:
    assert len(LOSSES) == len(MODULES) > 0


@pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("progress", [0.0, 0.5, 0.99])
def test_targets_and_values_are_sound(kind: type[Loss], progress: float) -> None:
    loss, (logits, weak) = kind(), batch()
    targets = loss.targets(logits if loss.needs_logits else None, weak, progress)
    assert targets.shape == weak.shape
    assert torch.allclose(targets.sum(1), torch.ones(8), atol=1e-5)
    assert not targets[:4, 2].any(), "it aims at a choice that is not there"
    trained = logits.clone().requires_grad_()
    value = loss.per_example(trained, targets)
    assert value.shape == (8,)
    value.sum().backward()
    assert trained.grad is not None
    assert torch.isfinite(value).all()
    assert torch.isfinite(trained.grad).all()


@pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)
def test_values_do_not_depend_on_the_micro_batch(kind: type[Loss]) -> None:
    loss, (logits, weak) = kind(), batch()
    targets = loss.targets(logits if loss.needs_logits else None, weak, 0.5)
    apart = torch.cat([loss.per_example(logits[i : i + 1], targets[i : i + 1]) for i in range(8)])
    assert torch.allclose(loss.per_example(logits, targets), apart, atol=1e-6)


@pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)
def test_it_has_an_identity_and_a_docstring(kind: type[Loss]) -> None:
    assert identity(kind())
    assert kind.__doc__
