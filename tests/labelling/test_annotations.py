"""What several supervisors say, joined by id, with gaps."""

from __future__ import annotations

import pytest

from outgrow.labelling.base import joined
from outgrow.types import Labels, UserError


def test_by_hand() -> None:
    one = Labels.from_rows("ab", [[0.25, 0.75], [0.5, 0.25, 0.25]])
    two = Labels.from_rows("cb", [[0.125, 0.875], [0.0, 0.0, 1.0]])
    found = joined([one, two])
    assert found.ids == ("a", "b", "c")
    assert found.offsets.tolist() == [0, 2, 5, 7]
    assert found.given.tolist() == [[True, True, False], [False, True, True]]
    assert found.probs.tolist() == [
        [0.25, 0.75, 0.5, 0.25, 0.25, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 1.0, 0.125, 0.875],
    ]


def test_an_example_that_nobody_labels_is_not_there() -> None:
    assert joined([Labels.from_rows("a", [[1.0, 0.0]]), Labels.from_rows("b", [[1.0, 0.0]])]).ids == ("a", "b")


def test_classes_are_refused_where_choices_differ() -> None:
    same = joined([Labels.from_rows("ab", [[0.5, 0.5], [1.0, 0.0]])])
    assert same.classes().tolist() == [[[0.5, 0.5], [1.0, 0.0]]]
    with pytest.raises(UserError, match="share their choices"):
        joined([Labels.from_rows("ab", [[0.5, 0.5], [0.5, 0.25, 0.25]])]).classes()


def test_other_choices_and_doubled_ids_are_refused() -> None:
    one = Labels.from_rows("ab", [[0.2, 0.8], [0.5, 0.5]])
    with pytest.raises(UserError, match="different choices of 'b'"):
        joined([one, Labels.from_rows("ba", [[0.5, 0.3, 0.2], [0.2, 0.8]])])
    with pytest.raises(UserError, match="twice"):
        joined([one, Labels.from_rows("aa", [[0.2, 0.8], [0.5, 0.5]])])
