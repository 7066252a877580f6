"""What a file or a folder holds, as a digest: content, not names, identifies what an experiment reads."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from outgrow.types import UserError

Stamp = tuple[int, int, int, int, int]

_SETTLED = 2.0  # seconds; clocks of file systems are coarse, so a file that has just changed may change unseen
_digests: dict[tuple[Path, Stamp], str] = {}


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, or over the names and contents of a folder's files: 16 hex digits."""
    if not os.path.exists(path):  # noqa: PTH110 - False for a path that is too long, or no path at all
        raise UserError(f"{path} does not exist: check the path")
    if path.is_file():
        return _sha256(path)[:16]
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        total.update(f"{file.relative_to(path).as_posix()}\0{_sha256(file)}\n".encode())
    return total.hexdigest()[:16]


def stamp(path: Path) -> Stamp:
    """What changes when a file does: device, inode, size, and times of content and status in ns."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _sha256(path: Path) -> str:
    """Computed once a process for as long as the file stays as it is."""
    key = path.absolute(), stamp(path)
    if key in _digests:
        return _digests[key]
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if time.time() - max(key[1][3:]) / 1e9 > _SETTLED and stamp(path) == key[1]:
        _digests[key] = digest
    return digest
