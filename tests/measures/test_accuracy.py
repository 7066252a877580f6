"""Accuracy and shares: golden values, the exact bound at the ends, and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from outgrow.measures.accuracy import accuracy, share
from outgrow.measures.crossed import mean_interval


def test_one_seed_is_the_textbook_interval_of_a_proportion() -> None:
    # 12 of 16 right: variance 16/15 · ¾ · ¼ = 0.2, standard error √(0.2 / 16) = 0.1118; t(15) = 2.13145
    found = accuracy(np.array([[1] * 12 + [0] * 4]), np.arange(16))
    half = 2.13145 * math.sqrt(0.2 / 16)
    assert (found.mean, found.low, found.high) == pytest.approx((0.75, 0.75 - half, 0.75 + half), rel=1e-4)
    assert not found.seed_noise


def test_it_is_the_interval_of_the_mean_where_that_stays_within_0_and_1() -> None:
    correct = np.random.default_rng(0).random((5, 300)) < 0.7
    groups = np.arange(300) // 2
    found, plain = accuracy(correct, groups), mean_interval(correct, groups)
    assert (found.mean, found.low, found.high) == pytest.approx((plain.mean, plain.low, plain.high))
    assert found.seed_noise


def test_the_interval_ends_at_0_and_1() -> None:
    found = accuracy(np.array([[1] * 29 + [0]]), np.arange(30))
    assert found.low < found.mean < found.high == 1.0


def test_all_right_is_not_certainty() -> None:
    # Clopper–Pearson for n of n: low = (α/2)^(1/n) = 0.025^(1/20) = 0.8316; three examples a group count once.
    found = accuracy(np.ones((3, 60)), np.repeat(np.arange(20), 3))
    assert (found.mean, found.low, found.high) == pytest.approx((1.0, 0.8316, 1.0), abs=1e-4)
    none = accuracy(np.zeros((3, 60)), np.repeat(np.arange(20), 3))
    assert (none.mean, none.low, none.high) == pytest.approx((0.0, 0.0, 0.1684), abs=1e-4)


def test_a_share_counts_only_what_is_among() -> None:
    # Among the first 40 of 80 examples, 30 are hits; what the others are does not matter.
    hit = np.array([[1] * 30 + [0] * 10 + [1, 0] * 20])
    among = np.array([[1] * 40 + [0] * 40])
    found = share(hit, among, np.arange(80))
    other = share(1 - hit * among, among, np.arange(80))
    assert found is not None
    assert other is not None
    assert found.mean == pytest.approx(0.75)
    assert (other.mean, other.low, other.high) == pytest.approx((0.25, 1 - found.high, 1 - found.low))
    # Near the textbook interval of 30 of 40, ¾ ± 2.02 · √(¾·¼/40) = ¾ ± 0.138
    assert (found.low, found.high) == pytest.approx((0.612, 0.888), abs=0.02)


def test_a_share_of_nothing_is_none() -> None:
    assert share(np.ones((2, 30)), np.zeros((2, 30)), np.arange(30)) is None


@pytest.mark.parametrize("wrong", [1.5, -0.1])
def test_scores_outside_0_to_1_are_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="between 0"):
        accuracy(np.array([[0.0, 1.0, wrong]]), ["a", "b", "c"])


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="1 values are NaN"):
        share(np.array([[0.0, 1.0, np.nan]]), np.ones((1, 3)), ["a", "b", "c"])


def test_the_level_is_the_one_asked_for() -> None:
    # 0.1^(1/20) for 80 %, as 0.025^(1/20) for 95 %
    assert accuracy(np.ones((1, 20)), np.arange(20), level=0.8).low == pytest.approx(0.1 ** (1 / 20))


def test_the_exact_bound_of_a_share_counts_the_groups_of_what_is_among() -> None:
    # Among are 40 of 80 examples: ten pairs and twenty alone, worth 40² / (10 · 4 + 20) = 80/3 equal groups
    among = np.array([[1] * 40 + [0] * 40])
    groups = np.concatenate([np.repeat(np.arange(10), 2), np.arange(10, 70)])
    unseen = 0.025 ** (3 / 80)
    every, none = share(np.ones((1, 80)), among, groups), share(np.zeros((1, 80)), among, groups)
    assert every is not None
    assert none is not None
    assert (every.low, every.high) == pytest.approx((unseen, 1))
    assert (none.low, none.high) == pytest.approx((0, 1 - unseen))
