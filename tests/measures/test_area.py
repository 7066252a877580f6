"""Two sets of examples: areas and differences by hand, against other implementations, and matching in length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.measures.area import area_values, difference_values, matched

POSITIVE = np.array([True, True, True, False, False])


def test_an_area_by_hand() -> None:
    """Of the six pairs 3 beats both, 1 beats none and ties with one, 2 beats both: 4.5 of 6."""
    values = area_values(np.array([3.0, 1.0, 2.0, 1.0, 1.5]), POSITIVE)
    assert values.mean() == pytest.approx(4.5 / 6)


def test_the_variance_is_that_of_delong() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    positive = np.arange(500) < 200
    score = rng.normal(size=500) + positive
    values = area_values(score, positive)
    area = roc_auc_score(positive, score)
    assert values.mean() == pytest.approx(area)
    beaten = (score[positive][:, None] > score[~positive]).mean(1)
    beating = (score[positive][:, None] > score[~positive]).mean(0)
    assert values.var() / 500 == pytest.approx(beaten.var() / 200 + beating.var() / 300, rel=1e-9)


def test_a_difference_of_means_by_hand() -> None:
    """2 less 1.25; its variance is the sum of those of the two means."""
    score = np.array([3.0, 1.0, 2.0, 1.0, 1.5])
    values = difference_values(score, POSITIVE)
    assert values.mean() == pytest.approx(0.75)
    assert values.var() / 5 == pytest.approx(score[:3].var() / 3 + score[3:].var() / 2)


def test_pairs_of_equal_length_by_hand() -> None:
    """7 and 100 have no partner; 20 and 21 differ by 5 % of the longer one, 30 and 33 by more."""
    mine, theirs = matched(np.array([30, 5, 7, 20]), np.array([21, 5, 33, 100]))
    assert list(zip(mine.tolist(), theirs.tolist(), strict=True)) == [(1, 1), (3, 0)]
    nobody, none = matched(np.array([1]), np.array([9]))
    assert len(nobody) == len(none) == 0


@given(st.lists(st.integers(1, 60), max_size=30), st.lists(st.integers(1, 60), max_size=30))
def test_matching_pairs_each_example_once_and_only_equal_lengths(lengths: list[int], others: list[int]) -> None:
    one, other = (np.array(each, dtype=np.int64) for each in (lengths, others))
    mine, theirs = matched(one, other)
    assert len(set(mine.tolist())) == len(mine)
    assert len(set(theirs.tolist())) == len(theirs)
    for a, b in zip(one[mine], other[theirs], strict=True):
        assert abs(a - b) <= 0.05 * max(a, b)
    equal = sum(min(lengths.count(each), others.count(each)) for each in set(lengths))
    assert len(mine) >= equal
