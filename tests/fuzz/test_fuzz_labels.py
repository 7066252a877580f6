"""Tables of labels made at random: data that fits together, or one line; annotations that come back as they went."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outgrow.annotations import Annotations
from outgrow.practice.data import PracticeData, read_data
from outgrow.practice.labels import label_report
from outgrow.types import UserError

WORDS = [
    "a b c",
    "d e f",
    "x",
    "",
    " ",
    "Good",
    "good",
    "bad",
    "0",
    "1",
    "-1",
    "nan",
    "inf",
    "0.5",
    "1e400",
    "é",
    "[",
    "{",
]
CELLS = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(["[0.2, 0.8]", "[1, 0, 0]", '{"a": 1}', '{"a": 0.5, "b": 0.5}', "[[1]]", "[null]", '["x"]', "[]"]),
    st.text(max_size=5),
)
NAMES = [
    "text",
    "label",
    "id",
    "gold",
    "worker",
    "lf1",
    "lf2",
    "weak_a",
    "chosen",
    "rejected",
    "probs",
    "a",
    "b",
    "other",
]
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(), CELLS, st.lists(st.floats(), max_size=3),
                   st.dictionaries(st.sampled_from("ab"), st.floats(), max_size=2))  # fmt: skip
MANY = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sound(data: PracticeData) -> None:
    """What holds for all data that is read, and a report that can be made of it."""
    assert len(set(data.ids)) == len(data.ids)
    assert len(data.texts) in (0, len(data))
    assert len(data.classes) >= 2
    annotations = data.annotations
    probs = annotations.classes()
    assert probs.shape == (len(annotations.annotators), len(annotations), len(data.classes))
    assert annotations.given.any(0).all()
    assert np.allclose(probs.sum(2), annotations.given, atol=1e-3)
    assert (probs[~annotations.given] == 0).all()
    assert [data.ids[i] for i in data.labelled] == list(annotations.ids)
    if data.gold is not None:
        assert data.gold.min() >= -1
        assert data.gold.max() < len(data.classes)


def outcome(read: Any) -> PracticeData | None:
    try:
        data: PracticeData = read()
    except UserError as error:
        message = str(error)
    else:
        sound(data)
        return data
    assert "\n" not in message
    return None


@MANY
@given(names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True), data=st.data())
def test_any_table_is_read_or_refused_in_one_line(names: list[str], data: st.DataObject, tmp_path: Path) -> None:
    rows = data.draw(st.lists(st.tuples(*[CELLS] * len(names)), min_size=1, max_size=6))
    out = io.StringIO(newline="")
    csv.writer(out).writerows([names, *rows])
    path = tmp_path / "a.csv"
    path.write_bytes(out.getvalue().encode("utf-8", "replace"))
    outcome(lambda: read_data(path))
    weak = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    form = data.draw(st.sampled_from(["auto", "classes", "probabilities", "scores"]))
    outcome(lambda: read_data(path, weak=weak, form=form, normalize=True))


@MANY
@given(rows=st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5), min_size=1, max_size=6))
def test_any_json_is_read_or_refused_in_one_line(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8", errors="replace")
    outcome(lambda: read_data(path))


@MANY
@given(
    weak=st.one_of(
        st.lists(VALUES, max_size=6),
        st.lists(st.lists(VALUES, min_size=2, max_size=2), max_size=6),
        st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), max_size=6),
    ),
    form=st.sampled_from(["auto", "classes", "probabilities", "scores"]),
)
def test_any_values_are_read_or_refused_in_one_line(weak: list[Any], form: Any) -> None:
    outcome(lambda: PracticeData.from_values(weak, form=form))


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(1, 4), st.integers(2, 4), st.integers(0, 10**6))
def test_a_report_can_be_made_of_any_matrix(n: int, a: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-1, k, (n, a))
    gold = rng.integers(-1, k, n)
    data = outcome(lambda: PracticeData.from_values(matrix, gold=gold, classes=[f"c{i}" for i in range(k)]))
    if data is not None:
        json.dumps(label_report(data).to_dict(), allow_nan=False)


@settings(max_examples=100)
@given(st.integers(1, 20), st.integers(1, 4), st.integers(1, 4), st.integers(0, 10**6))
def test_annotations_come_back(n: int, a: int, k: int, seed: int) -> None:
    """From a matrix of classes, through labels, probabilities and files; what nobody labels is left out."""
    rng = np.random.default_rng(seed)
    matrix, ids = rng.integers(-1, k, (n, a)), tuple(f"i{i}" for i in range(n))
    found = Annotations.from_matrix(ids, matrix, k)
    kept = (matrix >= 0).any(1)
    assert (found.matrix() == matrix[kept]).all()
    if not len(found):
        return
    again = Annotations.from_labels(found.labels(), found.annotators).taken(ids)
    assert again.ids == found.ids
    assert np.allclose(again.probs, found.probs)
    probs = np.where(found.given[..., None], found.classes(), np.nan)
    soft = Annotations.from_probabilities(found.ids, probs, found.annotators)
    assert (soft.probs == found.probs).all()
    assert (soft.given == found.given).all()
    order = rng.permutation(len(found.ids)).tolist()
    mixed = found.taken([found.ids[i] for i in order])
    assert (mixed.matrix() == found.matrix()[order]).all()


def test_the_check_sees_what_it_is_for() -> None:
    data = PracticeData.from_values(["a", "b"])
    sound(data)
    data.annotations.probs[0, 0] = 0.5
    with pytest.raises(AssertionError):
        sound(data)
