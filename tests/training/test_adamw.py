"""AdamW: torch's updates to the bit, without what torch imports for them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from outgrow.training.adamw import AdamW


def weights() -> list[torch.nn.Parameter]:
    random = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=random)) for shape in ((4, 3), (5,), (2, 2))]


def groups(own: list[torch.nn.Parameter]) -> list[dict[str, Any]]:
    return [{"params": own[:1] + own[2:], "weight_decay": 0.1}, {"params": own[1:2], "weight_decay": 0.0}]


def train(optimiser: Any, own: list[torch.nn.Parameter], first: int, last: int) -> None:
    for update in range(first, last):
        random = torch.Generator().manual_seed(update)
        for group in optimiser.param_groups:
            group["lr"] = 0.1 / (update + 1)
        for i, weight in enumerate(own):
            weight.grad = None if (i, update) == (1, 2) else torch.randn(weight.shape, generator=random)
        optimiser.step()
        optimiser.zero_grad()
        assert all(weight.grad is None for weight in own)


def test_updates_are_those_of_torch() -> None:
    ours, theirs = weights(), weights()
    train(AdamW(groups(ours), lr=0.1), ours, 0, 6)
    train(torch.optim.AdamW(groups(theirs), lr=0.1, fused=True), theirs, 0, 6)
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
    assert not torch.equal(ours[0], weights()[0])


@pytest.mark.parametrize("from_torch", [False, True])
def test_a_resumed_run_ends_like_an_undisturbed_one(from_torch: bool) -> None:
    whole, half = weights(), weights()
    train(AdamW(groups(whole), lr=0.1), whole, 0, 6)
    before: Any = torch.optim.AdamW(groups(half), fused=True) if from_torch else AdamW(groups(half), lr=0.1)
    train(before, half, 0, 3)
    after = AdamW(groups(half), lr=0.1)
    after.load_state_dict(before.state_dict())
    train(after, half, 3, 6)
    assert all(torch.equal(one, other) for one, other in zip(whole, half, strict=True))


def test_no_compiler_is_imported() -> None:
    code = """
import sys, torch
from outgrow.training.adamw import AdamW
weight = torch.nn.Parameter(torch.ones(2))
optimiser = AdamW([{"params": [weight], "weight_decay": 0.0}], lr=0.1)
weight.grad = torch.ones(2)
optimiser.step()
assert weight[0] < 1
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
