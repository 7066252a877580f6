"""Rows of an Arrow file (feather, IPC) or stream, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from outgrow.text import opening
from outgrow.text.columns import size_of, values_of
from outgrow.types import UserError

Numbered = Iterator[tuple[int, dict[str, Any]]]


def arrow(path: Path, stream: BinaryIO) -> Numbered:
    """The rows of a file, with their numbers from 1, as `outgrow.text.parquet` has them.

    Raises UserError for a column that occurs twice or cannot be read, for a file that is damaged, and for one with more
    data than the limits of `text.opening`.
    """
    import pyarrow as pa

    number, size, cells = 0, 0, 0
    try:
        for batch in _batches(stream.read()):
            batch.validate(full=True)
            names = batch.schema.names
            if (twice := next((name for name in names if names.count(name) > 1), None)) is not None:
                raise UserError(f"{path}: two columns are called {twice!r}: rename one")
            for found in map(size_of, batch.columns):
                size, cells = size + found[0], cells + found[1]
            if size > opening.MOST_BYTES:
                raise UserError(f"{path} holds more than {opening.MOST_BYTES / 2**30:g} GiB of data: split it")
            if cells > opening.MOST_CELLS:
                raise UserError(f"{path} has more than {opening.MOST_CELLS:,} cells: split it")
            columns = [values_of(path, name, each, each.type) for name, each in zip(names, batch.columns, strict=True)]
            for values in zip(*columns, strict=True):
                number += 1
                yield number, dict(zip(names, values, strict=True))
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        why = str(error).partition("\n")[0][:200]
        raise UserError(f"{path} is not a whole Arrow file ({why}): fetch it again") from None


def _batches(content: bytes) -> Iterator[Any]:
    """The record batches of a file or a stream, which begins without the file's mark."""
    import pyarrow as pa

    if content.startswith(b"ARROW1"):
        file = pa.ipc.open_file(pa.BufferReader(content))
        yield from (file.get_batch(i) for i in range(file.num_record_batches))
    else:
        yield from pa.ipc.open_stream(pa.BufferReader(content))
