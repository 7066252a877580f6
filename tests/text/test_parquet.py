"""Parquet as other writers make it, and footers that lie."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.text import opening
from outgrow.text.tables import cell, read
from outgrow.types import UserError

DAY = datetime.date(2020, 2, 29)
COLUMNS: dict[str, tuple[Any, list[str]]] = {
    "bytes": ([b"one", "zwölf".encode()], ["one", "zwölf"]),
    "long bytes": (pa.array([b"one", None], pa.large_binary()), ["one", ""]),
    "bytes of one length": (pa.array([b"ab", b"cd"], pa.binary(2)), ["ab", "cd"]),
    "long text": (pa.array(["a", None], pa.large_string()), ["a", ""]),
    "text of few values": (pa.array(["x", "x"]).dictionary_encode(), ["x", "x"]),
    "numbers of few values": (pa.array([7, 8]).dictionary_encode(), ["7", "8"]),
    "decimals": ([Decimal("1.50"), Decimal("2.00")], ["1.50", "2.00"]),
    "days": ([DAY, None], ["2020-02-29", ""]),
    "billionths of a second": (pa.array([1], pa.timestamp("ns")), ["1970-01-01 00:00:00.000000001"]),
    "numbers": (pa.array([1.5, float("nan")], pa.float32()), ["1.5", ""]),
    "nothing": (pa.nulls(2), ["", ""]),
}


def table(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_of_any_type_are_text(kind: str, tmp_path: Path) -> None:
    column, messages = COLUMNS[kind]
    assert [cell(row["x"]) for _, row in read(table(tmp_path / "a.parquet", x=column)).rows] == messages


def test_lists_and_objects_stay(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", x=[["a"], None], y=[{"z": "b"}, {"z": None}])
    assert [row for _, row in read(path).rows] == [{"x": ["a"], "y": {"z": "b"}}, {"x": None, "y": {"z": None}}]


def not_utf8() -> Any:
    """Text whose second value is two bytes that are no UTF-8."""
    offsets = pa.array([0, 1, 3], pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"a\xff\xfe")])


@pytest.mark.parametrize("column", [[b"a", b"\xff\xfe"], not_utf8()], ids=["bytes", "text"])
def test_bytes_that_are_no_text_are_refused_where_they_are_read(column: Any, tmp_path: Path) -> None:
    first, second = (row["x"] for _, row in read(table(tmp_path / "a.parquet", x=column)).rows)
    assert cell(first) == "a"
    with pytest.raises(TypeError, match="bytes that are not UTF-8"):
        cell(second)


def test_two_columns_of_one_name_are_named(tmp_path: Path) -> None:
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(twice, tmp_path / "a.parquet")
    with pytest.raises(UserError, match="two columns are called 'text': rename one"):
        read(tmp_path / "a.parquet")


def test_a_text_that_recurs_is_counted_as_often_as_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 rows of 1,000 characters each in a file of 5 KB."""
    path = table(tmp_path / "a.parquet", x=["x" * 1000] * 1000)
    assert path.stat().st_size < 5000
    assert len(read(path).rows) == 1000
    monkeypatch.setattr(opening, "MOST_BYTES", 999_999)
    with pytest.raises(UserError, match="of data: split it"):
        read(path)


def test_a_column_of_very_many_equal_values_is_refused_by_its_footer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path / "a.parquet", x=[1] * 1000)
    monkeypatch.setattr(opening, "MOST_CELLS", 4999)
    with pytest.raises(UserError, match="more than 4,999 cells"):
        read(path)


@pytest.mark.parametrize(
    "column", [pa.array([10**15], pa.timestamp("ms")), pa.array([1], pa.timestamp("us", tz="Nowhere/Else"))]
)
def test_a_column_that_cannot_be_read_is_named(column: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"column 'x' \(timestamp.*\) has values that cannot be read: leave it out"):
        read(table(tmp_path / "a.parquet", x=column))


