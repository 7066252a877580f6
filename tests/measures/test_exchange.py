"""The exchange rate of labels, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.exchange import learning_values, needed_values, worth_values

SIZES = (100, 200, 400)


def of(accuracy: float) -> np.ndarray:
    """Scores [2, 100] with this mean."""
    return (np.arange(100) < round(100 * accuracy)).astype(float)[None].repeat(2, axis=0)


def test_by_hand() -> None:
    """Accuracies 0.6, 0.7 and 0.8: 10 points a doubling. A student of 400 weak labels with 0.65 has what 100 · √2
    labels of truth give, so 400 / 141 weak labels replace one: 2 ** 1.5."""
    truth = [of(accuracy) for accuracy in (0.6, 0.7, 0.8)]
    assert learning_values(SIZES, truth).mean() == pytest.approx(0.1)
    assert worth_values(400, of(0.65), SIZES, truth).mean() == pytest.approx(1.5)
    assert needed_values(of(0.65), SIZES, truth).mean() == pytest.approx(np.log2(100 * np.sqrt(2)))
    assert worth_values(400, of(0.8), SIZES, truth).mean() == pytest.approx(0)
    assert worth_values(400, of(0.9), SIZES, truth).mean() == pytest.approx(-1)  # better than ground truth


def test_without_a_slope_there_is_no_rate() -> None:
    with pytest.raises(FloatingPointError):
        worth_values(400, of(0.65), SIZES, [np.ones((2, 100))] * 3)
