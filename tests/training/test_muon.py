"""Muon: updates are orthogonal, and it goes down."""

from __future__ import annotations

import pytest
import torch

from outgrow.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(8, 8), (4, 16), (16, 4)])
def test_all_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert values.min() > 0.5
    assert values.max() < 1.3
    # The directions stay: U and V of the result are those of the matrix, so U^T result V is diagonal.
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ orthogonal(matrix) @ right.T
    assert torch.allclose(turned, torch.diag(turned.diagonal()), atol=0.02)


def test_the_first_update_has_the_size_of_the_learning_rate() -> None:
    weight = torch.nn.Parameter(torch.zeros(6, 6))
    (weight * torch.eye(6)).sum().backward()  # the gradient is the identity, which is orthogonal already
    Muon([weight], lr=0.1).step()
    assert torch.linalg.svdvals(weight.detach()).max() == pytest.approx(0.1, rel=0.3)


def test_it_solves_a_linear_problem_and_resumes_from_its_state() -> None:
    generator = torch.Generator().manual_seed(1)
    inputs, truth = torch.randn(64, 5, generator=generator), torch.randn(5, 5, generator=generator)
    weight = torch.nn.Parameter(torch.zeros(5, 5))
    optimiser = Muon([weight], lr=0.05)
    for step in range(200):
        loss = ((inputs @ weight - inputs @ truth) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.param_groups[0]["lr"] = 0.05 * (1 - step / 200)
        optimiser.step()
    assert loss.item() < 0.01
    again = Muon([weight], lr=0.05)
    again.load_state_dict(optimiser.state_dict())
    assert torch.equal(again.state[weight]["velocity"], optimiser.state[weight]["velocity"])
