"""Data with cheap labels of every shape: which columns are what, and which labels, ground truth and notes come out."""

from __future__ import annotations

import gzip
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from outgrow.practice.data import PracticeData, read_data
from outgrow.types import UserError

TEXTS = ["a fine film it is", "a dull film it was", "so so in every way", "what a waste of time"]


def csv(folder: Path, text: str, name: str = "data.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def jsonl(folder: Path, rows: list[dict[str, Any]]) -> Path:
    return csv(folder, "".join(json.dumps(row) + "\n" for row in rows), "data.jsonl")


def labels_of(data: PracticeData) -> dict[str, dict[str, Any]]:
    """The labels of each annotator by id: the class where it is certain, else the probabilities."""
    found: dict[str, dict[str, Any]] = {}
    for name, labels in zip(data.annotations.annotators, data.annotations.labels(), strict=True):
        rows = {id: np.round(row, 4).tolist() for id, row in zip(labels.ids, labels.rows(), strict=True)}
        found[name] = {id: data.classes[row.index(1.0)] if 1.0 in row else row for id, row in rows.items()}
    return found


def test_a_class_a_row(tmp_path: Path) -> None:
    data = read_data(
        csv(
            tmp_path,
            "body,llm,gold\n"
            + "".join(f"{t},{c}\n" for t, c in zip(TEXTS, ("pos,", "neg,neg", ",pos", "neg,"), strict=True)),
        )
    )
    assert (data.ids, data.texts, data.classes) == (("1", "2", "3", "4"), tuple(TEXTS), ("neg", "pos"))
    assert labels_of(data) == {"llm": {"1": "pos", "2": "neg", "4": "neg"}}
    assert data.gold is not None
    assert data.gold.tolist() == [-1, 0, 1, -1]
    assert data.audited.tolist() == [1, 2]
    assert data.labelled.tolist() == [0, 1, 3]
    assert data.gold_labels().ids == ("2", "3")
    assert data.notes[:3] == (
        "text: body (guessed; --text names another)",
        "weak: llm (guessed; --weak names another)",
        "gold: gold (guessed; --gold names another)",
    )
    assert [row.prompt for row in data.examples(data.audited).rows] == TEXTS[1:3]


def test_columns_are_named_by_the_user(tmp_path: Path) -> None:
    path = csv(tmp_path, "title,body,a,b,checked\nx,y,1,0,one\nz,w,0,,\n")
    data = read_data(path, text="{title}: {body}", weak="a,b", gold="checked", classes=("zero", "one"))
    assert data.texts == ("x: y", "z: w")
    assert labels_of(data) == {"a": {"1": "one", "2": "zero"}, "b": {"1": "zero"}}
    assert data.gold is not None
    assert data.gold.tolist() == [1, -1], "the ground truth has names where the labels have numbers"
    assert not data.roles.guessed


def test_numbers_are_not_taken_for_places_where_they_are_names(tmp_path: Path) -> None:
    """Labels from 1 and ground truth from 0: read by names and by places, every row would be right."""
    path = csv(tmp_path, "text,label,gold\na b c,1,0\nd e f,2,1\ng h i,3,2\n")
    with pytest.raises(UserError, match=r"row 1: '0' is not a class of the task\. The classes are 1, 2, 3$"):
        read_data(path, classes=("1", "2", "3"))
    apart = csv(tmp_path, "text,label,gold\na b c,0,20\nd e f,1,10\n")
    data = read_data(apart, classes=("10", "20"))
    assert labels_of(data) == {"label": {"1": "10", "2": "20"}}
    assert data.gold is not None
    assert data.gold.tolist() == [1, 0]


def test_several_annotators_with_gaps_are_guessed_by_their_cells(tmp_path: Path) -> None:
    rows = "".join(
        f"{text},{a},{b}\n" for text, a, b in zip(TEXTS * 3, "xyxy" * 3, ["y", "", "x", "x"] * 3, strict=True)
    )
    data = read_data(csv(tmp_path, "what,ann,bob\n" + rows), id=None)
    assert data.roles.text == "what"
    assert data.roles.weak == ("ann", "bob")
    assert data.annotations.given.sum(1).tolist() == [12, 9]


def test_a_probability_for_each_class_in_columns(tmp_path: Path) -> None:
    data = read_data(csv(tmp_path, "text,neg,pos\na b c,0.25,0.75\nd e f,nan,\ng h i,1,0\n"))
    assert data.classes == ("neg", "pos")
    assert labels_of(data) == {"": {"1": [0.25, 0.75], "3": "neg"}}
    named = read_data(csv(tmp_path, "text,p0,p1\na b c,0.25,0.75\nd e f,1,0\n"), weak="p0,p1", classes=("neg", "pos"))
    assert labels_of(named) == {"": {"1": [0.25, 0.75], "2": "neg"}}


def test_scores_and_log_probabilities_of_language_models(tmp_path: Path) -> None:
    """exp(-0.2877) is 3/4 and exp(-1.3863) 1/4."""
    rows = [{"text": "a b c", "logprobs": {"neg": -0.28768, "pos": -1.38629}}, {"text": "d e f", "logprobs": None}]
    data = read_data(jsonl(tmp_path, rows))
    assert labels_of(data) == {"logprobs": {"1": [0.75, 0.25]}}
    assert "form: scores (guessed; --form names another)" in data.notes
    lists = read_data(jsonl(tmp_path, [{"text": "a b c", "logits": [0, 1.09861]}]), form="scores", classes=("n", "p"))
    assert labels_of(lists) == {"logits": {"1": [0.25, 0.75]}}


def test_named_numbers_of_pipelines_and_apis(tmp_path: Path) -> None:
    """transformers: a list of label and score; OpenAI and others: of token and logprob. exp(-0.2877) is 3/4."""
    rows = [
        {"text": "a b c", "llm": [{"label": "pos", "score": 0.75}, {"label": "neg", "score": 0.25}]},
        {"text": "d e f", "llm": [{"label": "neg", "score": 1.0}, {"label": "pos", "score": 0.0}]},
    ]
    assert labels_of(read_data(jsonl(tmp_path, rows))) == {"llm": {"1": [0.25, 0.75], "2": "neg"}}
    tokens = [{"token": "pos", "logprob": -0.28768}, {"token": "neg", "logprob": -1.38629}]
    assert labels_of(read_data(jsonl(tmp_path, [{"text": "a b c", "llm": tokens}]))) == {"llm": {"1": [0.25, 0.75]}}


def test_a_long_table_as_crowd_kit_has_it(tmp_path: Path) -> None:
    """crowd-kit: the columns task, worker and label, and no text."""
    data = read_data(csv(tmp_path, "task,worker,label\nt1,w1,cat\nt1,w2,dog\nt2,w2,dog\nt2,w1,dog\nt3,w2,\n"))
    assert (data.ids, data.texts) == (("t1", "t2", "t3"), ())
    assert labels_of(data) == {"w1": {"t1": "cat", "t2": "dog"}, "w2": {"t1": "dog", "t2": "dog"}}
    assert data.labelled.tolist() == [0, 1]
    with pytest.raises(UserError, match="has no text: name its column"):
        data.examples()


def test_crowd_kit_s_table_comes_back(tmp_path: Path) -> None:
    """The rows task, worker, label of a matrix with gaps, in any order, are the matrix again."""
    rng = np.random.default_rng(0)
    matrix = rng.integers(-1, 3, (30, 4))
    matrix[:, 0] = np.arange(30) % 3
    rows = [(f"t{i}", f"w{j}", f"c{matrix[i, j]}") for i in range(30) for j in range(4) if matrix[i, j] >= 0]
    shuffled = [rows[i] for i in rng.permutation(len(rows))]
    data = read_data(csv(tmp_path, "task,worker,label\n" + "".join(f"{','.join(row)}\n" for row in shuffled)))
    order = np.argsort([int(id[1:]) for id in data.annotations.ids])
    assert data.annotations.annotators == ("w0", "w1", "w2", "w3")
    assert (data.annotations.matrix()[order] == matrix).all()


def test_a_long_table_with_texts_instead_of_ids(tmp_path: Path) -> None:
    data = read_data(csv(tmp_path, "text,rater,label,gold\na b,r1,x,x\na b,r2,y,\nc d,r1,y,y\n"))
    assert data.texts == ("a b", "c d")
    assert labels_of(data) == {"r1": {"a b": "x", "c d": "y"}, "r2": {"a b": "y"}}
    assert data.gold is not None
    assert data.gold.tolist() == [0, 1]


def test_a_snorkel_matrix_comes_back(tmp_path: Path) -> None:
    """snorkel: int [n, m], -1 for an abstention."""
    matrix = np.array([[0, -1, 1], [1, 1, -1], [-1, -1, 0], [0, 0, 0]])
    rows = "".join(f"{text},{','.join(map(str, row))}\n" for text, row in zip(TEXTS, matrix.tolist(), strict=True))
    data = read_data(csv(tmp_path, "text,lf_a,lf_b,lf_c\n" + rows), classes=("ham", "spam"))
    assert (data.annotations.matrix() == matrix).all()
    assert data.classes == ("ham", "spam")
    again = PracticeData.from_values(matrix, TEXTS, annotators=data.annotations.annotators, classes=("ham", "spam"))
    assert (again.annotations.probs == data.annotations.probs).all()
    assert (again.annotations.matrix() == matrix).all()


def test_cleanlab_s_arrays_come_back() -> None:
    """cleanlab: labels_multiannotator float [n, m] with NaN, and pred_probs float [n, k]."""
    labels = np.array([[0, np.nan, 2], [1, 1, np.nan], [np.nan, 0, 0.0]])
    data = PracticeData.from_values(labels)
    assert np.array_equal(np.where(data.annotations.given.T, data.annotations.matrix(), np.nan), labels, equal_nan=True)
    probs = np.array([[0.2, 0.5, 0.3], [np.nan] * 3, [1, 0, 0]])
    soft = PracticeData.from_values(probs)
    assert soft.annotations.ids == ("0", "2")
    assert np.array_equal(soft.annotations.classes()[0], probs[[0, 2]])


def test_pred_probs_of_a_parquet_file(tmp_path: Path) -> None:
    rows = [{"text": "a b c", "pred_probs": [0.25, 0.75], "gold": 1}, {"text": "d e", "pred_probs": [float("nan")] * 2}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    data = read_data(tmp_path / "a.parquet")
    assert data.classes == ("0", "1")
    assert labels_of(data) == {"pred_probs": {"1": [0.25, 0.75]}}
    assert data.gold is not None
    assert data.gold.tolist() == [1, -1]


def test_a_preference_between_two_replies(tmp_path: Path) -> None:
    rows = [
        {"prompt": "why?", "reply_a": "because", "reply_b": "no", "preferred": "reply_a"},
        {"prompt": "who?", "reply_a": "me", "reply_b": "you", "preferred": None},
        {"prompt": "how?", "reply_a": "so", "reply_b": "thus", "preferred": "reply_b"},
    ]
    data = read_data(jsonl(tmp_path, rows))
    assert data.classes == ("reply_a", "reply_b")
    assert labels_of(data) == {"preferred": {"1": "reply_a", "3": "reply_b"}}
    assert data.examples().rows[0].choices == ("because", "no")


def test_chosen_and_rejected_replies_stand_in_an_order_that_says_nothing(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i}", "chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(200)]
    data = read_data(jsonl(tmp_path, rows))
    first = sum(pair[0].startswith("good") for pair in data.replies)
    assert 60 < first < 140
    labels = data.annotations.matrix()[:, 0]
    assert all(pair[label].startswith("good") for pair, label in zip(data.replies, labels, strict=True))


@pytest.mark.parametrize("suffix", ["jsonl", "json", "tsv", "csv.gz", "parquet", "arrow", "feather"])
def test_every_format(suffix: str, tmp_path: Path) -> None:
    rows = [{"text": "a b c", "label": "x"}, {"text": "d e f", "label": "y"}]
    path = tmp_path / f"a.{suffix}"
    table = pa.Table.from_pylist(rows)
    if suffix == "parquet":
        pq.write_table(table, path)
    elif suffix in ("arrow", "feather"):
        feather.write_feather(table, path)
    elif suffix == "csv.gz":
        path.write_bytes(gzip.compress(b"text,label\na b c,x\nd e f,y\n"))
    elif suffix == "tsv":
        path.write_text("text\tlabel\na b c\tx\nd e f\ty\n")
    else:
        path.write_text("\n".join(map(json.dumps, rows)) if suffix == "jsonl" else json.dumps(rows))
    assert labels_of(read_data(path)) == {"label": {"1": "x", "2": "y"}}


def test_a_data_set_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the same shape stands in for `datasets`."""
    monkeypatch.setitem(sys.modules, "datasets", None)  # as where it is not installed
    with pytest.raises(UserError, match="needs the package datasets"):
        read_data("hub:owner/set")

    class ClassLabel:
        names = ("bad", "good")

    class Split(list[dict[str, Any]]):
        column_names = ("text", "label")
        features = {"text": None, "label": ClassLabel()}  # noqa: RUF012

    def load_dataset(name: str, config: str | None, split: str) -> Split:
        if name != "owner/set":
            raise FileNotFoundError("no such set\nand more")
        assert (config, split) == ("plain", "dev")
        return Split([{"text": "a b c", "label": 1}, {"text": "d e f", "label": 0}, {"text": "g h i", "label": -1}])

    module = types.ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    data = read_data("hub:owner/set:plain@dev")
    assert labels_of(data) == {"label": {"1": "good", "2": "bad"}}
    with pytest.raises(UserError, match=r"hub:owner/other cannot be loaded \(FileNotFoundError: no such set\)"):
        read_data("hub:owner/other")
