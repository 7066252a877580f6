"""What a file or a folder holds, as a digest: content, not names, identifies what an experiment reads."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from outgrow.types import UserError


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


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
