"""Prediction-powered means: against the published implementation, by hand, and how often intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.ppi import Stratum, classical, powered_mean

Y = np.array([1, 1, 0, 1, 0, 1, 1, 0, 1, 0], dtype=np.float64)
F = np.array([0.9, 0.5, 0.6, 0.4, 0.4, 0.95, 0.6, 0.7, 0.8, 0.5])
OTHERS = np.array([0.9, 0.2, 0.6, 0.85, 0.75, 0.4, 0.9, 0.7, 0.55, 0.8, 0.3, 0.65])


def stratum(y: object = Y, f: object = F, others: object = OTHERS) -> Stratum:
    return Stratum(values=np.asarray(y, float), guesses=np.asarray(f, float), others=np.asarray(others, float))


def test_it_equals_the_published_implementation() -> None:
    """ppi-python 0.2.3: ppi_mean_pointestimate gives 0.5993145326 and λ 0.4112804512; the standard deviations in its
    interval, which divide by n, are 0.0264741917 over the other rows and 0.1476338255 over the audited ones. With n − 1
    for the latter the variance is 0.0264741917² + 0.1476338255² · 10 / 9."""
    found = powered_mean([stratum()])
    assert found.mean == pytest.approx(0.59931453, abs=1e-8)
    assert found.power == pytest.approx((0.41128045121804874,), abs=1e-12)
    assert found.standard_error**2 == pytest.approx(0.026474191708619126**2 + 0.1476338255420504**2 * 10 / 9, abs=1e-12)


def test_over_these_rows_by_hand() -> None:
    """Y 1 0 1 1, f 1 0 1 0, four others 1 1 0 0. Covariance: mean of Y f 0.5 − 0.75 · 0.5 = 0.125; the variance of the
    eight f is 0.25 · 8 / 7 = 2 / 7, so λ = 0.4375. The mean of f over all rows is 0.5: 0.4375 · 0.5 + (0.75 − 0.4375 ·
    0.5) = 0.75. Y − λ f is 0.5625, 0, 0.5625, 1 with mean 0.53125 and squares 0.0010, 0.2822, 0.0010, 0.2197, in sum
    0.50390625; / 3 / 4 · (1 − 4 / 8) = 0.02099609375."""
    found = powered_mean([stratum([1, 0, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0])], finite=True)
    assert found.power == pytest.approx((0.4375,))
    assert found.mean == pytest.approx(0.75)
    assert found.standard_error**2 == pytest.approx(0.02099609375)


def test_guesses_that_say_nothing_change_nothing() -> None:
    found = powered_mean([stratum(f=np.full(10, 0.5), others=np.full(12, 0.5))], proportion=True)
    alone = classical(Y)
    assert (found.mean, found.low, found.high) == pytest.approx((alone.mean, alone.low, alone.high))


def test_wilson_by_hand() -> None:
    """Of 10 values six are 1: the variance is 0.24 · 10 / 9 / 10, so 9 audits are effective; t(9) is 2.262157. The
    centre is (0.6 + 5.117354 / 18) / (1 + 5.117354 / 9) = 0.563752, half the width 2.262157 / 1.568595 ·
    sqrt(0.24 / 9 + 5.117354 / 324) = 0.297170."""
    found = classical(Y)
    assert (found.low, found.high) == pytest.approx((0.563752 - 0.297170, 0.563752 + 0.297170), abs=1e-5)


def test_all_right_is_no_certainty() -> None:
    found = powered_mean([stratum(np.ones(20), np.full(20, 0.9), np.full(80, 0.9))], proportion=True)
    assert found.mean == found.high == 1
    assert 0.8 < found.low < 0.85


def test_a_stratum_that_is_audited_whole_adds_no_doubt_about_these_rows() -> None:
    """10 rows of 32 with mean 0.6 are known; the others are the rows of the first stratum."""
    both = powered_mean([stratum(), stratum(Y, F, [])], finite=True)
    one = powered_mean([stratum()], finite=True)
    assert both.mean == pytest.approx((22 * one.mean + 10 * 0.6) / 32)
    assert both.standard_error == pytest.approx(one.standard_error * 22 / 32)
    assert both.rows == 32


def test_as_many_audits_more_as_it_says_halve_the_interval() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(100_000) < 0.7).astype(float)
    f = np.clip(0.5 + 0.3 * (y - 0.5) + 0.2 * rng.standard_normal(len(y)), 0, 1)
    for finite in (False, True):
        now = powered_mean([stratum(y[:100], f[:100], f[100:])], finite=finite)
        assert now.audits_to_halve is not None
        n = 100 + now.audits_to_halve
        then = powered_mean([stratum(y[:n], f[:n], f[n:])], finite=finite)
        assert then.standard_error == pytest.approx(now.standard_error / 2, rel=0.1)
    sure = powered_mean([stratum(y[:3000], y[:3000], y[3000:3050])])
    assert sure.power[0] < 0.1, "the guesses of 50 other rows add little"
    assert powered_mean([stratum(y[:50], y[:50], y[50:100])]).audits_to_halve is None, "the doubt is in the other rows"


@pytest.mark.parametrize("finite", [False, True])
@pytest.mark.parametrize("accuracy", [0.6, 0.8, 0.9])
def test_the_intervals_hold_the_truth_as_often_as_they_say(accuracy: float, finite: bool) -> None:
    """1,500 audits of 100 rows, half of them of the rows with the least certain guesses, of 1,500 or of ever new ones.
    The standard error of the coverage is 0.6 %."""
    rng = np.random.default_rng(1)
    rows, n, hits, widths = 1500, 50, 0, list[tuple[float, float]]()

    def draw() -> tuple[np.ndarray, np.ndarray]:
        chance = rng.beta(8 * accuracy, 8 * (1 - accuracy), rows)
        return (rng.random(rows) < chance).astype(float), np.clip(chance + 0.1 * rng.standard_normal(rows), 0, 1)

    y, f = draw()
    for _ in range(1500):
        if not finite:
            y, f = draw()
        order = np.argsort(f, kind="stable")  # many guesses are 1: other orders of them on other processors
        top, rest = order[:n], rng.permutation(order[n:])
        strata = [stratum(y[top], f[top], []), stratum(y[rest[:n]], f[rest[:n]], f[rest[n:]])]
        found = powered_mean(strata, finite=finite, proportion=True)
        hits += found.low <= (y.mean() if finite else accuracy) <= found.high
        plain = classical(y[rest[:n]])
        widths.append((found.high - found.low, plain.high - plain.low))
    assert 0.93 <= hits / 1500 <= 0.97
    powered, alone = np.mean(widths, axis=0)
    assert powered < alone


@pytest.mark.parametrize(
    ("strata", "message"),
    [
        ([stratum([1], [1], [0])], "1 of 2 rows are audited"),
        ([stratum([], [], [0])], "0 of 1 rows are audited"),
        ([stratum([1, 0], [1], [0])], "one value and one guess"),
        ([stratum([1, float("nan")], [1, 0], [0])], "NaN or infinite"),
    ],
)
def test_what_has_no_interval(strata: list[Stratum], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        powered_mean(strata)


def test_two_audited_rows_are_enough_for_an_interval() -> None:
    found = powered_mean([stratum([0, 1], [0, 0], [0, 0])])
    assert found.mean == 0.5
    assert found.low < 0 < 1 < found.high
