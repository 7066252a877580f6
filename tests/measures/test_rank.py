"""Rank correlations of cells in tasks: by hand, their interval, and how often they are certain where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.rank import rank_correlation, rank_correlations

DRAWS = 100


def test_by_hand() -> None:
    """Ranks 1, 2, 3, 4 against 2, 1, 3, 4: 1 − 6 · 2 / (4 · 15) = 0.8."""
    assert rank_correlation(np.array([[1.0, 2.0], [3.0, 40.0]]), np.array([[2.0, 1.0], [30.0, 40.0]])) == pytest.approx(
        0.8
    )
    assert rank_correlation(np.ones((2, 2)), np.array([[2.0, 1.0], [3.0, 4.0]])) == 0.0


def draw(rng: np.random.Generator, slope: float, tasks: int = 10, cells: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Cells of a task are alike in both numbers."""
    of_task = rng.standard_normal((2, tasks, 1))
    x, noise = of_task + 0.5 * rng.standard_normal((2, tasks, cells))
    return x, slope * x + noise


def test_a_relation_is_found_and_its_interval_covers() -> None:
    rng = np.random.default_rng(0)
    x, y = draw(rng, 1.0, tasks=4000)
    truth = rank_correlation(x, y)
    found = [rank_correlations([x], y)[0] for x, y in (draw(rng, 1.0) for _ in range(40))]
    assert np.mean([each.interval.low <= truth <= each.interval.high for each in found]) >= 0.85
    assert rank_correlations([x[:60]], y[:60])[0].certain


def test_of_numbers_that_have_nothing_to_do_with_it_none_is_certain_in_95_of_100_draws() -> None:
    rng, said = np.random.default_rng(1), 0
    for _ in range(DRAWS):
        y = draw(rng, 0.0)[1]
        said += any(each.certain for each in rank_correlations([draw(rng, 0.0)[0] for _ in range(3)], y))
    assert said / DRAWS <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)


def test_what_differs_between_cells_alone_is_no_evidence() -> None:
    """In every task the second cell has more of both, and no task differs from another."""
    y = np.tile([0.0, 1.0], (10, 1))
    (found,) = rank_correlations([y], y)
    assert found.interval.mean == pytest.approx(1.0)
    assert not found.certain


def test_the_smallest_that_would_have_been_seen_is_seen_in_four_of_five_draws() -> None:
    rng = np.random.default_rng(2)
    smallest = rank_correlations([draw(rng, 0.0, tasks=30)[0]], draw(rng, 0.0, tasks=30)[1])[0].smallest
    slope = next(
        s for s in np.arange(0.1, 3, 0.05) if rank_correlation(*draw(np.random.default_rng(3), s, 2000)) >= smallest
    )
    seen = [rank_correlations([x], y)[0].certain for x, y in (draw(rng, slope, tasks=30) for _ in range(40))]
    assert 0.6 <= np.mean(seen) <= 0.97
