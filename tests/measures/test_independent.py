"""Differences of means that share no seeds, by hand and on built nulls."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.crossed import t_quantile
from outgrow.measures.difference import paired
from outgrow.measures.independent import by_example, unpaired

DRAWS = 400


def test_unpaired_by_hand() -> None:
    """Means 2/4 and 1/4 of four groups: their variances are (1/3)/4 = 1/12 and (1/4)/4 = 1/16, with 3 degrees each."""
    found = unpaired(np.array([[1, 1, 0, 0]]), np.array([[1, 0, 0, 0]]), list("abcd"), list("efgh"))
    half = t_quantile(3.0, 0.95) * np.sqrt(1 / 12 + 1 / 16)
    assert (found.mean, found.low, found.high) == pytest.approx((0.25, 0.25 - half, 0.25 + half))
    assert not found.seed_noise
    assert found.p > 0.05


def test_by_example_with_one_seed_each_is_the_paired_difference() -> None:
    a, b = np.array([[1.0, 1, 0, 1, 0]]), np.array([[1.0, 0, 0, 0, 0]])
    one, other = by_example(a, b, list("abcde")), paired(a, b, list("abcde"))
    assert (one.mean, one.low, one.high, one.p) == pytest.approx((other.mean, other.low, other.high, other.p))


def test_by_example_by_hand() -> None:
    """Means over seeds differ by (1, 0) − (0.5, 0.5) = (0.5, −0.5) on two groups: variance 0.5/2 with 1 degree. The
    first has equal seeds; the second has (1, 0) and (0, 1), so 0.5 with both: seeds add nothing."""
    a, b = np.array([[1.0, 0], [1, 0]]), np.array([[1.0, 0], [0, 1]])
    found = by_example(a, b, ["x", "y"])
    half = t_quantile(1.0, 0.95) * np.sqrt(0.25)
    assert (found.mean, found.low, found.high) == pytest.approx((0.0, -half, half))
    assert found.seed_noise


def test_shared_examples_make_the_interval_narrower() -> None:
    draw = np.random.default_rng(0)
    hard = draw.random(300)
    a, b = (draw.random((3, 300)) < hard for _ in range(2))
    shared, apart = by_example(a, b, range(300)), unpaired(a, b, range(300), range(300))
    assert shared.high - shared.low < 0.8 * (apart.high - apart.low)
    assert shared.mean == pytest.approx(apart.mean)


@pytest.mark.parametrize("seed_sd", [0.0, 0.03])
def test_of_equal_models_few_differ_for_certain(seed_sd: float) -> None:
    """Two kinds of five seeds each, equally good, on 200 examples of a difficulty that both share, or of their own."""
    draw, certain = np.random.default_rng(1), np.zeros(2)
    for _ in range(DRAWS):
        hard = draw.random((2, 200))
        own = draw.normal(0, seed_sd, (4, 5, 1))
        a, b = draw.random((2, 5, 200)) < hard[0] + own[:2]
        other = draw.random((5, 200)) < hard[1] + own[3]
        found = by_example(a, b, range(200)), unpaired(a, other, range(200), range(200))
        certain += [each.p < 0.05 for each in found]
        assert all((each.p < 0.05) == (not each.low <= 0 <= each.high) for each in found)
    assert (certain / DRAWS <= 0.075).all()  # 5 % and two standard errors
