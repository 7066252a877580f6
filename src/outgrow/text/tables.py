"""Rows from a file: CSV, TSV, JSONL, JSON or Parquet, as it is or compressed with gzip or zstd."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outgrow.types import UserError

Numbered = Iterator[tuple[int, dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Named columns, and rows with their number in the file: from 1, a header not counted."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, Any]], ...]


def read(path: Path) -> Table:
    """Every row of a file whose name says its format. A file that cannot be read is a UserError with the row."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes.pop() if suffixes and suffixes[-1] in (".gz", ".zst") else ""
    parse = _FORMATS.get(suffixes[-1] if suffixes else "")
    if parse is None:
        raise UserError(f"{path}: this format is not known: use {', '.join(_FORMATS)}, each also with .gz or .zst")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"there is no file {path}: check the path") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    rows = tuple(parse(path, _unpacked(path, content, packed)))
    if not rows:
        raise UserError(f"{path} is empty: it needs rows")
    return Table(columns=tuple(dict.fromkeys(name for _, row in rows for name in row)), rows=rows)


def cell(value: Any) -> str:
    """The text of one cell; empty where there is nothing. Lists and tables are a TypeError."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float() if math.isnan(value):
            return ""
        case list() | dict():
            raise TypeError(f"holds a {type(value).__name__}, not text")
    return str(value).strip()


def _unpacked(path: Path, content: bytes, packed: str) -> bytes:
    try:
        if packed == ".gz":
            return gzip.decompress(content)
        if packed == ".zst":
            return _zstd(path, content)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a whole {packed} file ({error}): fetch it again") from None
    return content


def _zstd(path: Path, content: bytes) -> bytes:
    try:
        import zstandard
    except ImportError:
        raise UserError(f"{path} is compressed with zstd: pip install 'outgrow[zstd]'") from None
    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content), read_across_frames=True) as stream:
            unpacked: bytes = stream.read()
    except zstandard.ZstdError as error:
        raise OSError(str(error)) from None
    return unpacked


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: this is not UTF-8: save the file as UTF-8") from None


def _separated(delimiter: str) -> Callable[[Path, bytes], Numbered]:
    def parse(path: Path, content: bytes) -> Numbered:
        csv.field_size_limit(2**31 - 1)  # a long cell is for the task to judge; the module's limit is 131,072
        reader = csv.reader(io.StringIO(_decoded(path, content), newline=""), delimiter=delimiter, strict=True)
        number = 0
        try:
            header = next(reader, [])
            if twice := next((name for name in header if header.count(name) > 1), None):
                raise UserError(f"{path}: two columns are called {twice!r}: rename one")
            for cells in reader:
                if cells:  # a blank line is no row
                    number += 1
                    if len(cells) != len(header):
                        raise UserError(f"{path}, row {number}: {len(cells)} cells, but the header has {len(header)}")
                    yield number, dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise UserError(f"{path}, row {number + 1}: {error}") from None

    return parse


def _json_lines(path: Path, content: bytes) -> Numbered:
    for number, line in enumerate(_decoded(path, content).split("\n"), start=1):
        if line.strip():
            try:
                yield number, _record(path, number, json.loads(line))
            except json.JSONDecodeError as error:
                raise UserError(f"{path}, row {number}: this is not JSON ({error.msg})") from None


def _json(path: Path, content: bytes) -> Numbered:
    text = _decoded(path, content)
    if not text.strip():
        return
    try:
        records = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.lstrip().startswith(
            "{"
        ):  # a value a line, as many data sets are published
            yield from _json_lines(path, content)
            return
        raise UserError(f"{path}, line {error.lineno}: this is not JSON ({error.msg})") from None
    if not isinstance(records, list):
        raise UserError(f"{path} holds one {type(records).__name__}: it needs a list of objects, one a row")
    for number, record in enumerate(records, start=1):
        yield number, _record(path, number, record)


def _record(path: Path, number: int, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{path}, row {number}: this is no object with column names")
    return value


def _parquet(path: Path, content: bytes) -> Numbered:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError):
        raise UserError(f"{path} is not a whole Parquet file: fetch it again") from None
    yield from enumerate(table.to_pylist(), start=1)


_FORMATS: dict[str, Callable[[Path, bytes], Numbered]] = {
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".jsonl": _json_lines,
    ".json": _json,
    ".parquet": _parquet,
}
