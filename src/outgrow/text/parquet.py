"""Rows of a Parquet file, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from outgrow.text import opening
from outgrow.types import UserError

Numbered = Iterator[tuple[int, dict[str, Any]]]

_ROWS, _NESTED_ROWS = 4096, 64  # rows that are read at once; fewer where one row can hold very many values
_ROW_BYTES = 2**28  # of values of a fixed size that are read at once


def parquet(path: Path, stream: BinaryIO) -> Numbered:
    """The rows of a file, with their numbers from 1. Sizes are counted as rows are read: the footer may be wrong.

    Columns of bytes are text where they are UTF-8. Dates, times and decimals are Python's own, but times in billionths
    of a second are text, durations numbers. Lists and objects are read a few rows at a time, since one row may hold
    very many values.

    Raises UserError for a column that occurs twice or cannot be read, and for a file with more data than the limits of
    `text.opening`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = pa.BufferReader(stream.read())
    try:
        schema = pq.read_schema(whole)
        names = schema.names
        if (twice := next((name for name in names if names.count(name) > 1), None)) is not None:
            raise UserError(f"{path}: two columns are called {twice!r}: rename one")
        # As a dictionary a text that recurs is held once, so that its size is known before it fills the memory.
        leaves = pq.ParquetFile(whole).schema
        texts = [leaf.path for leaf in map(leaves.column, range(len(leaves))) if leaf.physical_type == "BYTE_ARRAY"]
        file = pq.ParquetFile(whole, read_dictionary=texts, page_checksum_verification=True)
        _refuse_large(path, file.metadata)
        number, size, cells = 0, 0, 0
        for batch in file.iter_batches(batch_size=_at_once(schema), use_threads=False):
            for found in map(_size, batch.columns):
                size, cells = size + found[0], cells + found[1]
            if size > opening.MOST_BYTES:
                raise UserError(f"{path} holds more than {opening.MOST_BYTES / 2**30:g} GiB of data: split it")
            if cells > opening.MOST_CELLS:
                raise UserError(f"{path} has more than {opening.MOST_CELLS:,} cells: split it")
            columns = [
                _values(path, name, column, kind)
                for name, column, kind in zip(names, batch.columns, schema.types, strict=True)
            ]
            for values in zip(*columns, strict=True):
                number += 1
                yield number, dict(zip(names, values, strict=True))
    except MemoryError as error:
        why = str(error).partition("\n")[0][:200]
        raise UserError(f"{path}: not enough memory to read it, or it is damaged ({why})") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        why = str(error).partition("\n")[0][:200]
        raise UserError(f"{path} is not a whole Parquet file ({why}): fetch it again") from None
    if number != file.metadata.num_rows:
        raise UserError(f"{path} has {number} rows, but its footer says {file.metadata.num_rows}: fetch it again")


def _refuse_large(path: Path, metadata: Any) -> None:
    """Raise UserError if the footer states more than the limits, before anything is read. Its metadata of single
    columns is not used: reading damaged column metadata ends the process."""
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if size > opening.MOST_BYTES:
        raise UserError(f"{path} holds more than {opening.MOST_BYTES / 2**30:g} GiB of data: split it")
    if metadata.num_rows * (metadata.num_columns + opening.ROW) > opening.MOST_CELLS:
        raise UserError(f"{path} has more than {opening.MOST_CELLS:,} cells: split it")


def _at_once(schema: Any) -> int:
    """The number of rows to read at once."""
    import pyarrow as pa

    width, most = 0, _ROWS
    for kind in schema.types:
        if pa.types.is_nested(kind):
            most = _NESTED_ROWS
        width += _width(kind)
    return max(1, min(most, _ROW_BYTES // max(width, 1)))


def _width(kind: Any) -> int:
    """The bytes of each value of an Arrow type of fixed size; 8 for other types."""
    import pyarrow as pa

    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size) * _width(kind.value_type)
    if pa.types.is_struct(kind):
        return sum(_width(field.type) for field in kind)
    return kind.byte_width if pa.types.is_fixed_size_binary(kind) else 8


def _size(column: Any) -> tuple[int, int]:
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
    found = [_size(each) for each in (inner if isinstance(inner, list) else [inner])]
    return 8 * len(column) + sum(size for size, _ in found), len(column) + sum(cells for _, cells in found)


def _values(path: Path, name: str, column: Any, kind: Any) -> list[Any]:
    """The cells of a column, whose type in the file is `kind`, as Python values."""
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
