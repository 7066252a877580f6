"""One update and one check by hand: what is averaged, in which order, what is kept, and where training ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from straight import Plain, Straight, weight

from outgrow.training import loop
from outgrow.training.batches import order
from outgrow.training.loop import TrainingConfig, schedule, train
from outgrow.types import Ints

RATE = {"learning_rate": 0.1, "schedule": "constant", "warmup": 0.0, "clip": 1e6, "keep": "last"}


def plain(**fields: Any) -> Plain:
    return Plain(**{**RATE, **fields})


@pytest.mark.parametrize("most_rows", [None, 1, 2])
def test_an_update_goes_down_the_mean_over_its_own_rows_also_where_the_last_batch_is_smaller(
    most_rows: int | None, tmp_path: Path
) -> None:
    # Five rows in batches of 2, 2 and 1. Each update takes 0.1 times the mean slope of its rows. The training loss is
    # the mean over all rows of an epoch, each at the weight it met.
    slopes, module = [1.0, 2.0, 4.0, 8.0, 16.0], weight(100.0)
    objective = Straight(module, slopes, most_rows=most_rows)
    found = train(module, objective, plain(epochs=2, batch=2), 0, tiny.Scratch(tmp_path))
    assert [len(rows) for rows in objective.rows] == [2, 2, 1] * 2
    w, losses = 100.0, []
    for rows in objective.rows:
        losses += [w * slopes[row] for row in rows]
        w -= 0.1 * sum(slopes[row] for row in rows) / len(rows)
    assert objective.w.item() == pytest.approx(w, abs=1e-4)
    for check, own in zip(found.curve, (losses[:5], losses[5:]), strict=True):
        assert check["training_loss"] == pytest.approx(np.mean(own), rel=1e-5)


def test_a_gradient_is_clipped_to_its_largest_norm(tmp_path: Path) -> None:
    module = weight()
    train(module, Straight(module, [30.0] * 4), plain(epochs=1, batch=4, clip=2.0), 0, tiny.Scratch(tmp_path))
    assert module.weight.item() == pytest.approx(1 - 0.1 * 2.0, abs=1e-5)


def test_the_learning_rate_follows_the_schedule_from_the_group_s_own_peak(tmp_path: Path) -> None:
    # Slope 1, four updates, no warm-up: linearly 1, 3/4, 1/2, 1/4 of 0.1.
    module = weight()
    train(module, Straight(module, [1.0] * 4), plain(epochs=1, batch=1, schedule="linear"), 0, tiny.Scratch(tmp_path))
    assert module.weight.item() == pytest.approx(1 - 0.1 * 2.5, abs=1e-5)


@pytest.mark.parametrize(
    ("losses", "kept"),
    [([3.0, 1.0, 2.0], 1), ([1.0, 2.0, 3.0], 0), ([3.0, 2.0, 1.0], 2), ([2.0, 2.0, 2.0], 0), ([3.0, 1.0, 1.0], 1)],
)
@pytest.mark.parametrize("every", [0, 1, 2])
def test_the_best_check_is_kept_and_of_equals_the_first(
    losses: Sequence[float], kept: int, every: int, tmp_path: Path
) -> None:
    module = weight()
    objective = Straight(module, [1.0, 1.0], losses)
    scratch = tiny.Scratch(tmp_path, every=every)
    found = train(module, objective, plain(epochs=3, batch=1, keep="best"), 0, scratch)
    assert len(found.curve) == 3
    assert found.notes == ()
    assert module.weight.item() == objective.checks[kept]
    assert len(set(objective.checks)) == 3


def test_the_last_check_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    module = weight()
    objective = Straight(module, [1.0, 1.0], [1.0, 2.0, 3.0])
    train(module, objective, plain(epochs=3, batch=1), 0, tiny.Scratch(tmp_path))
    assert module.weight.item() == objective.checks[2]


@pytest.mark.parametrize(
    ("fields", "size", "updates", "checked"),
    [
        ({"epochs": 2.0, "batch": 4}, 8, 4, [2, 4]),
        ({"epochs": 2.0, "batch": 4, "checks": 2}, 8, 4, [1, 2, 3, 4]),
        ({"epochs": 1.0, "batch": 4, "checks": 99}, 8, 2, [1, 2]),
        ({"epochs": 1.3, "batch": 1}, 10, 13, [10, 13]),
        ({"epochs": 0.01, "batch": 8}, 8, 1, [1]),
        ({"epochs": 9.0, "updates": 4, "batch": 4}, 8, 4, [2, 4]),
        ({"updates": 4, "batch": 4}, 4, 4, [1, 2, 3, 4]),  # half of the examples, as many updates
        ({"updates": 3, "batch": 4}, 100, 3, [3]),  # part of an epoch
        ({"updates": 7, "batch": 4}, 9, 7, [3, 6, 7]),
    ],
)
def test_how_many_updates_are_made_and_where_they_are_checked(
    fields: dict[str, Any], size: int, updates: int, checked: list[int], tmp_path: Path
) -> None:
    module = weight(1000.0)
    objective, scratch = Straight(module, [1.0] * size), tiny.Scratch(tmp_path)
    config = plain(**fields)
    found = train(module, objective, config, 0, scratch)
    assert len(objective.rows) == scratch.updates == updates == config.total(size)
    per_epoch = -(-size // config.batch)
    assert [check["epoch"] for check in found.curve] == [update / per_epoch for update in checked]
    assert scratch.fractions == [update / updates for update in range(1, updates + 1)]


def test_the_schedule_ends_with_the_updates_that_are_asked_for(tmp_path: Path) -> None:
    """Four updates on two examples: the rate falls over all four, as on four examples in one epoch."""
    weights = []
    for fields, size in (({"updates": 4}, 2), ({"epochs": 1.0}, 4), ({"updates": 4, "epochs": 7.0}, 3)):
        module = weight()
        config = plain(schedule="linear", warmup=0.5, batch=1, **fields)
        train(module, Straight(module, [1.0] * size), config, 0, tiny.Scratch(tmp_path / f"{len(weights)}"))
        weights.append(module.weight.item())
    assert len(set(weights)) == 1


def test_an_epoch_s_order_is_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def counted(n: int, seed: int, epoch: int) -> Ints:
        drawn.append(epoch)
        return order(n, seed, epoch)

    monkeypatch.setattr(loop, "order", counted)
    module = weight()
    objective = Straight(module, [1.0] * 20)
    train(module, objective, plain(epochs=2.5, batch=3), 5, tiny.Scratch(tmp_path))
    assert drawn == [0, 1, 2]
    assert len(objective.rows) == 18
    for epoch, start in ((0, 0), (1, 7)):
        rows = [row for each in objective.rows[start : start + 7] for row in each]
        assert rows == order(20, 5, epoch).tolist()


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_batches_from_any_update_on_are_those_of_an_undisturbed_run(examples: int, batch: int, first: int) -> None:
    whole, rest = loop._batches(examples, batch, 3, 0), loop._batches(examples, batch, 3, first)
    for _ in range(first):
        next(whole)
    for _ in range(10):
        assert next(whole).tolist() == next(rest).tolist()


@given(st.integers(1, 40), st.floats(0, 1), st.sampled_from(["linear", "cosine", "constant"]))
def test_a_schedule_rises_then_falls_and_stays_within_its_peak(total: int, warmup: float, kind: Any) -> None:
    shares = np.array([schedule(TrainingConfig(warmup=warmup, schedule=kind), step, total) for step in range(total)])
    assert ((shares > 0) & (shares <= 1)).all()
    top = int(np.ceil(warmup * total))
    assert (np.diff(shares[:top]) >= 0).all()
    assert (np.diff(shares[top:]) <= 1e-12).all()


def test_weight_decay_is_on_matrices_alone() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
    module[1].bias.requires_grad_(False)
    (optimiser,) = TrainingConfig(weight_decay=0.3, learning_rate=0.5).optimisers(module)
    groups = [
        (group["weight_decay"], group["lr"], [p.ndim for p in group["params"]]) for group in optimiser.param_groups
    ]
    assert groups == [(0.3, 0.5, [2]), (0.0, 0.5, [1, 1])], "frozen weights are in no group"
