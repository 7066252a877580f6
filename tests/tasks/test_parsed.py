"""A data file is parsed once a machine: the rows come back as they were, and nothing wrong is believed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_files import reviews, write_jsonl

from outgrow.tasks import _parsed as parsed
from outgrow.tasks import base, text
from outgrow.tasks.base import Row, Source
from outgrow.tasks.text import Text
from outgrow.types import Example, UserError

WORD = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    text._load.cache_clear()
    yield tmp_path / "cache"
    text._load.cache_clear()


def task(folder: Path, rows: int = 30) -> Text:
    path = write_jsonl(folder / "reviews.jsonl", reviews(rows))
    return Text(path=str(path), prompt="{title}: {body}", label="sentiment", group="author").pinned()


def refuse() -> Source:
    raise AssertionError("parsed again")


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    pinned = task(tmp_path)
    first = pinned.load()
    again = parsed.parsed(pinned, [pinned.file], refuse)
    assert again.rows == first.rows
    assert again.answers == first.answers
    assert again.dropped == first.dropped


@settings(max_examples=30)
@given(st.lists(st.tuples(WORD, WORD, st.lists(WORD, min_size=1, max_size=4)), min_size=1, max_size=8))
def test_any_rows_survive(given_rows: list[tuple[str, str, list[str]]]) -> None:
    rows = [
        Row(
            example=Example(id=f"{i}", group=group, prompt=prompt, choices=tuple(choices)),
            answer=tuple(1 / (1 + j + i) for j in range(len(choices))),
        )
        for i, (group, prompt, choices) in enumerate(given_rows)
    ]
    file = io.BytesIO()
    parsed._write(Source(rows), file)
    assert parsed._read(io.BytesIO(file.getvalue())).rows == rows


def test_damage_is_seen_and_parsed_again(tmp_path: Path, folder: Path) -> None:
    pinned = task(tmp_path)
    whole = pinned.load().rows
    (kept,) = (folder / "tables").iterdir()
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(bytes(content))
    text._load.cache_clear()
    assert pinned.load().rows == whole
    assert kept.read_bytes() != bytes(content), "it is written anew"


def test_other_data_other_fields_and_other_code_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = task(tmp_path)
    pinned.load()
    shorter = Text(path=pinned.path, prompt="{body}", label="sentiment", group="author").pinned()
    assert shorter.load().rows[0].example.prompt != pinned.load().rows[0].example.prompt
    with pytest.raises(AssertionError, match="parsed again"):
        parsed.parsed(pinned, [pinned.file.with_suffix(".csv")], refuse)  # the ending says how a file is read
    monkeypatch.setattr(parsed, "digest_of_code", lambda *folders: "other")
    with pytest.raises(AssertionError, match="parsed again"):
        parsed.parsed(pinned, [pinned.file], refuse)


def test_a_file_that_has_changed_is_refused_though_its_rows_are_kept(tmp_path: Path) -> None:
    pinned = task(tmp_path)
    pinned.load()
    text._load.cache_clear()
    task(tmp_path, rows=31)
    with pytest.raises(UserError, match="has changed since"):
        pinned.load()


def test_near_duplicates_are_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**row, "body": f"the same five words here {i % 10}"} for i, row in enumerate(reviews(60))]
    path = write_jsonl(tmp_path / "near.jsonl", rows)
    pinned = Text(path=str(path), prompt="{title} {body}", label="sentiment", group="author").pinned()
    first = pinned.load().members(pinned)
    assert sum(first.near_duplicates.values()) > 0
    text._load.cache_clear()
    monkeypatch.setattr(base, "Near", None)
    again = pinned.load().members(pinned)
    assert again.rows == first.rows
    assert again.near_duplicates == first.near_duplicates
