"""Answers that are drawn at a temperature, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.temperature import GREEDY, expected, tempered

PROBS = np.array([0.2, 0.8, 0.5, 0.25, 0.25])  # of two examples, with two and three choices
OFFSETS = np.array([0, 2, 5])


def test_at_one_they_are_what_was_predicted() -> None:
    assert tempered(PROBS, OFFSETS, 1.0).tolist() == pytest.approx(PROBS.tolist())


def test_at_a_half_they_are_squared() -> None:
    """0.04 and 0.64 of 0.68; 0.25, 0.0625 and 0.0625 of 0.375."""
    found = tempered(PROBS, OFFSETS, 0.5)
    assert found.tolist() == pytest.approx([0.04 / 0.68, 0.64 / 0.68, 2 / 3, 1 / 6, 1 / 6])


def test_at_nought_the_most_probable_is_taken_the_first_of_several() -> None:
    tied = np.array([0.0, 1.0, 0.3, 0.35, 0.35])
    assert tempered(tied, OFFSETS, GREEDY).tolist() == [0, 1, 0, 1, 0]


def test_near_nought_nothing_overflows_and_what_is_impossible_stays_so() -> None:
    found = tempered(np.array([0.0, 1.0, 0.5, 0.25, 0.25]), OFFSETS, 0.001)
    assert found.tolist() == pytest.approx([0, 1, 1, 0, 0])


def test_an_expected_value_is_the_mean_over_choices() -> None:
    """0.2 · 1; 0.25 · 2 + 0.25 · 4."""
    assert expected(np.array([1.0, 0, 0, 2, 4]), PROBS, OFFSETS).tolist() == pytest.approx([0.2, 1.5])
