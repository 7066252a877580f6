"""Predictions for tasks that had no part in them: by hand, and how often a new task is covered."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.left_out import covered, left_out, left_out_of_best, line_through, reach


def test_a_line_by_hand() -> None:
    """Through (0, 1), (1, 1), (2, 4): slope 3 / 2, mean 2 at 1."""
    line = line_through(np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 4.0]))
    assert (line.intercept, line.slope) == pytest.approx((0.5, 1.5))
    assert line_through(np.ones(3), np.array([1.0, 2.0, 3.0])).at(7.0) == pytest.approx(2.0)


def test_each_task_is_predicted_from_the_others() -> None:
    """Tasks at x = 0, 1, 2 with y = 0, 1, 5. Of the others: 1 + 4 (x − 1) at 0, 2.5 x at 1, x at 2."""
    x, y = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [1.0], [5.0]])
    assert left_out(x, y)[:, 0] == pytest.approx([-3.0, 2.5, 2.0])
    # Distances 3, 1.5, 3, and infinity for the new task: half of four are two, the second smallest.
    assert reach(x, y, 0.5) == pytest.approx(3.0)
    assert reach(x, y, 0.2) == pytest.approx(1.5)


def test_the_best_number_is_chosen_on_the_other_tasks() -> None:
    rng = np.random.default_rng(0)
    y = rng.standard_normal((6, 3))
    noise, near = rng.standard_normal((6, 3)), y + 0.01 * rng.standard_normal((6, 3))
    assert left_out_of_best([noise, near], y) == pytest.approx(left_out(near, y))


def test_a_new_task_is_covered_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        x = rng.standard_normal((11, 1)) + 0.5 * rng.standard_normal((11, 6))
        return x, 2 * x + 0.5 * rng.standard_normal((11, 1)) + rng.standard_normal((11, 6))

    within, said = [], []
    for x, y in (draw() for _ in range(300)):
        off = np.abs(line_through(x[:10], y[:10]).at(x[10]) - y[10])
        within.append(float((off <= reach(x[:10], y[:10], 0.8)).mean()))
        said.append(float(covered(x[:10], y[:10], 0.8).mean()))
    assert 0.78 <= np.mean(within) <= 0.92
    assert np.mean(said) == pytest.approx(np.mean(within), abs=0.04)
