"""Opening files of data: regular files only, unpacked as they are read, up to a limit."""

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
from typing import BinaryIO

from outgrow.content import digest_of
from outgrow.types import UserError

# What one file may hold, so that a machine with 24 GiB of memory survives it, compressed bombs included.
MOST_BYTES = 4 * 2**30  # unpacked
MOST_AT_ONCE = 2**30  # bytes of one line, or of a JSON document
MOST_LINES = 20_000_000
MOST_CELLS = 200_000_000  # about 14 GiB of Python objects
ROW = 4  # cells that a row counts as by itself
_BUFFER = 2**20


def digest_of_files(files: Sequence[Path]) -> str:
    """The digest of one file, or of several together. What is not a regular file is a UserError."""
    each = []
    for file in files:
        refuse_irregular(file)
        each.append(digest_of(file))
    return each[0] if len(each) == 1 else hashlib.sha256("".join(each).encode()).hexdigest()[:16]


def refuse_changed(files: Sequence[Path], digest: str) -> None:
    """UserError where files have changed since their digest was taken."""
    if digest_of_files(files) != digest:
        raise UserError(f"{files[0]} has changed since the experiment was planned: run it again")


def refuse_irregular(path: Path) -> None:
    """UserError where there is a folder, a pipe or a device, or where the path cannot be looked up."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # a NUL byte
        raise UserError(f"{str(path)!r} is no path: {error}") from None
    if stat.S_ISDIR(mode):
        raise UserError(f"{path} cannot be read: Is a directory: give the path of a file in it")
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} cannot be read: it is a pipe or a device: give the path of a file")


@contextmanager
def opened(path: Path, packed: str) -> Iterator[BinaryIO]:
    """The unpacked bytes of a file, as a stream. packed: `.gz`, `.zst`, or nothing.

    UserError, also while reading, where the file is missing, damaged, cut short, or longer than `MOST_BYTES`.
    """
    refuse_irregular(path)
    try:
        raw = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"there is no file {path}: check the path") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    with raw:
        yield io.BufferedReader(_Unpacked(path, packed, raw), _BUFFER)


def lines(path: Path, stream: BinaryIO) -> Iterator[tuple[int, str]]:
    """The numbered lines of a UTF-8 file with or without a byte order mark, each with its line feed."""
    number = 0
    while line := stream.readline(MOST_AT_ONCE + 1):
        number += 1
        if len(line) > MOST_AT_ONCE:
            raise UserError(f"{path}, line {number}: more than {_size(MOST_AT_ONCE)} in one line: split it")
        if number > MOST_LINES:
            raise UserError(f"{path} has more than {MOST_LINES:,} lines: split it")
        yield number, _decoded(path, line, number)


def document(path: Path, stream: BinaryIO) -> str:
    """All of a UTF-8 file."""
    content = stream.read(MOST_AT_ONCE + 1)
    if len(content) > MOST_AT_ONCE:
        raise UserError(f"{path} has more than {_size(MOST_AT_ONCE)}: save it as .jsonl, which is read row by row")
    return _decoded(path, content, 1)


def _decoded(path: Path, content: bytes, line: int) -> str:
    """Text that begins at a line of a file."""
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
    """What a file holds, unpacked and counted; every error is a UserError."""

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

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            found = self._stream.read(len(buffer))
        except (OSError, EOFError, ValueError, zlib.error) as error:
            why = str(error).partition("\n")[0]
            if not self._packed:
                raise UserError(f"{self._path} cannot be read: {why}") from None
            raise UserError(f"{self._path} is not a whole {self._packed} file ({why}): fetch it again") from None
        buffer[: len(found)] = found
        self._total += len(found)
        if self._total > MOST_BYTES:
            raise UserError(f"{self._path} holds more than {_size(MOST_BYTES)} of data: split it")
        return len(found)
