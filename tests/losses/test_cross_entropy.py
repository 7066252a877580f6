"""Cross-entropy by hand."""

from __future__ import annotations

import math

import pytest
import torch

from outgrow.losses.cross_entropy import CrossEntropy


def test_by_hand() -> None:
    # Logits 0 and ln 3 are probabilities 1/4 and 3/4. Targets 0.5 and 0.5: -(0.5 ln 1/4 + 0.5 ln 3/4) = 0.8370.
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, math.log(3.0)]])
    value = CrossEntropy().per_example(logits, torch.tensor([[0.5, 0.5], [0.0, 1.0]]))
    assert value.tolist() == pytest.approx([0.8370, math.log(4 / 3)], abs=1e-4)


def test_a_choice_that_is_not_there_counts_for_nothing() -> None:
    logits = torch.tensor([[0.0, math.log(3.0), -float("inf")]], requires_grad=True)
    value = CrossEntropy().per_example(logits, torch.tensor([[0.5, 0.5, 0.0]]))
    value.sum().backward()
    assert value.item() == pytest.approx(0.8370, abs=1e-4)
    # The gradient is probability minus target: 1/4 - 1/2, 3/4 - 1/2, and nothing where there is no choice.
    assert logits.grad is not None
    assert logits.grad[0].tolist() == pytest.approx([-0.25, 0.25, 0.0])
