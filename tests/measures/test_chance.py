"""Agreement beyond chance: published examples, gaps, and votes that say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.chance import beyond_chance

# Krippendorff 2011, "Computing Krippendorff's alpha-reliability", example C: four observers, twelve units, gaps (0).
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
]
# Fleiss 1971 as in Wikipedia's "Fleiss' kappa": fourteen raters, ten subjects, five categories; kappa 0.210.
FLEISS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def test_krippendorff_s_example_with_gaps() -> None:
    """Its nominal alpha is 0.743."""
    matrix = np.array(OBSERVERS).T
    found = beyond_chance(np.stack([(matrix == c).sum(1) for c in range(1, 6)], 1))
    assert found is not None
    assert found.alpha == pytest.approx(0.743, abs=5e-4)
    assert found.items == 11, "the last unit has one value"
    assert found.alpha_low < 0.743 < found.alpha_high


def test_fleiss_example() -> None:
    found = beyond_chance(np.array(FLEISS))
    assert found is not None
    assert found.kappa == pytest.approx(0.210, abs=5e-4)
    assert found.observed == pytest.approx(0.378, abs=5e-4)


def test_full_agreement_is_one_and_guesses_are_about_zero() -> None:
    rng = np.random.default_rng(0)
    guesses = rng.integers(0, 3, (2000, 4))
    found = beyond_chance(np.stack([(guesses == c).sum(1) for c in range(3)], 1))
    assert found is not None
    assert found.alpha_low < 0 < found.alpha_high or abs(found.alpha) < 0.02
    same = beyond_chance(np.array([[3, 0], [0, 2], [0, 3]]))
    assert same is not None
    assert (same.alpha, same.kappa) == (1, 1)


@pytest.mark.parametrize("votes", [[[1, 0], [0, 1], [1, 1]], [[2, 0], [3, 0]], [[0, 0], [0, 0]]])
def test_where_it_is_not_defined(votes: list[list[int]]) -> None:
    """One item with two votes, one class, no votes."""
    assert beyond_chance(np.array(votes)) is None


def test_intervals_hold_the_value_of_the_source() -> None:
    """Three annotators, right in 75 % of two equal classes: two agree in 0.75² + 0.25² = 0.625, so alpha and kappa are
    (0.625 − 0.5) / 0.5 = 0.25."""
    rng, hits = np.random.default_rng(0), np.zeros(2)
    for seed in range(300):
        truth = rng.integers(0, 2, (150, 1))
        labels = np.where(rng.random((150, 3)) < 0.75, truth, 1 - truth)
        found = beyond_chance(np.stack([(labels == c).sum(1) for c in range(2)], 1), draws=300, seed=seed)
        assert found is not None
        hits += [found.alpha_low < 0.25 < found.alpha_high, found.kappa_low < 0.25 < found.kappa_high]
    assert (np.abs(hits / 300 - 0.95) < 0.035).all()


def test_counts_are_checked() -> None:
    with pytest.raises(ValueError, match="not negative"):
        beyond_chance(np.array([[-1, 2]]))
