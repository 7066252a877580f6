"""The paired difference: its sign, its pairing, and what `improves` means."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.measures.crossed import mean_interval
from outgrow.measures.difference import paired


def test_a_difference_worked_by_hand() -> None:
    # Differences 1 0 1 0 0 1 1 0 of one seed: mean ½, variance 2/7, standard error √(2/7/8) = 0.18898; t(7) = 2.364624
    a, b = np.array([[1, 1, 1, 0, 0, 1, 1, 1]]), np.array([[0, 1, 0, 0, 0, 0, 0, 1]])
    found = paired(a, b, list("abcdefgh"))
    half = 2.364624 * math.sqrt(2 / 7 / 8)
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half), abs=1e-5)


def test_pairing_finds_what_hard_examples_and_poor_seeds_would_hide() -> None:
    rng = np.random.default_rng(0)
    shared = 5 * rng.normal(size=(1, 200)) + 2 * rng.normal(size=(5, 1))
    a, b = shared + 0.2 + 0.3 * rng.normal(size=(5, 200)), shared + 0.3 * rng.normal(size=(5, 200))
    found, groups = paired(a, b, np.arange(200)), np.arange(200)
    assert 0 < found.low < 0.2 < found.high
    assert mean_interval(a, groups).low < mean_interval(b, groups).high


def test_swapping_turns_the_sign() -> None:
    rng = np.random.default_rng(1)
    a, b, groups = rng.random((3, 50)), rng.random((3, 50)), np.arange(50) // 2
    there, back = paired(a, b, groups), paired(b, a, groups)
    assert (there.mean, there.low, there.high) == pytest.approx((-back.mean, -back.high, -back.low))


def test_a_method_is_no_better_than_itself() -> None:
    a = np.random.default_rng(2).random((3, 50))
    found = paired(a, a, np.arange(50))
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)


def test_what_no_seed_touches_is_one_row() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random((3, 50)), rng.random((1, 50))
    assert paired(a, b, np.arange(50)) == paired(a, np.repeat(b, 3, axis=0), np.arange(50))
    with pytest.raises(ValueError, match="do not fit"):
        paired(a, rng.random((2, 50)), np.arange(50))


def test_the_level_is_the_one_asked_for() -> None:
    a, b = np.random.default_rng(4).random((2, 3, 50))
    found, expected = paired(a, b, np.arange(50), level=0.8), mean_interval(a - b, np.arange(50), level=0.8)
    assert (found.mean, found.low, found.high) == (expected.mean, expected.low, expected.high)


def test_a_p_value_worked_by_hand() -> None:
    """t = 0.5 / 0.18898 = 2.6458 with 7 degrees of freedom: p = 0.0331 from a table of Student's distribution."""
    a, b = np.array([[1, 1, 1, 0, 0, 1, 1, 1]]), np.array([[0, 1, 0, 0, 0, 0, 0, 1]])
    assert paired(a, b, list("abcdefgh")).p == pytest.approx(0.0331, abs=5e-5)


@given(st.integers(1, 4), st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_the_interval_of_level_one_minus_p_ends_at_zero(seeds: int, groups: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, seeds, 3 * groups)) + 0.3 * rng.normal(size=(2, seeds, 1))
    names = np.arange(3 * groups) // 3
    p = paired(a, b, names).p
    at = paired(a, b, names, level=1 - p)
    assert min(abs(at.low), abs(at.high)) == pytest.approx(0, abs=1e-6)
    usual = paired(a, b, names)
    assert (p < 0.05) == (usual.low > 0 or usual.high < 0)


def test_a_difference_without_variation_is_certain_and_none_is_not() -> None:
    ones = np.ones((3, 20))
    assert paired(ones, 0 * ones, np.arange(20)).p == pytest.approx(1e-12)
    assert paired(ones, ones, np.arange(20)).p == 1.0


def test_a_p_value_is_below_a_twentieth_once_in_twenty_where_there_is_no_difference() -> None:
    """Five seeds whose effect is shared by all examples, and 60 groups of two."""
    rng, below = np.random.default_rng(6), 0
    for _ in range(1000):
        table = rng.normal(size=(5, 120)) + 0.3 * rng.normal(size=(5, 1)) + np.repeat(rng.normal(size=(1, 60)), 2, 1)
        below += paired(table, np.zeros((1, 120)), np.arange(120) // 2).p < 0.05
    assert 0.025 < below / 1000 < 0.065


def test_scores_may_be_booleans_and_tables_have_two_axes() -> None:
    a, b = np.random.default_rng(5).random((2, 3, 50)) < 0.5
    assert paired(a, b, np.arange(50)) == paired(a.astype(float), b.astype(float), np.arange(50))
    with pytest.raises(ValueError, match="do not fit"):
        paired(np.ones(50), np.ones(50), np.arange(50))
