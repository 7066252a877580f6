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
    text = json.dumps([name, key], sort_keys=True)
    try:
        folder = cache_folder()
    except UserError:
        return compute()
    path = folder / "facts" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    with suppress(OSError, ValueError, RecursionError, KeyError, TypeError):
        entry = json.loads(path.read_bytes())
        if entry["checksum"] == _checksum(text, entry["value"]):
            return entry["value"]
    value = compute()
    draft = path.with_name(f".{uuid.uuid4().hex}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps({"checksum": _checksum(text, value), "value": value}))
        draft.replace(path)
    with suppress(OSError):
        draft.unlink(missing_ok=True)
    return value


def _checksum(key: str, value: Any) -> str:
    return hashlib.sha256(f"{key}\0{json.dumps(value, sort_keys=True)}".encode()).hexdigest()
