"""Label files: every shape that people keep labels in, and what is refused, with its row."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.text.label_files import LabelFile, LabelFormat, read_labels
from outgrow.types import Example, UserError

EXAMPLES = [
    Example(id=f"q{i}", group=f"g{i}", prompt=f"Film {i}: dull or fine?", choices=("no", "yes")) for i in range(4)
]
MOVES = [
    Example(id="a", group="a", prompt="1", choices=("e4", "d4", "Bxc3")),
    Example(id="b", group="b", prompt="2", choices=("bxc3", "Bxc3")),
]


def read(
    folder: Path, text: str, examples: list[Example] = EXAMPLES, name: str = "llm.csv", **layout: Any
) -> LabelFile:
    path = folder / name
    path.write_text(text)
    return read_labels(path, LabelFormat(**layout), examples)


def probs_of(found: LabelFile) -> dict[str, dict[str, list[float]]]:
    """The probabilities of each annotator, by id."""
    annotations = found.annotations
    each = zip(annotations.annotators, annotations.labels(), strict=True)
    return {
        name: {id: row.tolist() for id, row in zip(labels.ids, labels.rows(), strict=True)} for name, labels in each
    }


NO, YES = [1.0, 0.0], [0.0, 1.0]


def test_the_name_of_a_class_in_any_case_and_a_gap(tmp_path: Path) -> None:
    found = read(tmp_path, "id,label\nq2,yes\nq0,NO\nq1,\nelsewhere,yes\n")
    assert probs_of(found) == {"": {"q2": YES, "q0": NO}}
    assert (found.rows, found.unknown, found.repeated) == (4, 1, 0)


def test_a_probability_for_each_class(tmp_path: Path) -> None:
    """Columns are joined to classes by name, whatever their order; a row without any is an abstention (cleanlab)."""
    found = read(tmp_path, "id,Yes,no\nq0,0.75,0.25\nq1,nan,\nq2,0,1\n")
    assert probs_of(found) == {"": {"q0": [0.25, 0.75], "q2": NO}}


def test_scores_go_through_a_softmax(tmp_path: Path) -> None:
    """ln 3 and 0 are 3/4 and 1/4; so are they with 1,000 added to both. -inf is probability 0."""
    text = "id,no,yes\nq0,1.0986123,0\nq1,1001.0986123,1000\nq2,-inf,-3.5\n"
    found = probs_of(read(tmp_path, text, form="scores"))[""]
    assert found["q0"] == pytest.approx([0.75, 0.25])
    assert found["q1"] == pytest.approx([0.75, 0.25])
    assert found["q2"] == YES


@pytest.mark.filterwarnings("error")
def test_scores_of_any_finite_size_are_read_without_a_warning(tmp_path: Path) -> None:
    found = probs_of(read(tmp_path, "id,no,yes\nq0,1e308,-1e308\nq1,-1e308,1e308\nq2,1e308,1e308\n", form="scores"))[""]
    assert found == {"q0": NO, "q1": YES, "q2": [0.5, 0.5]}


def test_a_cell_with_a_number_for_each_class(tmp_path: Path) -> None:
    """A list in the order of the choices, or an object with their names; in CSV as JSON. ln 3 and 0 are 3/4 and 1/4."""
    text = 'id,label\nq0,"[0.25, 0.75]"\nq1,"{""Yes"": 1, ""no"": 0}"\nq2,\nq3,yes\n'
    assert probs_of(read(tmp_path, text)) == {"": {"q0": [0.25, 0.75], "q1": YES, "q3": YES}}
    rows = [{"id": "q0", "gpt": {"no": 1.0986123, "yes": 0}, "llama": [0, -1000]}, {"id": "q1", "gpt": None}]
    lines = "\n".join(map(json.dumps, rows))
    found = probs_of(read(tmp_path, lines, name="a.jsonl", annotators=("gpt", "llama"), form="scores"))
    assert found["gpt"]["q0"] == pytest.approx([0.75, 0.25])
    assert found["llama"] == {"q0": NO}


def test_a_class_that_has_two_numbers_is_refused(tmp_path: Path) -> None:
    """In two spellings, of which the last one would count alone."""
    with pytest.raises(UserError, match=r"several columns for one class \(no, yes, YES\)"):
        read(tmp_path, "id,no,yes,YES\nq0,0.1,0.9,0.3\n")
    assert probs_of(read(tmp_path, "id,label,yes,YES\nq0,no,1,2\n")) == {"": {"q0": [1.0, 0.0]}}
    with pytest.raises(UserError, match=r"row 1: 'YES' is a class that is there twice"):
        read(tmp_path, 'id\tlabel\nq0\t{"no": 0.5, "yes": 0.2, "YES": 0.5}\n', name="llm.tsv")


def test_the_order_of_a_list_is_that_of_the_classes_that_are_given(tmp_path: Path) -> None:
    found = read(tmp_path, 'id,label\nq0,"[0.25, 0.75]"\nq1,"{""1"": 1, ""yes"": 0}"\n', classes=("yes", "no"))
    assert probs_of(found) == {"": {"q0": [0.75, 0.25], "q1": NO}}


def test_one_number_for_two_classes_is_that_of_the_second(tmp_path: Path) -> None:
    assert probs_of(read(tmp_path, "id,p\nq0,0.75\nq1,\n", label="p", form="probabilities"))[""] == {"q0": [0.25, 0.75]}
    found = probs_of(read(tmp_path, "id,s\nq0,1.0986123\nq1,-1\n", label="s", form="scores"))[""]
    assert found["q0"] == pytest.approx([0.25, 0.75])
    assert found["q1"] == pytest.approx([0.7310586, 0.2689414]), "-1 is a score, no abstention"


def test_probabilities_are_normalized_on_request_only(tmp_path: Path) -> None:
    text = 'id,label\nq0,"[1, 3]"\n'
    with pytest.raises(UserError, match=r"row 1: 1, 3 \(sum 4\) are not probabilities.*normalize = true"):
        read(tmp_path, text)
    assert probs_of(read(tmp_path, text, normalize=True)) == {"": {"q0": [0.25, 0.75]}}
    with pytest.raises(UserError, match=r"-1, 3 \(sum 2\) are not probabilities"):
        read(tmp_path, text.replace("1,", "-1,"), normalize=True)


def test_several_annotators_with_gaps_in_columns_of_their_own(tmp_path: Path) -> None:
    found = read(tmp_path, "id,ann,bob,eve\nq0,no,yes,\nq1,,yes,\nq2,,,\n", annotators=("ann", "bob", "eve"))
    assert probs_of(found) == {"ann": {"q0": NO}, "bob": {"q0": YES, "q1": YES}}, "eve labels nothing"
    assert found.annotations.ids == ("q0", "q1")
    assert found.annotations.given.tolist() == [[True, False], [True, True]]


def test_a_long_table_with_a_row_for_each_annotator_and_example(tmp_path: Path) -> None:
    text = "worker,item,label\nann,q0,no\nbob,q0,yes\nbob,q1,yes\n7,q1,no\n,q2,\n"
    found = read(tmp_path, text, id="item", annotator="worker")
    assert probs_of(found) == {"ann": {"q0": NO}, "bob": {"q0": YES, "q1": YES}, "7": {"q1": NO}}


def test_a_long_table_of_probabilities(tmp_path: Path) -> None:
    found = read(tmp_path, "id,by,no,yes\nq0,a,0.5,0.5\nq0,b,1,0\n", annotator="by")
    assert probs_of(found) == {"a": {"q0": [0.5, 0.5]}, "b": {"q0": NO}}


def test_a_matrix_of_numbers_with_abstentions(tmp_path: Path) -> None:
    """As Snorkel has it: -1 abstains, 0 and 1 are numbers of classes, here in another order than the task's."""
    text = "id,lf1,lf2\nq0,0,-1\nq1,1.0,0\nq2,-1,-1\n"
    found = read(tmp_path, text, annotators=("lf1", "lf2"), classes=("yes", "no"))
    assert probs_of(found) == {"lf1": {"q0": YES, "q1": NO}, "lf2": {"q1": YES}}


