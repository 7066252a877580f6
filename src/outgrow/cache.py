"""A cache on this machine for values that are slow to compute. Deleting its folder is always safe."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from outgrow.types import UserError

_DIGEST = 16  # bytes
_PART = 2**20  # bytes that are hashed at once


def cache_folder() -> Path:
    """The cache folder: OUTGROW_CACHE, or the platform's default. Raises UserError if there is no home folder."""
    try:
        return _cache_folder()
    except RuntimeError:
        raise UserError("there is no home folder to keep converted checkpoints in: set OUTGROW_CACHE") from None


def _cache_folder() -> Path:
    if chosen := os.environ.get("OUTGROW_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "outgrow"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "outgrow" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "outgrow"


def cached(name: str, key: Any, compute: Callable[[], Any]) -> Any:
    """The value of `compute()`, from the cache if it was computed before for this `name` and `key`.

    key, value: JSON data. The key must contain everything that the value depends on. A damaged cache file is computed
    again. If the folder cannot be written, nothing is cached.
    """
    if (path := _path("facts", name, key, "json")) is None:
        return compute()
    text = _text(name, key)
    with suppress(OSError, ValueError, RecursionError, KeyError, TypeError):
        entry = json.loads(path.read_bytes())
        if entry["checksum"] == _checksum(text, entry["value"]):
            return entry["value"]
    value = compute()
    content = json.dumps({"checksum": _checksum(text, value), "value": value}).encode()
    _write(path, lambda draft: draft.write_bytes(content))
    return value


@contextmanager
def kept(name: str, key: Any) -> Iterator[BinaryIO | None]:
    """A file with what `keep` wrote for this `name` and `key`; None where there is nothing, or it is damaged."""
    path = _path("tables", name, key, "bin")
    file = _intact(path) if path else None
    if file is None:
        yield None
        return
    with file:
        yield file


def keep(name: str, key: Any, write: Callable[[BinaryIO], None]) -> None:
    """Keep what `write` writes to a file in the cache, with a checksum, where its folder can be written. The key is as
    in `cached`."""

    def whole(path: Path) -> None:
        with path.open("wb") as file:
            file.write(bytes(_DIGEST))
            hashed = _Hashed(file)
            write(cast(BinaryIO, hashed))
            file.seek(0)
            file.write(hashed.digest)

    if path := _path("tables", name, key, "bin"):
        _write(path, whole)


class _Hashed(io.RawIOBase):
    """Writes to a file, and hashes what it writes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash = file, hashlib.blake2b(digest_size=_DIGEST)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._hash.update(data)
        return self._file.write(data)

    @property
    def digest(self) -> bytes:
        return self._hash.digest()


def _intact(path: Path) -> BinaryIO | None:
    """The file behind its checksum, if that is right."""
    try:
        file = path.open("rb")
    except OSError:
        return None
    try:
        given, found = file.read(_DIGEST), hashlib.blake2b(digest_size=_DIGEST)
        while part := file.read(_PART):
            found.update(part)
        if found.digest() == given:
            file.seek(_DIGEST)
            return file
    except OSError:
        pass
    file.close()
    return None


def _text(name: str, key: Any) -> str:
    return json.dumps([name, key], sort_keys=True)


def _path(kind: str, name: str, key: Any, ending: str) -> Path | None:
    try:
        folder = cache_folder()
    except UserError:
        return None
    return folder / kind / f"{name}-{hashlib.sha256(_text(name, key).encode()).hexdigest()[:16]}.{ending}"


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` write a file whole, or nothing."""
    draft = path.with_name(f".{uuid.uuid4().hex}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write(draft)
        draft.replace(path)
    with suppress(OSError):
        draft.unlink(missing_ok=True)


def _checksum(key: str, value: Any) -> str:
    return hashlib.sha256(f"{key}\0{json.dumps(value, sort_keys=True)}".encode()).hexdigest()
