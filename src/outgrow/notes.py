"""Notes for the user on an artifact, stored as `notes.json` in its folder. Without notes there is no file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FILE = "notes.json"


def write_notes(folder: Path, notes: Iterable[str]) -> None:
    """Writes the notes without duplicates, or no file if there are none."""
    if unique := list(dict.fromkeys(notes)):
        (folder / FILE).write_text(json.dumps(unique, indent=1))


def read_notes(folder: Path) -> tuple[str, ...]:
    """The notes of a stored artifact. Without a file, or with one of another format from a plug-in, there are none."""
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ()
    return _strings_in(content) if isinstance(content, list) else ()


def notes_of(artifact: Any) -> tuple[str, ...]:
    """The notes of an artifact in memory, from its attribute or method `notes`."""
    notes = getattr(artifact, "notes", ())
    notes = notes() if callable(notes) else notes
    return _strings_in(notes) if isinstance(notes, (list, tuple)) else ()


def _strings_in(items: Iterable[Any]) -> tuple[str, ...]:
    return tuple(item for item in items if isinstance(item, str))