def test_a_class_that_is_called_as_an_abstention_is_a_class(tmp_path: Path) -> None:
    examples = [Example(id="q0", group="g", prompt="p", choices=("-1", "1"))]
    assert probs_of(read(tmp_path, "id,label\nq0,-1\n", examples)) == {"": {"q0": NO}}
    with pytest.raises(UserError, match="labels no example"):
        read(tmp_path, "id,label\nq0,none\n", abstain="none")


def test_rows_name_their_example_by_its_text(tmp_path: Path) -> None:
    """In normal form: without case, and with one blank for every run of them."""
    text = "film,prompt,label\n0,FILM  0: dull or fine?,no\n3,Film 3:  dull or fine?,yes\n"
    assert probs_of(read(tmp_path, text)) == {"": {"q0": NO, "q3": YES}}
    by_template = read(tmp_path, text, prompt="Film {film}: dull or fine?")
    assert probs_of(by_template) == {"": {"q0": NO, "q3": YES}}
    with_id = read(tmp_path, text.replace("prompt", "id").replace("film,", "prompt,"), prompt="{id}")
    assert probs_of(with_id) == probs_of(by_template), "a prompt that is given comes before a column called id"


def test_choices_of_an_example_s_own(tmp_path: Path) -> None:
    """Where two choices differ in case alone, case counts."""
    found = read(tmp_path, "id,label\na,D4\nb,bxc3\n", MOVES)
    assert probs_of(found) == {"": {"a": [0.0, 1.0, 0.0], "b": YES[::-1]}}
    with pytest.raises(UserError, match=r"row 1: 'BXC3' is not a class of the task"):
        read(tmp_path, "id,label\nb,BXC3\n", MOVES)
    with pytest.raises(UserError, match=r"choices of their own: give one label a row"):
        read(tmp_path, "id,e4,d4,Bxc3\na,1,0,0\nb,1,0,0\n", MOVES, form="probabilities")


