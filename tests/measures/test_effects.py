"""Which effects are certain, and the smallest that would have been."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.crossed import mean_interval
from outgrow.measures.effects import effects, mean_effects


def test_an_interval_is_that_of_the_mean_and_certain_is_where_it_excludes_zero() -> None:
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.3):
        values = rng.normal(shift, 1.0, (3, 400))
        (found,) = effects([values], [range(400)])
        assert found.interval == mean_interval(values, range(400))
        assert found.certain == (found.interval.low > 0 or found.interval.high < 0)
    assert found.sign == 1
    assert effects([-values], [range(400)])[0].sign == -1


def test_of_many_effects_that_are_none_hardly_any_is_certain() -> None:
    rng = np.random.default_rng(1)
    any_certain = [
        any(each.certain for each in effects(list(rng.normal(size=(10, 2, 60))), [range(60)] * 10)) for _ in range(200)
    ]
    assert np.mean(any_certain) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_the_smallest_effect_is_seen_in_four_of_five_draws() -> None:
    rng = np.random.default_rng(2)
    (null,) = effects([rng.normal(size=(1, 500))], [range(500)])
    seen = [effects([rng.normal(null.smallest, 1.0, (1, 500))], [range(500)])[0].certain for _ in range(300)]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.07)


def test_the_mean_over_sets_of_examples_weighs_each_set_alike() -> None:
    """A set of 20 examples with an effect of 0.4, one of 80 with none: 0.2."""
    (found,) = mean_effects([[np.full((2, 20), 0.4), np.zeros((2, 80))]], [range(20), range(20, 100)])
    assert found.interval.mean == pytest.approx(0.2)


def test_of_one_set_the_mean_effect_is_the_effect() -> None:
    values = np.random.default_rng(3).normal(size=(2, 3, 50))
    assert mean_effects([[each] for each in values], [range(50)]) == effects(list(values), [range(50)] * 2)


def test_the_best_of_four_rules_that_do_nothing_is_hardly_ever_certain() -> None:
    """In the mean over two sets; without a correction one of four would be in 19 of 100 draws."""
    rng = np.random.default_rng(4)
    draws = [[[rng.normal(size=(3, 60)) for _ in range(2)] for _ in range(4)] for _ in range(200)]
    some = [any(each.certain for each in mean_effects(own, [range(60), range(60, 120)])) for own in draws]
    assert np.mean(some) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
