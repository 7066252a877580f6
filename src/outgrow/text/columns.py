"""Columns of Arrow: their size in memory, their cells as Python values, and their rows."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

from outgrow.text import opening
from outgrow.types import UserError

_ROWS = 4096  # whose cells are Python values at once


def rows_of(
    path: Path, batches: Iterable[Any], kinds: Sequence[Any] = ()
) -> Generator[tuple[int, dict[str, Any]], None, int]:
    """The rows of batches with their numbers from 1, and at the end how many there were. kinds: of the columns in the
    file, where the batches hold them otherwise.

    Raises UserError for a column that occurs twice or cannot be read, and for more data than the limits of
    `text.opening`.
    """
    number, size, cells = 0, 0, 0
    for batch in batches:
        names = batch.schema.names
        opening.refuse_twice(path, names)
        for found in map(size_of, batch.columns):
            size, cells = size + found[0], cells + found[1]
        opening.refuse_large(path, size, cells)
        for start in range(0, batch.num_rows, _ROWS):
            part = batch.slice(start, _ROWS)
            each = zip(names, part.columns, kinds or part.schema.types, strict=True)
            columns = [values_of(path, name, column, kind) for name, column, kind in each]
            for values in zip(*columns, strict=True):
                number += 1
                yield number, dict(zip(names, values, strict=True))
    return number


def size_of(column: Any) -> tuple[int, int]:
    """The unpacked bytes of a column, and the number of its values, with those in lists and objects."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        if pa.types.is_fixed_size_binary(kind.value_type) or not _is_text(kind):
            return int(column.nbytes), len(column)
        return int(pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0), len(column)
    if not pa.types.is_nested(kind):
        return int(column.nbytes), len(column)
    inner = [column.keys, column.items] if pa.types.is_map(kind) else column.flatten()
    found = [size_of(each) for each in (inner if isinstance(inner, list) else [inner])]
    return 8 * len(column) + sum(size for size, _ in found), len(column) + sum(cells for _, cells in found)


def values_of(path: Path, name: str, column: Any, kind: Any) -> list[Any]:
    """The cells of a column, whose type in the file is `kind`, as Python values. Raises UserError for
    text that is not UTF-8 and for values that cannot be read."""
    import pyarrow as pa

    if pa.types.is_nested(kind):
        column = column.cast(kind)
    elif pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if getattr(kind, "unit", "") == "ns":  # Python's own times end at millionths of a second
        column = column.cast(pa.int64() if pa.types.is_duration(kind) else pa.string())
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        if not pa.types.is_string(kind):
            raise UserError(f"{path}: column {name!r} ({kind}) is not UTF-8: leave it out") from None
        column = column.cast(pa.binary())
        values = column.to_pylist()
    except (pa.ArrowException, ArithmeticError, ValueError, TypeError):
        raise UserError(f"{path}: column {name!r} ({kind}) has values that cannot be read: leave it out") from None
    if pa.types.is_string(column.type):
        return values
    return [_text(value) if isinstance(value, bytes) else value for value in values]


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _is_text(kind: Any) -> bool:
    """Whether a column of this Arrow type is kept as text or bytes of any length."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    names = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")
    return any(getattr(pa.types, f"is_{each}")(kind) for each in names)