def test_a_footer_with_another_number_of_rows_is_refused(tmp_path: Path) -> None:
    """Both numbers of rows in the footer, of the file and of its one group, are 3 as a zigzag varint of one byte: 6."""
    path = table(tmp_path / "a.parquet", x=["a", "b", "c"])
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    messages = []
    for at in (at for at in range(footer, len(content) - 8) if content[at] == 6):
        path.write_bytes(content[:at] + b"\x08" + content[at + 1 :])
        try:
            assert len(read(path).rows) == 3
        except UserError as error:
            messages.append(str(error))
    assert len(messages) >= 2
    assert all(str(path) in each for each in messages)


def test_a_file_whose_lists_unpack_to_far_more_than_its_size_is_refused_early(tmp_path: Path) -> None:
    """4,096 rows of 100,000 zeros are 3 GiB of numbers in a small file; the limit here is 100 MiB."""
    import subprocess
    import sys

    path = tmp_path / "bomb.parquet"
    row = np.zeros(100_000, dtype=np.int64)
    writer = pq.ParquetWriter(path, pa.schema([("numbers", pa.list_(pa.int64()))]))
    for _ in range(32):
        offsets = np.arange(129, dtype=np.int32) * len(row)
        writer.write_table(pa.table({"numbers": pa.ListArray.from_arrays(offsets, np.tile(row, 128))}))
    writer.close()
    assert path.stat().st_size < 2**20
    code = """
import resource, sys
from pathlib import Path
from outgrow.text import opening, tables
from outgrow.types import UserError
opening.MOST_BYTES = 100 * 2**20
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    tables.read(Path(sys.argv[1]))
except UserError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    message, grown = done.stdout.splitlines()
    assert "holds more than" in message
    assert int(grown) < 600, "MiB that reading took"


def test_columns_of_maps_are_read(tmp_path: Path) -> None:
    path, kind = tmp_path / "maps.parquet", pa.map_(pa.string(), pa.list_(pa.string()))
    rows = [[("a", ["x", "y"]), ("b", [])], [], None]
    pq.write_table(pa.table({"text": ["p", "q", "r"], "about": pa.array(rows, kind)}), path)
    assert [row for _, row in read(path).rows] == [
        {"text": text, "about": about} for text, about in zip("pqr", rows, strict=True)
    ]


@pytest.mark.parametrize("values", ["numbers", "texts", "structs"])
def test_one_row_that_unpacks_to_far_more_than_its_file_is_refused_within_a_bound(values: str, tmp_path: Path) -> None:
    """One row of 40 million equal values, 320 MB of numbers in a small file; the limit of a line here is 20 MiB."""
    import subprocess
    import sys

    path, n = tmp_path / "bomb.parquet", 40_000_000
    flat = np.zeros(n, dtype=np.int64)
    inner: Any = pa.array(flat)
    if values == "texts":
        inner = pa.DictionaryArray.from_arrays(pa.array(flat.astype(np.int32)), ["the same"])
    if values == "structs":
        inner = pa.StructArray.from_arrays([inner], names=["x"])
    lists = pa.ListArray.from_arrays(pa.array([0, n], pa.int32()), inner)
    pq.write_table(pa.table({"values": lists}), path, compression="zstd")
    assert path.stat().st_size < 2**20
    code = """
import resource, sys
from pathlib import Path
from outgrow.text import opening, tables
from outgrow.types import UserError
import pyarrow.parquet
opening.MOST_AT_ONCE = 20 * 2**20
limits, before = resource.getrlimit(resource.RLIMIT_AS), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    tables.read(Path(sys.argv[1]))
except UserError as error:
    print(error)
assert resource.getrlimit(resource.RLIMIT_AS) == limits
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    message, grown = done.stdout.splitlines()
    assert "in a few rows" in message
    assert int(grown) < 200, "MiB that reading took"
