"""Influence values: their mean is the statistic, and their interval covers it."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.accuracy import share
from outgrow.measures.crossed import mean_interval
from outgrow.measures.delta import function_of_means, phi_values, share_values, slope_values


def test_their_mean_is_the_function_of_the_means() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((3, 40)), rng.random((1, 40))
    assert function_of_means(lambda x, y: x / y, a, b).mean() == pytest.approx(a.mean() / b.mean())


def test_the_value_of_an_example_is_its_influence() -> None:
    """Leaving an example out changes a ratio by −(value − ratio) / (N − 1), to first order."""
    rng = np.random.default_rng(1)
    hit, among = (rng.random(300) < 0.4).astype(float), (rng.random(300) < 0.7).astype(float)
    values = share_values(hit[None], among[None])[0]
    ratio = (hit * among).sum() / among.sum()
    for i in range(0, 300, 29):
        without = (np.delete(hit, i) * np.delete(among, i)).sum() / np.delete(among, i).sum()
        assert without - ratio == pytest.approx(-(values[i] - ratio) / 299, abs=2e-5)


def test_the_interval_of_a_share_is_nearly_fiellers() -> None:
    rng = np.random.default_rng(2)
    hit, among = (rng.random((3, 2000)) < 0.4).astype(float), (rng.random((3, 2000)) < 0.5).astype(float)
    ours, fieller = mean_interval(share_values(hit, among), range(2000)), share(hit, among, range(2000))
    assert fieller is not None
    assert (ours.mean, ours.low, ours.high) == pytest.approx((fieller.mean, fieller.low, fieller.high), abs=2e-3)


def test_phi_by_hand() -> None:
    """Of ten examples the first errs on 0–3, the second on 2–5: both on two. (0.2 − 0.16) / 0.24."""
    first, second = np.zeros((1, 10)), np.zeros((1, 10))
    first[0, :4], second[0, 2:6] = 1, 1
    assert phi_values(first, second).mean() == pytest.approx(0.04 / 0.24)
    assert phi_values(first, first).mean() == pytest.approx(1)


def test_a_slope_by_hand() -> None:
    """Means 0.1, 0.3, 0.2 at x = 0, 1, 2: the slope is (0.2 − 0.1) / 2."""
    tables = [np.full((2, 4), mean) for mean in (0.1, 0.3, 0.2)]
    assert slope_values([0, 1, 2], tables).mean() == pytest.approx(0.05)
    with pytest.raises(ValueError, match="two different values"):
        slope_values([1, 1], tables[:2])


def test_what_has_no_value_is_an_error() -> None:
    with pytest.raises(FloatingPointError, match="no example is among"):
        share_values(np.ones((1, 3)), np.zeros((1, 3)))
    with pytest.raises(FloatingPointError, match="no finite value"):
        phi_values(np.ones((1, 3)), np.array([[0.0, 1.0, 1.0]]))
