"""Rows from a file: CSV, TSV, JSONL, JSON or Parquet, as it is or compressed with gzip or zstd."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Literal

from outgrow.text import opening
from outgrow.text.json_rows import json_document, json_lines
from outgrow.text.normal import readable
from outgrow.text.opening import opened
from outgrow.text.parquet import parquet
from outgrow.types import UserError

Numbered = Iterator[tuple[int, dict[str, Any]]]

_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:\.0+)?")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Named columns, and rows with their number in the file: from 1, a header not counted."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, Any]], ...]


def read(path: Path) -> Table:
    """Every row of a file, as `rows` gives them. A file without rows is a UserError."""
    found = tuple(rows(path))
    if not found:
        raise UserError(f"{path} is empty: it needs rows")
    return Table(columns=tuple(dict.fromkeys(name for _, row in found for name in row)), rows=found)


def rows(path: Path) -> Numbered:
    """The numbered rows of a file whose name says its format, read as they are needed (a `.json` file at once).

    A TSV file has no quoting: a quotation mark is text. Lone surrogates, which JSON can hold, are U+FFFD. UserError,
    with the row where there is one, for what cannot be read, and for what is larger than `outgrow.text.opening` allows.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes.pop() if suffixes and suffixes[-1] in (".gz", ".zst") else ""
    parse = _FORMATS.get(suffixes[-1] if suffixes else "")
    if parse is None:
        raise UserError(f"{path}: this format is not known: use {', '.join(_FORMATS)}, each also with .gz or .zst")
    room = opening.MOST_CELLS
    with opened(path, packed) as stream:
        for number, row in parse(path, stream):
            room -= len(row) + opening.ROW
            if room < 0:
                raise UserError(f"{path}, row {number}: more than {opening.MOST_CELLS:,} cells: split the file")
            yield number, row


def listed(columns: Iterable[str]) -> str:
    """Names of columns in one line; names that cannot be read in one, quoted."""
    names = [name if name and name.isprintable() else repr(name) for name in columns]
    more = [f"and {len(names) - 30} more"] if len(names) > 30 else []
    return ", ".join(names[:30] + more)


def cell(value: Any) -> str:
    """The text of one cell; empty where there is nothing. Lists, tables and bytes are a TypeError."""
    match value:
        case str():
            return readable(value).strip()
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float() if math.isnan(value):
            return ""
        case list() | dict() | tuple():
            raise TypeError(f"holds a {type(value).__name__}, not text")
        case bytes():
            raise TypeError("holds bytes that are not UTF-8, not text")
    return str(value).strip()


def name(value: Any) -> str:
    """The text of a cell that names something: a label, a group, an id. Equal values have one name.

    A whole number has no decimals: `1`, `1.0` and `"1.0"` are `1`, and -0.0 is `0`. `True`, `"TRUE"` and `"true"` are
    `true`. All other text stays as it is: `01`, `1e0` and `1.50` are codes or versions as often as numbers.
    """
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    text = cell(value)
    if whole := _WHOLE.fullmatch(text):
        return "0" if whole[1] == "-0" else whole[1]
    return text.lower() if text.lower() in ("true", "false") else text


def _separated(delimiter: str, quoting: Literal[0, 3]) -> Callable[[Path, BinaryIO], Numbered]:
    def parse(path: Path, stream: BinaryIO) -> Numbered:
        csv.field_size_limit(opening.MOST_AT_ONCE)  # a long cell is for the task to judge
        reader = csv.reader(_lines(path, stream), delimiter=delimiter, quoting=quoting, strict=True)
        number = 0
        try:
            header = [name.strip() for name in next(reader, [])]
            if (twice := next((name for name in header if header.count(name) > 1), None)) is not None:
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


def _lines(path: Path, stream: BinaryIO) -> Iterator[str]:
    """The lines of a table: they end in LF, CRLF or, in old files, in CR alone."""
    for number, line in opening.lines(path, stream):
        if "\0" in line:
            raise UserError(f"{path}, line {number}: there is a NUL byte: save the file as UTF-8 text")
        if "\r" in line[:-2]:
            yield from filter(None, re.split("(?<=\r)(?!\n)", line))
        else:
            yield line


_FORMATS: dict[str, Callable[[Path, BinaryIO], Numbered]] = {
    ".csv": _separated(",", csv.QUOTE_MINIMAL),
    ".tsv": _separated("\t", csv.QUOTE_NONE),
    ".jsonl": json_lines,
    ".json": json_document,
    ".parquet": parquet,
}
