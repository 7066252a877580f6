"""Examples, labels and scores: joined by id, on arrays, and nothing that is not a probability."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.tasks.base import Task
from outgrow.types import Example, Examples, Labels, Scores, UserError


def examples(widths: dict[str, int]) -> Examples:
    rows = [Example(id=id, group=id, prompt="?", choices=("x",) * width) for id, width in widths.items()]
    return Examples(rows=tuple(rows))


@st.composite
def labelled(draw: st.DrawFn) -> Labels:
    """Up to 12 examples with 1 to 5 choices each, of which several may be the most probable."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = [rng.integers(0, 4, size=width) for width in rng.integers(1, 6, size=draw(st.integers(0, 12)))]
    rows = [row / row.sum() if row.any() else np.full(len(row), 1 / len(row)) for row in rows]
    return Labels.from_rows([f"é{i}\0" for i in range(len(rows))], rows)


@given(labelled())
@settings(max_examples=100, deadline=None)
def test_what_is_done_on_arrays_is_what_is_done_row_by_row(labels: Labels) -> None:
    rows = labels.rows()
    assert labels.hard().tolist() == [int(np.argmax(row)) for row in rows]
    assert labels.hard().dtype == np.int64
    assert labels.confidence().tolist() == [row.max() for row in rows]
    assert labels.widths.tolist() == [len(row) for row in rows]
    assert labels.probability_of(labels.hard()).tolist() == labels.confidence().tolist()
    for hard, row in zip(labels.hardened().rows(), rows, strict=True):
        assert hard.tolist() == [float(i == np.argmax(row)) for i in range(len(row))]
    from_tuples = Labels.from_rows(labels.ids, [tuple(map(float, row)) for row in rows])
    assert np.array_equal(from_tuples.probs, labels.probs)
    assert np.array_equal(from_tuples.offsets, labels.offsets)


@given(labelled(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_labels_are_aligned_by_id_and_come_back_from_a_file(labels: Labels, random: object) -> None:
    import tempfile

    order = np.random.default_rng(random.randint(0, 2**32)).permutation(len(labels))  # type: ignore[attr-defined]
    wanted = examples({labels.ids[i]: int(labels.widths[i]) for i in order})
    with tempfile.TemporaryDirectory() as folder:
        labels.save(Path(folder))
        stored = Labels.load(Path(folder))
    assert stored.ids == labels.ids
    assert np.array_equal(stored.offsets, labels.offsets)
    for found in (stored.aligned(wanted), labels.take(order), labels.aligned(wanted)):
        assert found.ids == wanted.ids
        assert [row.tolist() for row in found.rows()] == [labels.row(i).tolist() for i in order]
    part = examples({labels.ids[i]: int(labels.widths[i]) for i in order[: len(order) // 2]})
    assert labels.aligned(part).ids == part.ids


def test_an_array_of_equal_rows_is_as_good_as_a_list_of_them() -> None:
    rows = np.array([[0.25, 0.75], [0.5, 0.5]])
    found = Labels.from_rows(["a", "b"], rows)
    assert found.probs.dtype == np.float32
    assert found.probs.tolist() == [0.25, 0.75, 0.5, 0.5]
    assert found.offsets.tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ([0.5, float("nan")], "'b' are 0.5, nan (sum nan): give finite probabilities"),
        ([float("inf"), 0.0], "'b' are inf, 0 (sum inf)"),
        ([1.5, -0.5], "'b' are 1.5, -0.5 (sum 1)"),
        ([0.5, 0.498], "'b' are 0.5, 0.498 (sum 0.998)"),
        ([0.0] * 6, "'b' are 0, 0, 0, 0, 0, … (sum 0)"),
        ([], "example 'b' has no probabilities"),
    ],
)
def test_labels_that_are_no_probabilities_are_refused_with_the_id(row: list[float], says: str) -> None:
    with pytest.raises(UserError) as caught:
        Labels.from_rows(["a", "b", "c"], [[1.0], row, [0.5, 0.5]])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rounding_is_no_fault() -> None:
    Labels.from_rows(["a"], [[0.3335, 0.3335, 0.3335]])
    Labels.from_rows(["a"], [np.full(218, 1 / 218, dtype=np.float16)])


@pytest.mark.parametrize(("ids", "offsets"), [(["a"], [0, 1]), (["a"], [0, 2, 2]), (["a"], [1, 2]), ([], [0, 2])])
def test_arrays_that_do_not_fit_are_refused(ids: list[str], offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Labels(ids=tuple(ids), probs=np.full(2, 0.5, dtype=np.float32), offsets=np.array(offsets))


def test_missing_doubled_and_other_choices_are_named() -> None:
    labels = Labels.from_rows(["a", "b", "a"], [[1.0], [0.5, 0.5], [1.0]])
    with pytest.raises(UserError, match="the labels name example 'a' twice"):
        labels.aligned(examples({"b": 2}))
    labels = Labels.from_rows(["a", "b"], [[1.0], [0.5, 0.5]])
    with pytest.raises(UserError, match="the labels lack 2 of 3 examples, the first 'c'"):
        labels.aligned(examples({"b": 2, "c": 1, "d": 1}))
    with pytest.raises(UserError, match="example 'b' has 3 choices but 2 probabilities"):
        labels.aligned(examples({"a": 1, "b": 3}))


def test_a_doubled_id_is_named_where_as_many_are_wanted() -> None:
    labels = Labels.from_rows(["a", "b", "a"], [[1.0]] * 3)
    with pytest.raises(UserError, match="'a' twice"):
        labels.aligned(examples({"a": 1, "b": 1, "c": 1}))
    with pytest.raises(UserError, match="two examples share the id 'a'"):
        Examples(rows=examples({"a": 1}).rows * 2)


def test_scores_come_back_from_a_file(tmp_path: Path) -> None:
    scores = Scores(ids=("a", "b"), groups=("g", "h"), correct=np.array([1.0, 0.25]))
    scores.save(tmp_path)
    found = Scores.load(tmp_path)
    assert (found.ids, found.groups, found.correct.tolist()) == (scores.ids, scores.groups, [1.0, 0.25])
    assert found.correct.dtype == np.float64


def test_a_choice_is_right_where_gold_gives_it_anything() -> None:
    """Of a: 0 or 2 are right and 2 is said; of b: 1 is right and, of equals, 0 is said."""
    rows = examples({"a": 3, "b": 2})
    gold = Labels.from_rows(["b", "a"], [[0.0, 1.0], [0.5, 0.0, 0.5]])
    predictions = Labels.from_rows(["a", "b"], [[0.1, 0.3, 0.6], [0.5, 0.5]])
    assert Task().score(predictions, rows, gold).correct.tolist() == [1.0, 0.0]
