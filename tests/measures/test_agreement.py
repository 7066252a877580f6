"""Agreement of student and supervisor, and imitation of the supervisor's errors."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.accuracy import accuracy
from outgrow.measures.agreement import agreement


def test_shares_counted_by_hand() -> None:
    # 40 examples, gold 0. The supervisor says 0 on the first 30 and 1 on the last 10: 30 right, 10 wrong.
    # The student disagrees on 3 of the right ones and 4 of the wrong ones.
    supervisor = np.array([[0] * 30 + [1] * 10])
    student = np.array([[1] * 3 + [0] * 27 + [0] * 4 + [1] * 6])
    found = agreement(student, supervisor, supervisor == 0, np.arange(40))
    assert found.where_right is not None
    assert found.where_wrong is not None
    assert found.overall.mean == pytest.approx(33 / 40)
    assert found.where_right.mean == pytest.approx(27 / 30)
    assert found.where_wrong.mean == pytest.approx(6 / 10)
    # overall is the accuracy of one against the other
    assert found.overall == accuracy(student == supervisor, np.arange(40))


def test_the_parts_add_up_to_the_whole() -> None:
    rng = np.random.default_rng(0)
    supervisor, student, right = (rng.integers(0, k, size=(5, 300)) for k in (4, 4, 2))
    found = agreement(student, supervisor, right, np.arange(300) // 2)
    assert found.where_right is not None
    assert found.where_wrong is not None
    share = right.mean()
    assert share * found.where_right.mean + (1 - share) * found.where_wrong.mean == pytest.approx(found.overall.mean)
    for part in (found.overall, found.where_right, found.where_wrong):
        assert 0 <= part.low < part.mean < part.high <= 1
    # Fewer examples, a wider interval
    assert found.where_wrong.high - found.where_wrong.low > found.overall.high - found.overall.low


def test_a_supervisor_that_is_never_wrong_leaves_no_errors_to_imitate() -> None:
    labels = np.zeros((3, 50))
    found = agreement(labels, labels[:1], np.ones((1, 50)), np.arange(50))
    assert found.where_wrong is None
    assert found.where_right is not None
    assert found.where_right.mean == 1.0
    assert found.where_right.low == pytest.approx(0.025 ** (1 / 50))


def test_nan_labels_are_not_disagreement() -> None:
    with pytest.raises(ValueError, match="NaN"):
        agreement(np.array([[0.0, np.nan]]), np.zeros((1, 2)), np.ones((1, 2)), ["a", "b"])
    with pytest.raises(ValueError, match="do not fit"):
        agreement(np.zeros((1, 2)), np.zeros((1, 3)), np.ones((1, 2)), ["a", "b"])


def test_every_interval_has_the_level_that_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    supervisor, student, right = (rng.integers(0, 2, size=(5, 300)) for _ in range(3))
    wide, narrow = (agreement(student, supervisor, right, np.arange(300), level=level) for level in (0.95, 0.5))
    for at_95, at_50 in (
        (wide.overall, narrow.overall),
        (wide.where_right, narrow.where_right),
        (wide.where_wrong, narrow.where_wrong),
    ):
        assert at_95 is not None
        assert at_50 is not None
        assert at_50.high - at_50.low < (at_95.high - at_95.low) / 2