def test_a_label_that_is_repeated_is_counted_and_another_is_refused(tmp_path: Path) -> None:
    assert read(tmp_path, "id,label\nq0,no\nq0,No\nq1,yes\n").repeated == 1
    with pytest.raises(UserError, match=r"llm\.csv: rows 1 and 3 label example 'q0' differently.*annotator = "):
        read(tmp_path, "id,label\nq0,no\nq1,no\nq0,yes\n")


@pytest.mark.parametrize("suffix", ["jsonl", "json", "tsv", "csv.gz", "parquet"])
def test_every_format_of_tables_is_read(suffix: str, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"id": "q0", "no": 0.25, "yes": 0.75}, {"id": "q1", "no": None, "yes": None}]
    path = tmp_path / f"llm.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == "csv.gz":
        path.write_bytes(gzip.compress(b"id,no,yes\nq0,0.25,0.75\nq1,,\n"))
    elif suffix == "tsv":
        path.write_text("id\tno\tyes\nq0\t0.25\t0.75\nq1\t\t\n")
    else:
        lines = [json.dumps(row) for row in rows]
        path.write_text("\n".join(lines) if suffix == "jsonl" else f"[{','.join(lines)}]")
    assert probs_of(read_labels(path, LabelFormat(), EXAMPLES)) == {"": {"q0": [0.25, 0.75]}}


