"""Holm's correction against a table worked by hand, and what it must keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.measures.holm import holm

P_VALUES = st.lists(st.floats(0, 1), max_size=20)


def test_by_hand() -> None:
    """0.01 · 4 = 0.04; 0.02 · 3 = 0.06; 0.03 · 2 = 0.06; 0.005 · 5 = 0.025; 0.8 · 1 = 0.8.

    In rising order 0.005, 0.01, 0.02, 0.03, 0.8 are multiplied by 5, 4, 3, 2, 1.
    """
    assert holm([0.02, 0.8, 0.01, 0.03, 0.005]) == pytest.approx([0.06, 0.8, 0.04, 0.06, 0.025])


def test_a_smaller_product_is_raised_to_the_one_before_it() -> None:
    """0.02 · 3 = 0.06, then 0.025 · 2 = 0.05, which becomes 0.06, then 0.04 · 1, which does too."""
    assert holm([0.04, 0.025, 0.02]) == pytest.approx([0.06, 0.06, 0.06])


def test_one_comparison_is_left_as_it_is_and_none_is_above_one() -> None:
    assert holm([0.04]) == [0.04]
    assert holm([]) == []
    assert holm([0.5, 0.9, 0.7]) == [1.0, 1.0, 1.0]


@given(P_VALUES)
def test_it_keeps_the_order_and_lies_between_the_value_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    assert list(np.array(adjusted)[order]) == sorted(adjusted)
    for p, found in zip(p_values, adjusted, strict=True):
        assert p <= found <= min(1.0, len(p_values) * p)


def test_the_probability_of_any_false_rejection_is_kept() -> None:
    rng = np.random.default_rng(0)
    tables = rng.random((4000, 8))
    assert np.mean([min(holm(list(p))) < 0.05 for p in tables]) == pytest.approx(0.05, abs=0.012)


def test_what_is_no_p_value_is_refused() -> None:
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            holm([0.5, wrong])
