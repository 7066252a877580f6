"""The level of a model: recovered where it is built in."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.level import falls, known_at, level, ranks
from outgrow.types import Doubles


def test_ranks_by_hand() -> None:
    assert ranks(np.array([30.0, 10.0, 20.0, 20.0])).tolist() == pytest.approx([1, 0, 0.5, 0.5])


def test_the_level_by_hand() -> None:
    """Of ten examples the model has the six easiest right but the fourth: 1, 1, 1, three times 2/3, then 0. Half is
    known up to the sixth, of rank 5 / 9. With two choices 2/3 is (2/3 − 1/2) / (1/2) = 1/3 known: up to the third."""
    right = np.array([[1, 1, 1, 0, 1, 1, 0, 0, 0, 0]], dtype=float)
    rank = np.arange(10) / 9
    assert level(rank, right, 0.0) == pytest.approx(5 / 9)
    assert level(rank, right, 0.5) == pytest.approx(2 / 9)
    assert level(rank, np.zeros((1, 10)), 0.0) is None
    assert level(rank, np.ones((1, 10)), 0.0) is None
    assert falls(rank, right)
    assert not falls(rank, right[:, ::-1])


def built_in(rank: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp(8 * (rank - 0.6))))


@pytest.mark.parametrize("chance", [0.0, 0.03, 0.5])
def test_what_is_built_in_is_found(chance: float) -> None:
    rng = np.random.default_rng(0)
    rank = np.linspace(0, 1, 4000)
    right = (rng.random((3, 4000)) < chance + (1 - chance) * built_in(rank)).astype(float)
    assert level(rank, right, chance) == pytest.approx(0.6, abs=0.05)
    known = known_at(rank, right, chance, np.arange(4000))
    assert np.abs(known - built_in(rank)).mean() < 0.04


def test_the_luck_of_an_example_does_not_say_what_is_known_at_it() -> None:
    """Of a model that knows half everywhere, examples that seem to be known are right as often as others."""
    rng, seen = np.random.default_rng(1), []
    for _ in range(300):
        right = (rng.random((1, 60)) < 0.5).astype(float)
        known = known_at(np.linspace(0, 1, 60), right, 0.0, rng.permutation(60))
        seen += right[0, known > 0.6].tolist()
    assert len(seen) > 1000
    assert np.mean(seen) == pytest.approx(0.5, abs=0.05)
