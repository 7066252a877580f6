"""Rows of a Parquet file, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from outgrow.memory import at_most
from outgrow.text import opening
from outgrow.text.columns import rows_of
from outgrow.types import UserError

Numbered = Iterator[tuple[int, dict[str, Any]]]

_ROWS, _NESTED_ROWS = 4096, 64  # rows that are read at once; fewer where one row can hold very many values
ROOM = 3  # times the limit of a line, for a batch: a buffer that grows is there twice
_BUFFER = 2**20  # bytes of a column that are read at once
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

    try:
        source = opening.seekable(stream)
        schema = pq.read_schema(source)
        opening.refuse_twice(path, schema.names)
        # As a dictionary a text that recurs is held once, so that its size is known before it fills the memory.
        leaves = pq.ParquetFile(source).schema
        texts = [leaf.path for leaf in map(leaves.column, range(len(leaves))) if leaf.physical_type == "BYTE_ARRAY"]
        # A buffer: without one it reads the bytes of a column of a row group at once. Dictionaries grow with the group.
        options = {"buffer_size": _BUFFER, "page_checksum_verification": True}
        file = pq.ParquetFile(source, read_dictionary=texts, **options)
        _refuse_large(path, file.metadata)
        batches = _bounded(path, file.iter_batches(batch_size=_at_once(schema), use_threads=False))
        number = yield from rows_of(path, batches, schema.types)
    except MemoryError as error:
        why = str(error).partition("\n")[0][:200]
        raise UserError(f"{path}: not enough memory to read it, or it is damaged ({why})") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        why = str(error).partition("\n")[0][:200]
        raise UserError(f"{path} is not a whole Parquet file ({why}): fetch it again") from None
    if number != file.metadata.num_rows:
        raise UserError(f"{path} has {number} rows, but its footer says {file.metadata.num_rows}: fetch it again")


def _bounded(path: Path, batches: Iterator[Any]) -> Iterator[Any]:
    """The batches, each read within a bound of memory: equal values are stored once, so that one row of a
    small file may unpack to more than any machine has. Raises UserError for such a batch."""
    while True:
        try:
            with at_most(ROOM * opening.MOST_AT_ONCE):
                batch = next(batches, None)
        except MemoryError:
            size = f"{opening.MOST_AT_ONCE / 2**30:g} GiB"
            raise UserError(f"{path} holds more than {size} in a few rows, or memory is short: split them") from None
        if batch is None:
            return
        yield batch


def _refuse_large(path: Path, metadata: Any) -> None:
    """Raise UserError if the footer states more than the limits, before anything is read. Its metadata of single
    columns is not used: reading damaged column metadata ends the process."""
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    opening.refuse_large(path, size, metadata.num_rows * (metadata.num_columns + opening.ROW))


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
