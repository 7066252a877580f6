"""Sentences on what is to be known of an artifact: `notes.json` in its folder, where there is something to say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

FILE = "notes.json"


def write_notes(folder: Path, notes: Iterable[str]) -> None:
    """Write the notes, each once. Without any no file is written."""
    if once := list(dict.fromkeys(notes)):
        (folder / FILE).write_text(json.dumps(once, indent=1))


def read_notes(folder: Path) -> tuple[str, ...]:
    file = folder / FILE
    return tuple(json.loads(file.read_text())) if file.is_file() else ()
