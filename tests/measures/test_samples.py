"""Accuracy where seeds have examples of their own: what it must equal, golden values, coverage, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.measures.accuracy import accuracy
from outgrow.measures.crossed import OneGroupError
from outgrow.measures.samples import accuracy_of_samples

T1, T3, T7 = 12.7062, 3.18245, 2.36462  # two-sided 95 % quantiles of Student's t


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(2, 30))
@settings(max_examples=60, deadline=None)
def test_the_same_examples_for_every_seed_give_the_crossed_interval(seed: int, seeds: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    correct, groups = (rng.random((seeds, n)) < 0.7).astype(float), np.arange(n) // 2 if n > 2 else np.arange(n)
    orders = [rng.permutation(n) for _ in range(seeds)]
    found = accuracy_of_samples([row[o] for row, o in zip(correct, orders, strict=True)], [groups[o] for o in orders])
    plain = accuracy(correct, groups)
    assert (found.mean, found.low, found.high) == pytest.approx((plain.mean, plain.low, plain.high), abs=1e-6)
    assert found.seed_noise == plain.seed_noise


def test_seeds_without_a_common_example_by_hand() -> None:
    # Two seeds of four examples, each a group of its own: 3 and 1 of 4 right, means ¾ and ¼, mean ½.
    # V_seed = (1/16 + 1/16) / (2·1) = 1/16. Within a seed Σ (x − mean)² = ¾; leaving one out moves its mean by
    # (x − mean) / 3, so d² sums to 1/12 a seed. V_group: half of each d, 8 groups: ⅞ · (1/12 + 1/12) / 4 = 7/192.
    # within = ¾ · (1/12 + 1/12) / 4 = 1/32; V_both = 2/32 − 7/192 = 5/192.
    # half² = t²(1) · (12/192 − 5/192) + t²(7) · 7/192
    # All scores are 0.48 + 0.04 · right, so that the interval stays within 0 to 1.
    right = np.array([1, 1, 1, 0]), np.array([1, 0, 0, 0])
    found = accuracy_of_samples([0.48 + 0.04 * each for each in right], [list("abcd"), list("efgh")])
    half = 0.04 * math.sqrt((T1**2 + T7**2) * 7 / 192)
    assert half == pytest.approx(0.0987, abs=1e-4)
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half), rel=1e-5)
    many = accuracy_of_samples(
        [np.array([1, 1, 1, 0] * 25), np.array([1, 1, 1, 0] * 25)], [np.arange(100), np.arange(100, 200)]
    )
    # Equal seeds leave V_group: 100 · 3/16 = 18.75 a seed over 99² twice over 4, times 199/200
    half = 1.97196 * math.sqrt(199 / 200 * 2 * 18.75 / 99**2 / 4)  # t(199)
    assert (many.low, many.high) == pytest.approx((0.75 - half, 0.75 + half), rel=1e-4)


def test_seeds_that_differ_more_than_their_examples_do_widen_it() -> None:
    # Means 0, 1, 0, 1 over large samples: V_seed = 4·¼ / (4·3) = 1/12, nothing varies within a seed
    found = accuracy_of_samples([np.full(50, s % 2) for s in range(4)], [np.arange(50) + 50 * s for s in range(4)])
    assert found.mean == 0.5
    assert T3 * math.sqrt(1 / 12) > 0.5
    assert (found.low, found.high) == (0, 1)


def test_one_seed_speaks_of_examples_only() -> None:
    # 6 of 8 right: variance 8/7 · ¾ · ¼ = 3/14, standard error √(3/112)
    found = accuracy_of_samples([np.array([1] * 6 + [0] * 2)], [np.arange(8)])
    assert (found.low, found.high) == (pytest.approx(0.75 - T7 * math.sqrt(3 / 112), abs=1e-4), 1.0)
    assert not found.seed_noise


def test_labels_that_are_all_right_have_the_exact_bound() -> None:
    # 0.025^(1/40): two seeds of 20 examples that none shares are 40 trials; the same 20 twice are 20
    right = [np.ones(20), np.ones(20)]
    apart = accuracy_of_samples(right, [np.arange(20), np.arange(20, 40)])
    alike = accuracy_of_samples(right, [np.arange(20), np.arange(20)])
    assert (apart.mean, apart.low, apart.high) == (1, pytest.approx(0.025 ** (1 / 40)), 1)
    assert alike.low == pytest.approx(0.025 ** (1 / 20))


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_it_covers_the_truth_whether_subsets_overlap_little_or_much(share: float) -> None:
    """Five supervisors of accuracy 0.8 ± 0.02 label a random `share` of 1,000 examples, of which each is as hard for
    all of them. Coverage of 400 draws: a standard error of 1.1 points."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        hard = 0.1 * rng.standard_normal(1000)
        chosen = [rng.permutation(1000)[: int(1000 * share)] for _ in range(5)]
        right = [rng.random(len(own)) < 0.8 + 0.02 * rng.standard_normal() + hard[own] for own in chosen]
        found = accuracy_of_samples(right, chosen)
        covered.append(found.low <= 0.8 <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize(
    ("correct", "groups", "message"),
    [
        ([], [], "at least one seed"),
        ([np.ones(3), np.ones(0)], [[1, 2, 3], []], "at least one example"),
        ([np.ones(3)], [[1, 2]], "one group"),
        ([np.array([1, 0, np.nan])], [[1, 2, 3]], "between 0"),
        ([np.array([1, 0, 2])], [[1, 2, 3]], "between 0"),
    ],
)
def test_what_is_no_accuracy_is_refused(correct: list[np.ndarray], groups: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        accuracy_of_samples(correct, groups)


def test_a_seed_of_one_group_has_no_interval() -> None:
    with pytest.raises(OneGroupError, match="all 2 examples of a seed"):
        accuracy_of_samples([np.ones(3), np.ones(2)], [[1, 2, 3], [1, 1]])
