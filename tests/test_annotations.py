"""What several supervisors say, joined by id, with gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from outgrow.annotations import Annotations
from outgrow.types import Labels, UserError


def test_by_hand() -> None:
    one = Labels.from_rows("ab", [[0.25, 0.75], [0.5, 0.25, 0.25]])
    two = Labels.from_rows("cb", [[0.125, 0.875], [0.0, 0.0, 1.0]])
    found = Annotations.from_labels([one, two])
    assert found.ids == ("a", "b", "c")
    assert found.offsets.tolist() == [0, 2, 5, 7]
    assert found.given.tolist() == [[True, True, False], [False, True, True]]
    assert found.probs.tolist() == [
        [0.25, 0.75, 0.5, 0.25, 0.25, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 1.0, 0.125, 0.875],
    ]


def test_an_example_that_nobody_labels_is_not_there() -> None:
    assert Annotations.from_labels([Labels.from_rows("a", [[1.0, 0.0]]), Labels.from_rows("b", [[1.0, 0.0]])]).ids == (
        "a",
        "b",
    )


def test_classes_are_refused_where_choices_differ() -> None:
    same = Annotations.from_labels([Labels.from_rows("ab", [[0.5, 0.5], [1.0, 0.0]])])
    assert same.classes().tolist() == [[[0.5, 0.5], [1.0, 0.0]]]
    with pytest.raises(UserError, match="share their choices"):
        Annotations.from_labels([Labels.from_rows("ab", [[0.5, 0.5], [0.5, 0.25, 0.25]])]).classes()


def test_other_choices_and_doubled_ids_are_refused() -> None:
    one = Labels.from_rows("ab", [[0.2, 0.8], [0.5, 0.5]])
    with pytest.raises(UserError, match="different choices of 'b'"):
        Annotations.from_labels([one, Labels.from_rows("ba", [[0.5, 0.3, 0.2], [0.2, 0.8]])])
    with pytest.raises(UserError, match="twice"):
        Annotations.from_labels([one, Labels.from_rows("aa", [[0.2, 0.8], [0.5, 0.5]])])


def test_votes_come_from_a_matrix_and_go_back_to_labels() -> None:
    found = Annotations.from_matrix("abc", np.array([[0, 1], [-1, -1], [-1, 2]]), classes=3, annotators=("x", "y"))
    assert found.ids == ("a", "c")
    assert found.given.tolist() == [[True, False], [True, True]]
    assert found.probs.tolist() == [[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 1]]
    first, second = found.labels()
    assert (first.ids, second.ids) == (("a",), ("a", "c"))
    assert second.hard().tolist() == [1, 2]
    again = Annotations.from_labels(found.labels(), found.annotators)
    assert (again.ids, again.probs.tolist(), again.given.tolist()) == (
        found.ids,
        found.probs.tolist(),
        found.given.tolist(),
    )


@pytest.mark.parametrize(
    ("votes", "message"), [([[3]], "'a' has the class 3"), ([[-2]], "the class -2"), ([], "do not fit")]
)
def test_a_matrix_that_cannot_be_votes_is_refused(votes: list[list[int]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Annotations.from_matrix("a", np.array(votes), classes=3)


def test_annotations_are_stored(tmp_path: Path) -> None:
    found = Annotations.from_labels([Labels.from_rows("ab", [[0.25, 0.75], [0.5, 0.25, 0.25]])], ("ann",))
    found.save(tmp_path)
    again = Annotations.load(tmp_path)
    assert (again.ids, again.annotators) == (found.ids, ("ann",))
    for name in ("probs", "offsets", "given"):
        assert np.array_equal(getattr(again, name), getattr(found, name))


def test_probabilities_with_nan_for_abstentions_as_in_cleanlab() -> None:
    probs = np.array([[[0.25, 0.75], [np.nan] * 2, [np.nan] * 2], [[np.nan] * 2, [np.nan] * 2, [1.0, 0.0]]])
    found = Annotations.from_probabilities(("a", "b", "c"), probs, ("x", "y"))
    assert found.ids == ("a", "c"), "no annotator labels b"
    assert found.given.tolist() == [[True, False], [False, True]]
    assert found.classes().tolist() == [[[0.25, 0.75], [0, 0]], [[0, 0], [1, 0]]]
    assert found.matrix().tolist() == [[1, -1], [-1, 0]]
    probs[0, 1, 0] = 0.5
    with pytest.raises(UserError, match="'b' has a probability that is NaN"):
        Annotations.from_probabilities(("a", "b", "c"), probs)
    with pytest.raises(UserError, match="do not fit"):
        Annotations.from_probabilities(("a", "b"), probs)


def test_some_of_them_in_another_order() -> None:
    both = Annotations.from_labels(
        [Labels.from_rows(("a", "b"), [[0.5, 0.5], [0.1, 0.2, 0.7]]), Labels.from_rows(("c",), [[1.0]])], ("x", "y")
    )
    found = both.taken(("c", "nobody", "b"))
    assert (found.ids, found.annotators) == (("c", "b"), ("x", "y"))
    assert found.offsets.tolist() == [0, 1, 4]
    assert found.given.tolist() == [[False, True], [True, False]]
    assert np.allclose(found.probs, [[0, 0.1, 0.2, 0.7], [1, 0, 0, 0]])
