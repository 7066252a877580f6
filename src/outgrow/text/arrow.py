"""Rows of an Arrow file (feather, IPC) or stream, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from outgrow.text import opening
from outgrow.text.columns import rows_of
from outgrow.types import UserError

_MARK = b"ARROW1"
Numbered = Iterator[tuple[int, dict[str, Any]]]


def arrow(path: Path, stream: BinaryIO) -> Numbered:
    """The rows of a file, with their numbers from 1, as `outgrow.text.parquet` has them.

    Raises UserError for a column that occurs twice or cannot be read, for a file that is damaged, and for one with more
    data than the limits of `text.opening`.
    """
    import pyarrow as pa

    try:
        yield from rows_of(path, map(_valid, _batches(opening.seekable(stream))))
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        why = str(error).partition("\n")[0][:200]
        raise UserError(f"{path} is not a whole Arrow file ({why}): fetch it again") from None


def _valid(batch: Any) -> Any:
    batch.validate(full=True)
    return batch


def _batches(source: Any) -> Iterator[Any]:
    """The record batches of a file or a stream, which begins without the file's mark."""
    import pyarrow as pa

    mark = source.read(len(_MARK))
    source.seek(0)
    if mark == _MARK:
        file = pa.ipc.open_file(source)
        yield from (file.get_batch(i) for i in range(file.num_record_batches))
    else:
        yield from pa.ipc.open_stream(source)
