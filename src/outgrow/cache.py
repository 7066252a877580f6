"""A cache on this machine for values that are slow to compute. Deleting its folder is always safe."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from outgrow.types import UserError

_DIGEST = 16  # bytes


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
    _write(path, json.dumps({"checksum": _checksum(text, value), "value": value}).encode())
    return value


def cached_bytes(name: str, key: Any) -> bytes | None:
    """What `keep_bytes` wrote for this `name` and `key`; None where there is nothing, or it is damaged."""
    if (path := _path("tables", name, key, "bin")) is None:
        return None
    with suppress(OSError):
        whole = path.read_bytes()
        if whole[:_DIGEST] == _digest(whole[_DIGEST:]):
            return whole[_DIGEST:]
    return None


def keep_bytes(name: str, key: Any, value: bytes) -> None:
    """Keep bytes in the cache, with a checksum, where its folder can be written. The key is as in `cached`."""
    if path := _path("tables", name, key, "bin"):
        _write(path, _digest(value) + value)


def _text(name: str, key: Any) -> str:
    return json.dumps([name, key], sort_keys=True)


def _path(kind: str, name: str, key: Any, ending: str) -> Path | None:
    try:
        folder = cache_folder()
    except UserError:
        return None
    return folder / kind / f"{name}-{hashlib.sha256(_text(name, key).encode()).hexdigest()[:16]}.{ending}"


def _write(path: Path, content: bytes) -> None:
    """Write a file whole, or nothing."""
    draft = path.with_name(f".{uuid.uuid4().hex}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(path)
    with suppress(OSError):
        draft.unlink(missing_ok=True)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()


def _checksum(key: str, value: Any) -> str:
    return hashlib.sha256(f"{key}\0{json.dumps(value, sort_keys=True)}".encode()).hexdigest()
