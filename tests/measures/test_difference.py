"""The paired difference: its sign, its pairing, and what `improves` means."""

from __future__ import annotations

import math

import numpy as np
import pytest

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
    assert paired(a, b, np.arange(50), level=0.8) == mean_interval(a - b, np.arange(50), level=0.8)


def test_scores_may_be_booleans_and_tables_have_two_axes() -> None:
    a, b = np.random.default_rng(5).random((2, 3, 50)) < 0.5
    assert paired(a, b, np.arange(50)) == paired(a.astype(float), b.astype(float), np.arange(50))
    with pytest.raises(ValueError, match="do not fit"):
        paired(np.ones(50), np.ones(50), np.arange(50))
