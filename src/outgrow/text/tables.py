"""Reads tables: CSV, TSV, JSONL, JSON, Parquet or Arrow, uncompressed or compressed with gzip or zstd."""

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
from outgrow.text.arrow import arrow
from outgrow.text.json_rows import json_document, json_lines
from outgrow.text.normal import readable
from outgrow.text.opening import opened
from outgrow.text.parquet import parquet
from outgrow.types import UserError

Numbered = Iterator[tuple[int, dict[str, Any]]]

_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:\.0+)?")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Column names, and pairs of row number (from 1, without the header) and row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, Any]], ...]


class Streamed:
    """The rows of a table, which are read once, and the columns of those that have been read: all when `whole`."""

    def __init__(self, rows: Numbered) -> None:
        self.columns: dict[str, None] = {}
        self.whole = False
        self._rows = self._noted(rows)

    def __iter__(self) -> Numbered:
        return self._rows

    def _noted(self, rows: Numbered) -> Numbered:
        for number, row in rows:
            if not row.keys() <= self.columns.keys():
                self.columns |= dict.fromkeys(row)
            yield number, row
        self.whole = True


def some_rows(path: Path) -> Numbered:
    """As `rows`. Raises UserError for a file without rows, too."""
    number = 0
    for number, row in rows(path):
        yield number, row
    if not number:
        raise UserError(f"{path} is empty: it needs rows")


def read(path: Path) -> Table:
    """Reads a whole table. Raises UserError as `some_rows` does."""
    numbered = tuple(some_rows(path))
    return Table(columns=tuple(dict.fromkeys(name for _, row in numbered for name in row)), rows=numbered)


def rows(path: Path) -> Numbered:
    """The numbered rows of a file, read lazily (a `.json` file at once). The suffix of its name gives the format.

    TSV files have no quoting: quotation marks are text. Lone surrogates, which JSON can contain, become U+FFFD.

    Raises UserError, with the row number if there is one, for a file that cannot be read or is larger than the limits
    in `outgrow.text.opening`.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes.pop() if suffixes and suffixes[-1] in (".gz", ".zst") else ""
    parse = _FORMATS.get(suffixes[-1] if suffixes else "")
    if parse is None:
        raise UserError(f"{path}: this format is not known: use {', '.join(_FORMATS)}, each also with .gz or .zst")
    remaining = opening.MOST_CELLS
    with opened(path, packed) as stream:
        for number, row in parse(path, stream):
            remaining -= len(row) + opening.ROW
            if remaining < 0:
                raise UserError(f"{path}, row {number}: more than {opening.MOST_CELLS:,} cells: split the file")
            yield number, row


def listed(columns: Iterable[str]) -> str:
    """Column names for a message, in one line. Empty and unprintable names, and those with a comma, are quoted; at most
    30 are listed."""
    names = [name if name and name.isprintable() and "," not in name else repr(name) for name in columns]
    more = [f"and {len(names) - 30} more"] if len(names) > 30 else []
    return ", ".join(names[:30] + more)


def cell(value: Any) -> str:
    """The text of a cell; "" for None and NaN. Raises TypeError for lists, dictionaries and bytes."""
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
    """The text of a label, group or id, so that equal values have equal names whatever their type.

    Integers have no decimals: `1`, `1.0` and `"1.0"` become `1`, and -0.0 becomes `0`. `True`, `"TRUE"` and `"true"`
    become `true`. Other text is unchanged: `01`, `1e0` and `1.50` may be codes or versions. Raises TypeError as `cell`.
    """
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    text = cell(value)
    if whole := _WHOLE.fullmatch(text):
        return "0" if whole[1] == "-0" else whole[1]
    return text.lower() if text.lower() in ("true", "false") else text


def _separated(delimiter: str, quoting: Literal[0, 3]) -> Callable[[Path, BinaryIO], Numbered]:
    def parse(path: Path, stream: BinaryIO) -> Numbered:
        csv.field_size_limit(opening.MOST_AT_ONCE)  # tasks have their own limit for long cells
        reader = csv.reader(_lines(path, stream), delimiter=delimiter, quoting=quoting, strict=True)
        number = 0
        try:
            header = [name.strip() for name in next(reader, [])]
            opening.refuse_twice(path, header)
            for cells in reader:
                if cells:  # blank lines are not rows
                    number += 1
                    if len(cells) != len(header):
                        raise UserError(
                            f"{path}, row {number}: {len(cells)} cells, but the header has {len(header)}"
                            f"{_hint(header, delimiter)}"
                        )
                    yield number, dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise UserError(f"{path}, row {number + 1}: {error}") from None

    return parse


def _hint(header: list[str], delimiter: str) -> str:
    """What is probably wrong with a table whose header is one cell, with another separator in it."""
    other = next((each for each in ",;\t|" if each != delimiter and len(header) == 1 and each in header[0]), "")
    if not other:
        return ""
    wanted = {",": "commas", "\t": "tabs"}
    return f": its cells seem to be separated by {wanted.get(other, repr(other))}, not by {wanted[delimiter]}"


def _lines(path: Path, stream: BinaryIO) -> Iterator[str]:
    """The lines of a table, which end in LF, CRLF or CR."""
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
    ".arrow": arrow,
    ".feather": arrow,
}
