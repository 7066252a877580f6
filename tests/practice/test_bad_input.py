"""Input that is wrong or odd: one clear line, or a counted and stated decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from outgrow.graph import Settings
from outgrow.practice import show
from outgrow.practice.data import PracticeData, read_data
from outgrow.practice.frozen import frozen_features
from outgrow.practice.labels import label_report
from outgrow.practice.odd import _one_letter_apart
from outgrow.types import Examples, UserError

TWO = "text,llm\na b c,x\nd e f,y\n"


def read(folder: Path, content: str | bytes, name: str = "data.csv", **roles: Any) -> PracticeData:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_data(path, **roles)


@pytest.mark.parametrize(
    ("content", "roles", "message"),
    [
        ("text,llm\na,x\nb\n", {}, "row 2: 1 cells, but the header has 2"),
        (TWO, {"classes": ("x", "z")}, "row 2: 'y' is not a class of the task. The classes are x, z"),
        (TWO, {"classes": ("x", "x")}, "classes lists 'x' twice"),
        ("text,llm,gold\na b c,x,no\nd e f,y,yes\n", {}, "labels are x, y, and 'gold' has no, yes: write them alike"),
        ("text,llm,gold\na b c,0,no\nd e f,1,yes\n", {}, r"the labels are 0, 1, and 'gold' has no, yes: list them in"),
        ("text,llm\na b c,\nd e f,-1\n", {}, r"llm has no label but for 1 cells that stand for no label"),
        ("text,llm\na b c,\nd e f,\n", {"classes": ("x", "y"), "weak": "llm"}, "labels no example: all its labels are"),
        ("text,llm\na b c,x\nd e f,x\n", {}, "llm is always 'x': an answer needs two classes"),
        ("text,no,yes\na b c,0.5,0.6\nd e f,1,0\n", {}, r"row 1: 0\.5, 0\.6 \(sum 1\.1\) are not probabilities"),
        ("text,no,yes\na b c,0.5,nan\nd e f,1,0.\n", {}, "row 1 has no value for the class 'yes'"),
        ("text,no,yes\na b c,inf,0.5\nd e f,1,0\n", {}, r"row 1: inf, 0\.5 \(sum inf\) are not probabilities"),
        ("text,s\na b c,\"[1, 2]\"\nd e f,\"[1, 2, 3]\"\n", {"weak": "s"}, "the lists of labels have 2, 3 numbers"),
        ("text,s\na b c,\"[0.5]\"\nd e f,\"[0.5]\"\n", {"weak": "s"}, "'s' has one number a row"),
        ('text,s,gold\na b c,"[0.5, 0.5]",no\nd e f,"[1, 0]",yes\n', {"weak": "s"}, "which of no, yes do the 2"),
        ("id,text,llm\n1,a b c,x\n1,d e f,y\n", {}, "rows 1 and 2 have the same id '1': give each item an id"),
        ("id,text,llm\n,a b c,x\n2,d e f,y\n", {}, "row 1: 'id' is empty"),
        ("text,rater,label\na,r,x\na,r,y\n", {}, "rows 1 and 2 label example 'a' differently"),
        ("id,text,rater,label\n1,a,r,x\n1,b,s,y\n", {}, "rows 1 and 2 have the id '1' and different texts"),
        ("rater,label\nr,x\ns,y\n", {}, "a row for each annotator needs the item's id or text"),
        ("id,rater,label,gold\n1,r,x,x\n1,s,y,y\n2,r,x,\n", {}, "rows 1 and 2 have different 'gold' of one item"),
        ("text,llm,gold\na b c,x,\nd e f,y,\n", {"gold": "gold"}, "the column 'gold' is empty: name another one"),
        (",llm\n,x\n,y\n", {"text": ""}, ""),
        ("text,llm\n,x\n ,y\n", {}, "all its 2 rows are left out: a text is empty: name another"),
        ("text,more\na b,c d e\nf g,h i j\nk l,m n o\n", {}, "no column looks like labels: it has text, more"),
        (TWO, {"weak": "nope"}, "has no column 'nope': it has text, llm"),
        (TWO, {"weak": "llm", "gold": "llm"}, "the column 'llm' has two roles"),
        (TWO, {"text": "{nope}"}, "has no column 'nope'"),
        (TWO, {"text": "{"}, "is not a template"),
        (TWO, {"text": "{}"}, "names no column"),
        (TWO, {"replies": "text"}, "replies are two columns, and 1 are named"),
        (TWO.encode("utf-16"), {}, "is UTF-16: save the file as UTF-8"),
        (TWO.encode() + "é,x\n".encode("latin-1"), {}, "line 4: this is not UTF-8"),
        ("a fine film,good\na dull film,bad\na sharp film,good\n", {}, "the first line must be a header, and it seems"),
        ("a film that is long and good,1\nnot so good,0\nno no,0\nyes a,1\n", {}, "the first line must be a header"),
        ("the first,of lines\nthe second,of them\nthe third,one\n", {"weak": "x"}, "has no column 'x'"),
        ("text;llm\na b c;x\nd e f;y\n", {}, "has one column, 'text;llm': its cells seem to be separated by ';'"),
        ("text;llm\na b, c;x\nd e f;y\n", {}, "separated by ';', not by commas"),
        ("text\tllm\na b c\tx\nd e f\ty\n", {}, r"separated by tabs: call it \.tsv"),
        ("text,llm,gold\na b c,bad,Bad\nd e f,good,Good\n", {}, "the labels say 'bad' and 'gold' says 'Bad': write"),
        ("text,llm\n" + "".join(f"t {i},c{i}\n" for i in range(30)), {}, "llm, taken for labels, has 30 different val"),
        ("text,llm\na b c,1\nd e f,-1\n", {}, "llm is always '1' but for 1 cells that stand for no label"),
        ("text,llm\na b c,1\nd e f,1.5\n", {}, r"row 2: 1\.5 is not a probability of '1': say what such numbers are"),
        (
            "prompt,reply_a,reply_b,preferred\nwhy,x,y,A\nwho,z,u,B\nhow,v,w,tie\n",
            {},
            "a preference is A, B, tie, and the replies are reply_a, reply_b: list what stands for the first and the",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported_in_one_line(
    content: str | bytes, roles: dict[str, Any], message: str, tmp_path: Path
) -> None:
    if not message:  # an empty name of a column is a name
        assert read(tmp_path, content, **roles).classes == ("x", "y")
        return
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path, content, **roles)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "roles", "message"),
    [
        ("text,llm\na b c,x\n,x\nd e f,y\n", {}, "1 rows are left out: a text is empty"),
        ("id,text,llm\n1,a b c,x\n1,a b c,x\n2,d e f,y\n", {}, "1 rows are left out: the same row again"),
        ("text,rater,label\na b,r,x\na b,r,x\na b,s,y\n", {}, "1 labels are given twice"),
        ("text,a,b\na b c,x,\nd e f,y,\n", {"weak": "a,b"}, "b labels nothing and is left out"),
        ("text,llm,gold\na b c,x,\nd e f,y,\n", {}, "gold is empty: no row has ground truth"),
        ("text,a,b\na b c,x,y\nd e f,y,y\n", {"weak": "a,b"}, "b always says 'y'"),
        ("text,llm\na b c,Good\nd e f,good\ng h i,bad\n", {}, "'Good' and 'good' count as different classes"),
        ("text,llm,gold\na b c,x,z\nd e f,y,x\n", {}, "no label ever says 'z', which the ground truth has"),
        ("text,llm\na b c,x\nd e f,y\n", {"classes": ("x", "y", "z")}, "no label ever says 'z'"),
        ("reply_a,reply_b,label\na,b,reply_a\nc,c,reply_a\nd,e,reply_b\n", {}, "1 rows are left out: both replies are"),
        ("text,llm\na b c,x\nd e f,x\n", {"classes": ("x", "y")}, "llm always says 'x'"),
        ("text,llm,when,who\na b c,x,1,2\nd e f,y,3,4\n", {}, "not read: when, who (--weak, --gold, --text or --id"),
        (
            "text,llm\n" + "a b,positive\nc d,negative\n" * 20 + "e f,positve\n",
            {},
            "'positve' (1 labels) may be a typo",
        ),
        ("text,llm\n" + "a b,class1\nc d,class3\n" * 20 + "e f,class2\n", {"weak": "llm"}, "text: text"),
        ("text,no,yes\na b c,-1.5,2\nd e f,1,0\n", {}, "form: scores (guessed; --form names another)"),
        ("text,llm\na b,-1\nc d,0\ne f,1\n", {}, "1 cells of llm are '-1', which stands for no label (--abstain)"),
        ("text,llm\na b,N/A\nc d,x\ne f,y\n", {}, "'N/A' counts as a class: if it stands for no label, say so"),
        (
            "text,a,b,c\n" + "a b,x,x,y\nc d,y,y,\n" * 25,
            {"weak": "a,b,c"},
            "a, b give the same labels: leave copies out, since agreement is taken for accuracy",
        ),
        (
            "text,llm,gold\n" + "a b,x,x\nc d,y,x\n" * 25,
            {},
            "the ground truth is always 'x': of rows chosen by their class no accuracy holds for others",
        ),
        (
            "text,llm,gold\n" + "a b,x,x\nc d,y,y\n" * 25,
            {},
            "llm is right on all 50 rows with ground truth: is one a copy of the other?",
        ),
    ],
)
def test_what_is_odd_is_counted_and_reported(content: str, roles: dict[str, Any], message: str, tmp_path: Path) -> None:
    data = read(tmp_path, content, **roles)
    assert any(message in note for note in data.odd + data.notes), data
    label_report(data)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("positve", "positive", True),
        ("Positive", "positivee", True),
        ("postiive", "positive", True),
        ("positive", "positive", False),
        ("class1", "class2", False),
        ("sadness", "badness", True),  # one letter: whether it is a typo is up to the counts
        ("joyful", "joy", False),
    ],
)
def test_typos_are_one_letter_or_a_swap_away(one: str, other: str, apart: bool) -> None:
    assert (_one_letter_apart(one, other), _one_letter_apart(other, one)) == (apart, apart)


def test_frequent_classes_are_no_typos() -> None:
    data = PracticeData.from_values(["sadness"] * 9 + ["badness"] * 40)
    assert data.odd == ()
    data = PracticeData.from_values(["sadness"] * 2 + ["badness"] * 40)
    assert data.odd == ("'sadness' (2 labels) may be a typo of 'badness' (40): mend it if it is one",)


def test_listed_classes_match_ground_truth_in_any_case(tmp_path: Path) -> None:
    content = "text,llm,gold\na b c,bad,Bad\nd e f,good,GOOD\n"
    data = read(tmp_path, content, classes=("bad", "good"))
    assert data.gold is not None
    assert data.gold.tolist() == [0, 1]
    with pytest.raises(UserError, match="the labels say 'bad' and gold says 'Bad'"):
        PracticeData.from_values(["bad", "good"], gold=["Bad", "good"])


def test_probabilities_are_normalized_on_request(tmp_path: Path) -> None:
    data = read(tmp_path, "text,no,yes\na b c,1.5,0.5\nd e f,1,0.\n", normalize=True)
    assert data.annotations.classes()[0].tolist() == [[0.75, 0.25], [1, 0]]


def test_a_model_without_a_padding_token(tmp_path: Path) -> None:
    """Texts of one length need none: their features are those of the model with one."""
    data = PracticeData.from_values([0, 1, 0], ["w1 w2", "w3 w4", "w5 w6 w7"])
    found = [
        frozen_features(
            tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / str(pad), pad=pad))), data.examples(), Settings()
        )
        for pad in (True, False)
    ]
    assert found[0].shape[0] == 3
    assert np.allclose(found[0], found[1], atol=0.05)


def test_a_model_that_does_not_fit_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    model = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "tiny")))
    with pytest.raises(UserError, match=r"needs 0\.5\S* GB of memory \(here 0\.5\): name a smaller model"):
        frozen_features(model, Examples(rows=()), Settings(memory_gb=0.5))


def test_a_column_may_have_a_comma_in_its_name(tmp_path: Path) -> None:
    content = 'text,"llm, v2",other\na b c,x,x\nd e f,y,\n'
    assert read(tmp_path, content, weak="llm, v2").annotations.annotators == ("llm, v2",)
    with pytest.raises(UserError, match="has no column 'llm': it has text, 'llm, v2', other"):
        read(tmp_path, content, weak="llm,other")


def test_preferences_by_letters_with_ties(tmp_path: Path) -> None:
    content = "prompt,reply_a,reply_b,preferred\nwhy,x,y,A\nwho,z,u,B\nhow,v,w,tie\n"
    data = read(tmp_path, content, classes=("A", "B"), abstain="tie")
    assert data.annotations.matrix()[:, 0].tolist() == [0, 1]
    assert "1 cells of preferred are 'tie', which stands for no label (--abstain)" in data.notes


def test_long_and_broken_names_of_classes_keep_the_table_in_lines(tmp_path: Path) -> None:
    names = ("x" * 5000, "c\nd")
    rows = "".join(f'a b {i},"{names[i % 2]}"\n' for i in range(20))
    lines = show.text(label_report(read(tmp_path, "text,llm\n" + rows, weak="llm"))).splitlines()
    assert "  c d" in [line[:5] for line in lines]
    assert max(map(len, lines)) < 200
    many = "".join(f"a b {i},class {i}\n" for i in range(60))
    assert "  and 20 more classes: --json or --report has them" in show.text(
        label_report(read(tmp_path, "text,llm\n" + many, weak="llm"))
    )
