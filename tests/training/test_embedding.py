"""Gradients of embeddings that are summed in place: torch's, up to rounding."""

from __future__ import annotations

import copy

import pytest
import torch

from outgrow.training.embedding import sum_in_place


class Tied(torch.nn.Module):
    """A table of words that is also the output layer, and a table of positions."""

    def __init__(self, padding: int | None) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(11, 4, padding_idx=padding)
        self.positions = torch.nn.Embedding(6, 4)
        self.outputs = torch.nn.Linear(4, 11, bias=False)
        self.outputs.weight = self.words.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        states = self.words(ids) + self.positions(torch.arange(ids.shape[1])[None])
        found: torch.Tensor = self.outputs(states.tanh())
        return found


def gradients(module: torch.nn.Module, every: list[torch.Tensor]) -> dict[str, torch.Tensor | None]:
    for ids in every:
        module(ids).square().sum().backward()
    return {name: weight.grad for name, weight in module.named_parameters()}


@pytest.mark.parametrize("padding", [None, 0])
def test_gradients_of_several_batches_are_those_of_torch(padding: int | None) -> None:
    torch.manual_seed(0)
    plain = Tied(padding)
    ours = copy.deepcopy(plain)
    sum_in_place(ours)
    every = [torch.randint(0, 11, (3, 5)) for _ in range(3)]  # ids appear several times, 0 among them
    for (name, expected), found in zip(gradients(plain, every).items(), gradients(ours, every).values(), strict=True):
        assert expected is not None
        assert found is not None
        assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5), name


def test_a_frozen_table_gets_no_gradient_and_evaluation_is_plain() -> None:
    module = torch.nn.Embedding(5, 3)
    sum_in_place(module)
    with torch.no_grad():
        assert torch.equal(module(torch.tensor([1, 4])), module.weight[[1, 4]])
    module.weight.requires_grad_(False)
    assert not module(torch.tensor([1])).requires_grad
    assert module.weight.grad is None


def test_only_the_rows_that_were_read_have_a_gradient() -> None:
    module = torch.nn.Embedding(5, 3)
    sum_in_place(module)
    module(torch.tensor([[1, 1], [3, 1]])).sum().backward()
    assert module.weight.grad is not None
    assert module.weight.grad.sum(1).tolist() == [0, 9, 0, 3, 0]


def test_tables_of_other_classes_are_left_alone() -> None:
    class Scaled(torch.nn.Embedding):
        pass

    scaled, sparse = Scaled(5, 3), torch.nn.Embedding(5, 3, sparse=True)
    for each in (scaled, sparse):
        before = type(each)
        sum_in_place(each)
        assert type(each) is before
