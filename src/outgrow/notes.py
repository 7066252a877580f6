"""Sentences on what is to be known of an artifact: `notes.json` in its folder, where there is something to say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FILE = "notes.json"


def write_notes(folder: Path, notes: Iterable[str]) -> None:
    """Write the notes, each once. Without any no file is written."""
    if once := list(dict.fromkeys(notes)):
        (folder / FILE).write_text(json.dumps(once, indent=1))


def read_notes(folder: Path) -> tuple[str, ...]:
    """The notes of an artifact. A file that holds no list of sentences, as a plug-in may write it, says nothing."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ()
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def notes_of(artifact: Any) -> tuple[str, ...]:
    """The notes of an artifact that has not been stored yet: labels have them as a field, fits as a method."""
    found = getattr(artifact, "notes", ())
    found = found() if callable(found) else found
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, (list, tuple)) else ()
