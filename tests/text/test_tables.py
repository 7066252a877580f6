"""Reading tables: every format gives the same rows, and what is broken is named with its row."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.text.tables import cell, name, read
from outgrow.types import UserError

ROWS: list[dict[str, Any]] = [
    {"text": 'he said "no", twice', "label": "bad"},
    {"text": '"quoted" and ended by a mark"', "label": "good"},
    {"text": "naïve ☕", "label": "good"},
]


def _csv(path: Path) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["text", "label"])
        writer.writeheader()
        writer.writerows(ROWS)


def _tsv(path: Path) -> None:
    lines = [["text", "label"], *([row["text"], row["label"]] for row in ROWS)]
    path.write_text("".join("\t".join(cells) + "\n" for cells in lines))


WRITERS: dict[str, Callable[[Path], object]] = {
    ".csv": _csv,
    ".tsv": _tsv,
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
        content = pa.compress(content, "zstd", asbytes=True)
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
        ("a.jsonl", b'{"text": "a"}\n["b"]\n', "row 2: this is not an object"),
        ("a.json", b'[{"text": "a"},\n}]', "line 2: this is not JSON"),
        ("a.json", b'{"text": "a"}', "it needs a list of objects"),
        ("a.parquet", b"PAR1 not", "not a whole Parquet file"),
        ("a.csv.gz", b"not gzip", "not a whole .gz file"),
        ("a.csv.gz", gzip.compress(b"text,label\na,b\n" * 99, mtime=0)[:-12], "not a whole .gz file"),
        ("a.csv.gz", gzip.compress(b"text,label\na,b\n", mtime=0) + b"and more", "not a whole .gz file"),
        ("a.csv.zst", b"not zstd", "not a whole .zst file"),
        ("a.csv.zst", pa.compress(b"text,label\na,b\n" * 99, "zstd", asbytes=True)[:-4], "not a whole .zst file"),
        ("a.csv", b",,text\n1,2,a\n", "two columns are called ''"),
        ("a.csv", "text,label\na,b\n".encode("utf-16"), "is UTF-16: save the file as UTF-8"),
        ("a.csv", "text,label\na,b\n".encode("utf-16-le"), "line 1: there is a NUL byte"),
        ("a.jsonl", b'{"a": 1}\n{"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "row 2: this is nested too deep"),
        ("a.json", b"[" * 10_000, "nested too deep"),
        ("a.jsonl", b'{"a": ' + b"1" * 5000 + b"}", "row 1: a number has more than 4,300 digits"),
        ("a.json", b'[{"a": ' + b"1" * 5000 + b"}]", "a number has more than 4,300 digits"),
        ("a.jsonl", b'{"a": 1, "a": 2}', "row 1: an object names 'a' twice"),
        ("a.jsonl", b'{"a":1,"a" :2}', "row 1: an object names 'a' twice"),
        ("a.jsonl", b'{"a"\t:1, "b": [{"c": 1}, {"c": 2, "d": {}, "c": "x"}]}', "row 1: an object names 'c' twice"),
        ("a.jsonl", b'{"t": "says \\"a\\": 1", "a": 1, "a": 2}', "row 1: an object names 'a' twice"),
        ("a.jsonl", b'{"b": {"\\ud800": 1, "\\udc00": 2}}', "an object names '\ufffd' twice"),
        ("a.jsonl", b'{"a": 1}\n3', "row 2: this is not an object"),
        ("a.json", b"3", "holds one int: it needs a list"),
        ("a.xlsx", b"", "format is not known: use .csv, .tsv, .jsonl, .json, .parquet, .arrow, .feather"),
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


def test_colons_and_quotes_in_a_text_are_no_keys(tmp_path: Path) -> None:
    rows = [{"t": 'he said "a": "b" : and so on', "a": {"a": [{"a": '":'}]}}, {"": ":", "b": '"'}]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert [row for _, row in read(path).rows] == rows


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no file .*nowhere\.csv"):
        read(tmp_path / "nowhere.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read(tmp_path / "folder.csv")


def test_a_quotation_mark_in_a_tsv_file_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('text\tlabel\n"He came\tneg\nso it goes"\tpos\r\n')
    assert [tuple(row.values()) for _, row in read(path).rows] == [('"He came', "neg"), ('so it goes"', "pos")]


def test_lines_of_a_csv_file_end_in_any_way(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'text , label\ra,b\r\n"two\rlines\n",c\n\n')
    assert read(path).rows == ((1, {"text": "a", "label": "b"}), (2, {"text": "two\rlines\n", "label": "c"}))


def test_half_a_character_in_json_is_replaced_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(r'{"te\ud800xt": "cut \ud83d", "list": ["\uDC00", {"whole": "\ud83d\ude00"}]}')
    assert read(path).rows[0][1] == {"te\ufffdxt": "cut \ufffd", "list": ["\ufffd", {"whole": "😀"}]}


def test_archives_may_have_several_parts(tmp_path: Path) -> None:
    for suffix, pack in ((".gz", gzip.compress), (".zst", lambda part: pa.compress(part, "zstd", asbytes=True))):
        path = tmp_path / f"a.csv{suffix}"
        path.write_bytes(pack(b"text,label\na,b\n") + pack(b"c,d\n"))
        assert [row["text"] for _, row in read(path).rows] == ["a", "c"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((value, "1") for value in (1, 1.0, "1", "1.0", " 1 ", "1.000", Decimal("1.00"))),
        *((value, "0") for value in (0, -0.0, "-0", "0.0")),
        *((value, "true") for value in (True, "True", "TRUE", "true")),
        *((value, "") for value in (None, float("nan"), "  ")),
        (-3.0, "-3"),
        (1e16, "10000000000000000"),
        (1.5, "1.5"),
        (float("inf"), "inf"),
        *((text, text) for text in ("01", "1e0", "1.50", "+1", "1.", "Yes", "1.0.0", str(10**30))),
    ],
)
def test_equal_values_have_one_name(value: Any, expected: str) -> None:
    assert name(value) == expected


def test_cells_are_text() -> None:
    assert [cell(each) for each in (None, float("nan"), "  a ", 1, True, 2.5)] == ["", "", "a", "1", "true", "2.5"]
    assert cell("a\r\nb\rc ") == "a\nb\nc"
    for value in (["a"], {"a": 1}, b"\xff"):
        with pytest.raises(TypeError):
            cell(value)
