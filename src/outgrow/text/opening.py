"""Opens data files: regular files only, decompressed while they are read, up to a size limit."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from outgrow.content import digest_of
from outgrow.types import UserError

# Limits of one file, chosen for a machine with 24 GiB of memory. They also stop decompression bombs.
MOST_BYTES = 4 * 2**30  # decompressed
MOST_AT_ONCE = 2**30  # bytes of one line, or of a JSON document
MOST_LINES = 20_000_000
MOST_CELLS = 200_000_000  # about 14 GiB of Python objects
ROW = 4  # the overhead of a row, in cells
_BUFFER = 2**20


def refuse_large(path: Path, size: int, cells: int) -> None:
    """Raises UserError for a file with more than so many bytes of values, or more cells, than the limits."""
    if size > MOST_BYTES:
        raise UserError(f"{path} holds more than {_size(MOST_BYTES)} of data: split it")
    if cells > MOST_CELLS:
        raise UserError(f"{path} has more than {MOST_CELLS:,} cells: split it")


def refuse_twice(path: Path, names: Sequence[str]) -> None:
    """Raises UserError where two columns have one name."""
    if (twice := next((name for name in names if names.count(name) > 1), None)) is not None:
        raise UserError(f"{path}: two columns are called {twice!r}: rename one")


def digest_of_files(files: Sequence[Path]) -> str:
    """The digest of one or several files. Raises UserError for a path that is not a regular file."""
    digests = []
    for file in files:
        refuse_irregular(file)
        digests.append(digest_of(file))
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


def refuse_changed(files: Sequence[Path], digest: str) -> None:
    """Raises UserError if the files no longer have this digest."""
    if digest_of_files(files) != digest:
        raise UserError(f"{files[0]} has changed since the experiment was planned: run it again")


def refuse_irregular(path: Path) -> None:
    """Raises UserError for a folder, a pipe or a device, and for a path that cannot be looked up."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # a NUL byte
        raise UserError(f"{str(path)!r} is not a path: {error}") from None
    if stat.S_ISDIR(mode):
        raise UserError(f"{path} cannot be read: Is a directory: give the path of a file in it")
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} cannot be read: it is a pipe or a device: give the path of a file")


@contextmanager
def opened(path: Path, packed: str) -> Iterator[BinaryIO]:
    """The decompressed bytes of a file, as a stream. packed: ".gz", ".zst" or "".

    Raises UserError if the file is missing, damaged, truncated, or larger than `MOST_BYTES`; also while reading,
    except for the size of a file that is not packed.
    """
    refuse_irregular(path)
    try:
        raw = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"there is no file {path}: check the path") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    with raw:
        if not packed:
            refuse_large(path, path.stat().st_size, 0)
        yield io.BufferedReader(_Unpacked(path, packed, raw), _BUFFER)


def seekable(stream: BinaryIO) -> Any:
    """A stream for Arrow, which reads parts of it in any order: as it is, or, unpacked, in memory."""
    import pyarrow as pa

    return stream if stream.seekable() else pa.BufferReader(stream.read())


def lines(path: Path, stream: BinaryIO) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file, with or without a byte order mark, with their numbers from 1 and their line ends.

    Raises UserError for other encodings and for files above the limits.
    """
    number = 0
    while line := stream.readline(MOST_AT_ONCE + 1):
        number += 1
        if len(line) > MOST_AT_ONCE:
            raise UserError(f"{path}, line {number}: more than {_size(MOST_AT_ONCE)} in one line: split it")
        if number > MOST_LINES:
            raise UserError(f"{path} has more than {MOST_LINES:,} lines: split it")
        yield number, _decoded(path, line, number)


def document(path: Path, stream: BinaryIO) -> str:
    """The whole text of a UTF-8 file. Raises UserError for other encodings and for files above `MOST_AT_ONCE`."""
    content = stream.read(MOST_AT_ONCE + 1)
    if len(content) > MOST_AT_ONCE:
        raise UserError(f"{path} has more than {_size(MOST_AT_ONCE)}: save it as .jsonl, which is read row by row")
    return _decoded(path, content, 1)


def _decoded(path: Path, content: bytes, line: int) -> str:
    """Decoded text. line: the line number at which `content` begins, for errors."""
    if line == 1 and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError(f"{path} is UTF-16: save the file as UTF-8")
    try:
        return content.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line += content.count(b"\n", 0, error.start)
        raise UserError(f"{path}, line {line}: this is not UTF-8: save the file as UTF-8") from None


def _size(limit: int) -> str:
    return f"{limit / 2**30:g} GiB"


class _Unpacked(io.RawIOBase):
    """The decompressed bytes of a file, up to `MOST_BYTES`. Errors are raised as UserError."""

    def __init__(self, path: Path, packed: str, raw: BinaryIO) -> None:
        self._path, self._packed, self._total = path, packed, 0
        self._stream: BinaryIO = raw
        if packed == ".gz":
            self._stream = gzip.GzipFile(fileobj=raw)  # type: ignore[assignment]
        elif packed == ".zst":
            import pyarrow as pa

            self._stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return not self._packed

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(len(buffer))
        except (OSError, EOFError, ValueError, zlib.error) as error:
            why = str(error).partition("\n")[0]
            if not self._packed:
                raise UserError(f"{self._path} cannot be read: {why}") from None
            raise UserError(f"{self._path} is not a whole {self._packed} file ({why}): fetch it again") from None
        buffer[: len(data)] = data
        self._total += len(data)
        if self._total > MOST_BYTES:
            raise UserError(f"{self._path} holds more than {_size(MOST_BYTES)} of data: split it")
        return len(data)
