"""Files that are odd, and places as messages write them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cli import QUIZ

from outgrow.config import experiment_from, read
from outgrow.config.changes import assignment
from outgrow.config.document import describe_place
from outgrow.types import UserError


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    plain, marked = tmp_path / "plain.toml", tmp_path / "marked.toml"
    plain.write_text(QUIZ)
    marked.write_bytes(b"\xef\xbb\xbf" + QUIZ.encode())
    assert read(marked) == read(plain)


DEEP = "[" * 10_000 + "]" * 10_000
ODD = {
    "nested lists": (f"x = {DEEP}", "nested more than 50 deep"),
    "nested tables": (".".join("a" * 5000) + " = 1", "nested more than 50 deep"),
    "lists as deep as is read": (f"sizes = {{ test = {'[' * 100 + ']' * 100} }}", "nested more than 50 deep"),
    "digits": (f"seeds = {'9' * 5000}", "a number has too many digits"),
    "another encoding": (QUIZ.encode("utf-16"), "it is not UTF-8 text"),
    "too large": ("#" * 1_000_001, "it has 1,000,001 bytes"),
    "nothing": ("\n", "is empty"),
    "a null byte": ("a = 'x\0'", "this is not TOML"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_reported_in_one_line(name: str, tmp_path: Path) -> None:
    content, expected = ODD[name]
    path = tmp_path / "odd.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=re.escape(str(path))) as caught:
        read(path)
    assert expected in str(caught.value)


def test_what_is_not_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")  # reading it would wait for ever
    for path in (tmp_path / "fifo", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(UserError, match="it is not a regular file"):
            read(path)
    with pytest.raises(UserError, match="it is a folder"):
        read(tmp_path)
    for path in (tmp_path / ("x" * 300), tmp_path / "fifo" / "x", tmp_path / "a\0b"):
        with pytest.raises(UserError, match="cannot be read"):
            read(path)


def test_a_path_with_a_line_end_is_shown_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a\nb").mkdir()
    (tmp_path / "a\nb" / "quiz.toml").write_text(QUIZ.replace("label", "lable"))
    with pytest.raises(UserError, match=r"a\\nb/quiz.toml, line 7: methods") as caught:
        read(tmp_path / "a\nb" / "quiz.toml")
    assert "\n" not in str(caught.value)


def test_an_odd_table() -> None:
    loop: dict[str, object] = {}
    loop["sizes"] = loop
    for table, expected in (
        (loop, "nested more than 50 deep"),
        ({1: 2}, "the key 1 is not text"),
        ({"task": "\ud800"}, "is not Unicode text"),
    ):
        with pytest.raises(UserError, match=expected):
            experiment_from(table)  # type: ignore[arg-type]


KEYS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(['a"b', "a.b", "a=b", "a\\b", "[0]", " "])
)


@given(st.lists(st.one_of(KEYS, st.integers(0, 10**6)), min_size=1, max_size=5).filter(lambda where: where[0] != 0))
def test_a_place_as_messages_write_it_is_one_that_set_takes(where: list[str | int]) -> None:
    shown = str(UserError(describe_place(tuple(where))))
    found = assignment(f"{shown}=x").where
    # A number may be the name of a field: which it is depends on what holds it.
    assert [str(part) for part in found] == [str(part) for part in where]
