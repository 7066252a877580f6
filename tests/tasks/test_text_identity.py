"""One text, one identity: prompts, labels, groups and ids of the text task are compared in one form."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from text_files import write_jsonl

from outgrow.tasks.text import Text
from outgrow.types import UserError

CAFE = "caf\u00e9"
DECOMPOSED = unicodedata.normalize("NFD", CAFE)


def task(folder: Path, rows: list[dict[str, Any]], **options: Any) -> Text:
    path = write_jsonl(folder / "a.jsonl", rows)
    return Text(path=str(path), **{"prompt": "{text}", "label": "label", **options}).pinned()


def labelled(*labels: Any) -> list[dict[str, Any]]:
    return [{"text": f"word{i} term{i} thing{i}", "label": label} for i, label in enumerate(labels)]


def answers(task: Text) -> list[str]:
    return [row.example.choices[row.answer.index(1.0)] for row in task.load().rows]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([1, 1.0, "1", "1.0", 0, -0.0], ["1", "1", "1", "1", "0", "0"]),
        ([True, "True", "TRUE", False, "false"], ["true", "true", "true", "false", "false"]),
        (["01", "1", 1.5, "1.50"], ["01", "1", "1.5", "1.50"]),
    ],
)
def test_equal_labels_are_one_class(labels: list[Any], classes: list[str], tmp_path: Path) -> None:
    found = task(tmp_path, labelled(*labels))
    assert answers(found) == classes
    assert found.load().rows[0].example.choices == tuple(sorted(set(classes)))


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (("0", "1"), [0.0, 1.0, "1"]),
        (("0.0", "1.0"), [0, 1, "1.0"]),
        (("False", "True"), [False, True, "TRUE"]),
        (("No", "Not sure"), ["no", "NOT  sure", "Not\u00a0sure"]),
        (("tea", CAFE), ["Tea", DECOMPOSED, CAFE]),
    ],
)
def test_a_label_is_the_listed_class_in_any_spelling(
    classes: tuple[str, str], labels: list[Any], tmp_path: Path
) -> None:
    found = task(tmp_path, labelled(*labels), classes=classes)
    assert found.load().rows[0].example.choices == classes
    assert answers(found) == [classes[0], classes[1], classes[1]]


@pytest.mark.parametrize(
    ("one", "other"), [("Pos", "pos"), ("not sure", "Not  sure"), ("notsure", "not sure"), (CAFE, DECOMPOSED)]
)
def test_labels_that_differ_in_form_alone_are_refused_with_both_spellings(one: str, other: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        task(tmp_path, labelled("else", one, one, other)).load()
    assert f"{one!r} (row 2) and {other!r} (row 4)" in str(error.value)
    assert "list the classes" in str(error.value)


@pytest.mark.parametrize(("one", "other"), [("Pos", "pos"), ("1", "1.0"), (CAFE, DECOMPOSED)])
def test_classes_that_are_one_are_refused(one: str, other: str) -> None:
    with pytest.raises(UserError, match="which are one class: keep one spelling"):
        Text(path="a.csv", prompt="{text}", label="label", classes=(one, other))


@pytest.mark.parametrize("other", [f"{DECOMPOSED} au lait", f"{CAFE}\r\nau\u00a0LAIT", f"{CAFE} au\u200b lait "])
def test_a_prompt_in_another_form_is_the_same_prompt(other: str, tmp_path: Path) -> None:
    rows = [{"text": f"{CAFE} au lait", "label": "a"}, *labelled("a", "b")]
    alone = task(tmp_path, rows).load().rows[0].example
    again = task(tmp_path, [*rows, {"text": other, "label": "a"}]).load()
    assert (len(again.rows), dict(again.dropped)) == (3, {"same prompt again": 1})
    against = task(tmp_path, [*rows, {"text": other, "label": "b"}]).load()
    assert dict(against.dropped) == {"same prompt, different labels": 2}
    written_so = task(tmp_path, [{"text": other, "label": "a"}, *rows]).load().rows[0].example
    assert (written_so.id, written_so.group) == (alone.id, alone.group), "so both are in one split"


def test_what_a_model_reads_is_as_published(tmp_path: Path) -> None:
    rows = [{"text": f"A\r\nB\rC  {DECOMPOSED}\u200b \ud83d", "label": "a"}, *labelled("b")]
    prompt = task(tmp_path, rows, prompt="{text}\r\n?").load().rows[0].example.prompt
    assert prompt == f"A\nB\nC  {DECOMPOSED}\u200b \ufffd\n?"


def test_groups_are_compared_without_case_and_form(tmp_path: Path) -> None:
    rows = [{**row, "by": by} for row, by in zip(labelled(0, 1, 0, 1), (CAFE, DECOMPOSED.upper(), 7, 7.0), strict=True)]
    groups = [row.example.group for row in task(tmp_path, rows, group="by").load().rows]
    assert groups == [CAFE, CAFE, "7", "7"]


def test_ids_keep_their_case_and_no_other_difference(tmp_path: Path) -> None:
    rows = [{**row, "key": key} for row, key in zip(labelled(0, 1, 0), ("aB", "Ab", "x\u200by"), strict=True)]
    assert [row.example.id for row in task(tmp_path, rows, id="key").load().rows] == ["aB", "Ab", "xy"]
    for one, other in ((CAFE, DECOMPOSED), (7, 7.0), ("a  b", "a b")):
        rows = [{**row, "key": key} for row, key in zip(labelled(0, 1), (one, other), strict=True)]
        with pytest.raises(UserError, match="two rows share the id"):
            task(tmp_path, rows, id="key").load()


def test_half_a_character_is_replaced_in_every_column(tmp_path: Path) -> None:
    rows = [
        {"text": f"{i} \ud83d", "label": f"{i} \ud83d", "by": f"g{i}\ud83d", "key": f"k{i}\ud83d"} for i in range(2)
    ]
    found = task(tmp_path, rows, group="by", id="key").load()
    assert [row.example.id for row in found.rows] == ["k0\ufffd", "k1\ufffd"]
    json.dumps([str(row) for row in found.rows], ensure_ascii=False).encode()
    with pytest.raises(UserError, match="half of a character"):
        task(tmp_path, rows, prompt="{text}\ud83d")
