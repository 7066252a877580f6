"""Digests of files and folders. The inputs of an experiment are identified by content, not by path."""

from __future__ import annotations

import hashlib
import os
import time
from functools import cache
from pathlib import Path

from outgrow.types import UserError

Stamp = tuple[int, int, int, int, int]

_SETTLED = 2.0  # seconds; file times are coarse, so a file may change again within this time with the same stamp
_digests: dict[tuple[Path, Stamp], str] = {}


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, or of the names and contents of a folder's files, as 16 hex digits.

    Raises UserError if the path does not exist or a file cannot be read.
    """
    if not os.path.exists(path):  # noqa: PTH110 - False for a path that is too long or invalid
        raise UserError(f"{path} does not exist: check the path")
    if path.is_file():
        return _sha256(path)[:16]
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        total.update(f"{file.relative_to(path).as_posix()}\0{_sha256(file)}\n".encode())
    return total.hexdigest()[:16]


@cache
def digest_of_code(*folders: str) -> str:
    """The digest of the modules in folders of this package: part of the key of what they have made and is kept."""
    modules = [file for folder in folders for file in sorted((Path(__file__).parent / folder).glob("*.py"))]
    return hashlib.sha256("".join(map(_sha256, modules)).encode()).hexdigest()[:16]


def stamp(path: Path) -> Stamp:
    """Values that change when a file is changed: device, inode, size, and mtime and ctime in nanoseconds."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _sha256(path: Path) -> str:
    """The digest of a file, cached in the process until the file changes."""
    key = path.absolute(), stamp(path)
    if key in _digests:
        return _digests[key]
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:  # /proc has files that exist and cannot be read, and disks fail
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if time.time() - max(key[1][3:]) / 1e9 > _SETTLED and stamp(path) == key[1]:
        _digests[key] = digest
    return digest
