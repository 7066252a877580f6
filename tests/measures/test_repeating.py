"""How often one model repeats the errors of another, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.repeating import error_consistency, repeated, repeated_by_chance, repeated_of_others

SUPERVISOR = np.array([[1, 1, 0, 0], [0, 1, 1, 0]])  # the truth is always 0
WRONG = SUPERVISOR.astype(float)
STUDENT = np.array([[1, 0, 0, 0], [0, 1, 1, 1]])


def test_errors_of_its_own_supervisor() -> None:
    assert repeated(STUDENT, SUPERVISOR, WRONG).mean() == pytest.approx(3 / 4)  # 1 of 2, and 2 of 2


def test_errors_of_the_supervisors_of_other_seeds() -> None:
    assert repeated_of_others(STUDENT, SUPERVISOR, WRONG).mean() == pytest.approx(1 / 4)  # 0 of 2, and 1 of 2
    three = np.concatenate([SUPERVISOR, [[0, 0, 0, 1]]])
    students = np.concatenate([STUDENT, [[1, 1, 0, 1]]])
    # Seeds shifted by one: 0 of 2, 1 of 1 and 2 of 2, so 3 of 5. By two: 0 of 1, 1 of 2 and 1 of 2, so 2 of 5.
    assert repeated_of_others(students, three, three.astype(float)).mean() == pytest.approx(1 / 2)


def test_independent_errors() -> None:
    """Half of the student's answers are wrong; a supervisor's error is one of 1, 1, 3 and 1 wrong choices."""
    expected = 0.5 * np.mean([1, 1, 1, 1 / 3])
    chance = repeated_by_chance((STUDENT != 0).astype(float), WRONG, np.array([2, 2, 4, 2]))
    assert chance.mean() == pytest.approx(expected)


def test_error_consistency() -> None:
    """Alike on 6 of 8, wrong on half each: (0.75 − 0.5) / 0.5."""
    assert error_consistency((STUDENT != 0).astype(float), WRONG).mean() == pytest.approx(0.5)
    with pytest.raises(FloatingPointError):
        error_consistency(np.zeros((1, 4)), np.zeros((1, 4)))
