"""Labels from Python values: vectors, matrices, annotators with gaps, probabilities, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from outgrow.practice.data import PracticeData
from outgrow.types import UserError

NAN = float("nan")


@pytest.mark.parametrize(
    ("weak", "classes", "matrix"),
    [
        (["b", None, "a"], ("a", "b"), [[1], [-1], [0]]),
        ([1, -1, 0], ("0", "1"), [[1], [-1], [0]]),
        ([1.0, NAN, 0.0], ("0", "1"), [[1], [-1], [0]]),
        ([10, 9, -1], ("9", "10"), [[1], [0], [-1]]),
        ([True, False, None], ("false", "true"), [[1], [0], [-1]]),
        ([True, False, NAN], ("false", "true"), [[1], [0], [-1]]),  # numpy makes numbers of these
        (["b", NAN, "a"], ("a", "b"), [[1], [-1], [0]]),  # and of this NaN a text
        ([["b", NAN], ["a", "b"]], ("a", "b"), [[1, -1], [0, 1]]),
        (["²", "³", None], ("²", "³"), [[0], [1], [-1]]),  # digits that are no numbers
        ([["b", None], ["a", "b"]], ("a", "b"), [[1, -1], [0, 1]]),
        (np.array([[0, -1], [1, 2]]), ("0", "1", "2"), [[0, -1], [1, 2]]),
        (np.array([[0, NAN], [1, 2]]), ("0", "1", "2"), [[0, -1], [1, 2]]),
        (pa.chunked_array([["b", None], ["a"]]), ("a", "b"), [[1], [-1], [0]]),
    ],
)
def test_classes(weak: Any, classes: tuple[str, ...], matrix: list[list[int]]) -> None:
    data = PracticeData.from_values(weak.to_pylist() if hasattr(weak, "to_pylist") else weak)
    found = np.full((len(data), len(matrix[0])), -1)
    found[data.labelled] = data.annotations.matrix()
    assert data.classes == classes
    assert found.tolist() == matrix


def test_probabilities_and_scores() -> None:
    probs = np.array([[0.25, 0.75], [NAN, NAN], [1.0, 0.0]])
    assert PracticeData.from_values(probs).annotations.classes()[0].tolist() == [[0.25, 0.75], [1, 0]]
    by_two = PracticeData.from_values(np.stack([probs, probs[::-1]], 1), annotators=("x", "y"))
    assert by_two.annotations.given.tolist() == [[True, True], [True, True]]
    assert by_two.annotations.ids == ("0", "2")
    scores = PracticeData.from_values(np.log([[1, 3], [1, 1]]), form="scores")
    assert scores.annotations.classes()[0] == pytest.approx(np.array([[0.25, 0.75], [0.5, 0.5]]))
    second = PracticeData.from_values([0.75, 1.0], form="probabilities", classes=("no", "yes"))
    assert PracticeData.from_values([None, 0.5], form="scores").annotations.ids == ("1",)
    assert second.annotations.classes()[0].tolist() == [[0.25, 0.75], [0, 1]]


def test_ground_truth_is_joined_by_place_and_may_have_gaps() -> None:
    data = PracticeData.from_values(["a", "b"], ["one", "two"], gold=[None, "a"], ids=["x", "y"], classes=["b", "a"])
    assert data.gold is not None
    assert data.gold.tolist() == [-1, 1]
    assert data.ids == ("x", "y")
    assert data.annotations.matrix().tolist() == [[1], [0]]
    numbered = PracticeData.from_values([1, 0], gold=[0, -1], classes=["ham", "spam"])
    assert numbered.gold is not None
    assert numbered.gold.tolist() == [0, -1]


@pytest.mark.parametrize(
    ("weak", "more", "message"),
    [
        (["a", "b"], {"texts": ["one"]}, "2 items have labels and there are 1 texts"),
        (["a", "b"], {"gold": ["a"]}, "2 items have labels and there are 1 gold"),
        (["a", "b"], {"ids": ["x"]}, "2 items have labels and there are 1 ids"),
        (["a", "b"], {"ids": ["x", "x"]}, "the id 'x' occurs twice"),
        (["a", "b"], {"texts": ["one", " "]}, "item 1 has no text"),
        (["a", "b"], {"texts": ["one", None]}, r"item 1 has no text \(None\)"),
        (["a", "c"], {"classes": ("a", "b")}, "the label 'c' is not a class: they are a, b"),
        ([2, 0], {"classes": ("a", "b")}, "the label '2' is not a class"),
        (["a", "b"], {"gold": ["z", "a"], "classes": ("a", "b")}, "the label 'z' is not a class"),
        ([None, None], {}, "all annotators abstain on all items"),
        ([-1, -1], {"classes": ("a", "b")}, "all annotators abstain on all items"),
        (["a", "a"], {}, "all labels are 'a': an answer needs two classes"),
        ([1.0, float("inf")], {}, "a label is infinite"),
        ([["a"], ["a", "b"]], {}, "the rows of labels have different lengths"),
        ([], {}, r"labels of shape \(0,\) cannot be read"),
        (np.eye(2)[[0, 1, 1]], {}, "are probabilities or classes: set form="),
        ([[0.5, 0.6], [0.5, 0.5]], {}, r"row 1: 0\.5, 0\.6 \(sum 1\.1\) are not probabilities"),
        ([[0.5, NAN], [0.5, 0.5]], {}, "row 1 has no value for the class '1'"),
        ([[0.5, 0.5]], {"classes": ("a", "b", "c")}, "2 numbers for 3 classes"),
        ([{"a": 1}, "b"], {}, "a label holds a dict"),
        (["a", "b"], {"form": "probabilities"}, "a label is not a number"),
        ([[0.0]], {"form": "scores"}, "an answer needs two classes at least"),
        ([0.25, 0.5, NAN], {}, "the labels are fractions, one an item"),
        ([1, 0], {"gold": [True, False]}, "the labels are 0, 1, and gold has false, true"),
        ([1, 2, 0], {"classes": (1, 2, 3)}, "the label '0' is not a class: they are 1, 2, 3"),
        ([1, 2, 3], {"gold": [0, 1, 2], "classes": (1, 2, 3)}, "the label '0' is not a class: they are 1, 2, 3"),
        (["a", "b"], {"annotators": ["x", "y"]}, "1 annotators label and 2 are named"),
        ([["a", "b"], ["b", "a"]], {"annotators": ["x"]}, "2 annotators label and 1 are named"),
        ([["a", "b"], ["b", "a"]], {"annotators": ["x", "x"]}, "annotators lists 'x' twice"),
        (["a", "b"], {"form": "odd"}, "form is 'odd': choose"),
        (["a", "b"], {"texts": 5}, "texts is 5: give a list"),
        (["a", "b"], {"gold": 5}, "gold is 5: give a list"),
        (["a", "a"], {"classes": ("a",)}, "classes lists 'a' alone"),
        (["a", "b"], {"classes": ("a", "a")}, "classes lists 'a' twice"),
    ],
)
def test_what_is_refused(weak: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        PracticeData.from_values(weak, **more)


def test_what_is_odd_is_reported() -> None:
    data = PracticeData.from_values(
        [["Good", "bad"], ["good", "bad"], [None, "bad"]], classes=["Good", "good", "bad", "x"]
    )
    assert data.odd == (
        "'Good' and 'good' count as different classes: write them alike if they are one",
        "1 always says 'bad'",
        "no label ever says 'x'",
    )
    checked = PracticeData.from_values(["a", "b"], gold=["c", "a"])
    assert checked.odd == ("no label ever says 'c', which the ground truth has",)
