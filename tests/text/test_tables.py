"""Reading tables: every format gives the same rows, and what is broken is named with its row."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.text.tables import cell, read
from outgrow.types import UserError

ROWS: list[dict[str, Any]] = [
    {"text": 'he said "no", twice', "label": "bad"},
    {"text": "two\nlines", "label": "good"},
    {"text": "naïve ☕", "label": "good"},
]


def _csv(path: Path, delimiter: str = ",") -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["text", "label"], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(ROWS)


WRITERS: dict[str, Callable[[Path], object]] = {
    ".csv": _csv,
    ".tsv": lambda path: _csv(path, "\t"),
    ".jsonl": lambda path: path.write_text("\n".join(map(json.dumps, ROWS))),
    ".json": lambda path: path.write_text(json.dumps(ROWS)),
    ".parquet": lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path),
}


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str, packed: str) -> None:
    plain, path = tmp_path / f"plain{suffix}", tmp_path / f"rows.v2{suffix}{packed}"
    WRITERS[suffix](plain)
    content = plain.read_bytes()
    if packed == ".gz":
        content = gzip.compress(content)
    if packed == ".zst":
        content = pytest.importorskip("zstandard").ZstdCompressor().compress(content)
    path.write_bytes(content)
    table = read(path)
    assert table.columns == ("text", "label")
    assert table.rows == tuple(enumerate(ROWS, start=1))


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbftext,label\r\na,b\r\n")
    assert read(path).columns == ("text", "label")


def test_json_may_have_a_row_a_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    assert [row for _, row in read(path).rows] == ROWS


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"text,label\n", "is empty"),
        ("a.jsonl", b"\n\n", "is empty"),
        ("a.json", b"[]", "is empty"),
        ("a.json", b" ", "is empty"),
        ("a.csv", b"text,text\na,b\n", "two columns are called 'text'"),
        ("a.csv", b"text,label\na,b\n\nc\n", "row 2: 1 cells, but the header has 2"),
        ("a.csv", b'text,label\na,b\n"c,d\n', "row 2"),
        ("a.csv", b"text,label\na,b\n\xff,d\n", "line 3: this is not UTF-8"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "row 2: this is not JSON"),
        ("a.jsonl", b'{"text": "a"}\n["b"]\n', "row 2: this is no object"),
        ("a.json", b'[{"text": "a"},\n}]', "line 2: this is not JSON"),
        ("a.json", b'{"text": "a"}', "it needs a list of objects"),
        ("a.parquet", b"PAR1 not", "not a whole Parquet file"),
        ("a.csv.gz", b"not gzip", "not a whole .gz file"),
        ("a.csv.gz", gzip.compress(b"text,label\na,b\n" * 99, mtime=0)[:-12], "not a whole .gz file"),
        ("a.csv.zst", b"not zstd", "not a whole .zst file"),
        ("a.xlsx", b"", "format is not known: use .csv, .tsv, .jsonl, .json, .parquet"),
        ("table", b"", "format is not known"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read(path)
    assert says in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no file .*nowhere\.csv"):
        read(tmp_path / "nowhere.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read(tmp_path / "folder.csv")


def test_cells_are_text() -> None:
    assert [cell(each) for each in (None, float("nan"), "  a ", 1, True, 2.5)] == ["", "", "a", "1", "true", "2.5"]
    with pytest.raises(TypeError):
        cell(["a"])