@pytest.mark.parametrize(
    ("text", "layout", "message"),
    [
        ("id,label\nq0,yess\n", {}, r"row 1: 'yess' is not a class of the task\. Did you mean 'yes'\?"),
        ("id,label\nq0,maybe\n", {}, r"row 1: 'maybe' is not a class of the task\. The classes are no, yes"),
        ("id,label\nq0,1\n", {}, r"'1' is not a class.*say which numbers stand for them \(classes = \[\.\.\.\]\)"),
        ("id,label\nq0,2\n", {"classes": ("no", "yes")}, "row 1: the label '2' is none of 0 to 1"),
        ("id,label\nq0,0\n", {"classes": ("no", "yea")}, "classes lists 'yea', which is not a class"),
        ("id,label\nq0,0\n", {"classes": ("no",)}, "classes lacks 'yes'"),
        ("id,label\nx,no\ny,no\n", {}, r"none of its 2 rows names an example: row 1 says 'x', an example is 'q0'"),
        ("id,label\nq0,\nq1,-1\n", {}, "labels no example: all its labels are missing"),
        ("id,label\n,no\n", {}, "row 1: 'id' is empty"),
        ("name,label\nq0,no\n", {}, "has no column 'id' or 'prompt': it has name, label"),
        ("id,label\nq0,no\n", {"id": "key"}, "has no column 'key': it has id, label"),
        ("id,lable\nq0,no\n", {}, "has no column 'label', and none for each class: it has id, lable"),
        ("id,label\nq0,no\n", {"label": "gpt"}, "has no column 'gpt'"),
        ("id,ann\nq0,no\n", {"annotators": ("ann", "bob")}, "has no column 'bob'"),
        ("id,label\nq0,no\n", {"annotator": "worker"}, "has no column 'worker'"),
        ("id,yes\nq0,1\n", {}, "has no column for the class 'no'"),
        ("id,label,no,yes\nq0,no,1,0\n", {}, "a column 'label' and one for each class: set form ="),
        ("id,no,yes\nq0,0.5,0.6\n", {}, r"row 1: 0\.5, 0\.6 \(sum 1\.1\) are not probabilities.*form = \"scores\""),
        ("id,no,yes\nq0,1.5,-0.5\n", {}, r"row 1: 1\.5, -0\.5 \(sum 1\) are not probabilities"),
        ("id,no,yes\nq0,inf,0\n", {}, r"row 1: inf, 0 \(sum inf\) are not probabilities"),
        ("id,no,yes\nq0,0.5,\n", {}, "row 1 has no value for the class 'yes': give all, or none"),
        ("id,no,yes\nq0,half,half\n", {}, "row 1: 'half' is not a number for the class 'no'"),
        ("id,no,yes\nq0,inf,0\n", {"form": "scores"}, "row 1: the scores are not finite"),
        ("id,no,yes\nq0,-inf,-inf\n", {"form": "scores"}, "row 1: the scores are not finite"),
        ("worker,id,label\n,q0,no\n", {"annotator": "worker"}, "row 1: 'worker' is empty"),
        ('id,label\nq0,"[0.5, 0.25, 0.25]"\n', {}, r"row 1: 3 numbers for 2 classes \(no, yes\): give one for each"),
        ('id,label\nq0,"{""no"": 1, ""maybe"": 0}"\n', {}, "row 1: 'maybe' is not a class: they are no, yes"),
        ('id,label\nq0,"{""no"": 1}"\n', {}, "row 1 has no value for the class 'yes'"),
        ('id,label\nq0,"[0.5 0.5]"\n', {}, r"row 1: '\[0.5 0.5\]' is not a list or object in JSON"),
        ('id,label\nq0,"[0.5, ""x""]"\n', {}, "row 1: 'x' is not a number for the class 'yes'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_reported_in_one_line(
    text: str, layout: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path, text, **layout)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"id": "a", "prompt": "{b}"}, "id and prompt are given"),
        ({"label": "a", "annotators": ("b",)}, "annotators and label are given"),
        ({"annotator": "a", "annotators": ("b",)}, "annotators and annotator are given"),
        ({"form": "logits"}, 'choose "auto", "classes", "probabilities" or "scores"'),
        ({"annotators": ("a", "a")}, "annotators lists 'a' twice"),
        ({"classes": ("a", "a")}, "classes lists 'a' twice"),
    ],
)
def test_fields_that_do_not_fit_together_are_refused(layout: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        LabelFormat(**layout)


def test_a_prompt_that_two_examples_have_names_neither(tmp_path: Path) -> None:
    twins = [Example(id=id, group="g", prompt="the same", choices=("no", "yes")) for id in "ab"]
    with pytest.raises(UserError, match="'a' and 'b' have the same prompt: name examples by id"):
        read(tmp_path, "prompt,label\nthe same,no\n", twins)


def test_probabilities_stay_as_they_are(tmp_path: Path) -> None:
    found = read(tmp_path, "id,no,yes\nq0,0.3333,0.6666\n").annotations
    assert np.allclose(found.probs, [[0.3333, 0.6666]])
