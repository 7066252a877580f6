"""Which effects are certain, and the smallest that would have been."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.crossed import mean_interval
from outgrow.measures.effects import effects


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
