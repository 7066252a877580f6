"""Rows of a Parquet file, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from outgrow.text import opening
from outgrow.types import UserError

Numbered = Iterator[tuple[int, dict[str, Any]]]

_BATCH = 4096


def parquet(path: Path, stream: BinaryIO) -> Numbered:
    """The rows of a file, whose footer is not believed: what is there is counted again as it is read.

    Columns of bytes are text where they are UTF-8. Dates, times and decimals are Python's own, but times in billionths
    of a second are text, durations numbers. UserError names a column that occurs twice, and one that cannot be read.
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
        texts = [field.name for field in schema if _is_text(field.type)]
        file = pq.ParquetFile(whole, read_dictionary=texts, page_checksum_verification=True)
        _refuse_large(path, file.metadata)
        number, size = 0, 0
        for batch in file.iter_batches(batch_size=_BATCH, use_threads=False):
            size += sum(map(_size, batch.columns))
            if size > opening.MOST_BYTES:
                raise UserError(f"{path} holds more than {opening.MOST_BYTES / 2**30:g} GiB of data: split it")
            columns = [_values(path, name, column) for name, column in zip(names, batch.columns, strict=True)]
            for values in zip(*columns, strict=True):
                number += 1
                yield number, dict(zip(names, values, strict=True))
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        why = str(error).partition("\n")[0][:200]
        raise UserError(f"{path} is not a whole Parquet file ({why}): fetch it again") from None
    if number != file.metadata.num_rows:
        raise UserError(f"{path} has {number} rows, but its footer says {file.metadata.num_rows}: fetch it again")


def _refuse_large(path: Path, metadata: Any) -> None:
    """A footer that says more than a file may hold is refused before anything is read. What it says of single columns
    is not looked at: where that is damaged, looking at it ends the process."""
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if size > opening.MOST_BYTES:
        raise UserError(f"{path} holds more than {opening.MOST_BYTES / 2**30:g} GiB of data: split it")
    if metadata.num_rows * (metadata.num_columns + opening.ROW) > opening.MOST_CELLS:
        raise UserError(f"{path} has more than {opening.MOST_CELLS:,} cells: split it")


def _size(column: Any) -> int:
    """The bytes of a column as they are unpacked."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    return int(pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0)


def _values(path: Path, name: str, column: Any) -> list[Any]:
    """The cells of a column as Python values."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
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
    asked = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")
    return any(getattr(pa.types, f"is_{each}")(kind) for each in asked)
