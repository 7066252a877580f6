"""Tables of text for tests, and where real ones lie."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[1]


def shared(name: str) -> Path:
    """A file of OUTGROW_DATA (conftest.py sets it where it can); the test is skipped where it is absent."""
    folder = Path(os.environ.get("OUTGROW_DATA", "nowhere"))
    if not folder.is_dir():
        pytest.skip("no real data: set OUTGROW_DATA")
    if not (folder / name).is_file():
        pytest.skip(f"{folder / name} is not there: set OUTGROW_DATA")
    return folder / name


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def reviews(count: int) -> list[dict[str, Any]]:
    """Made-up reviews without near-duplicates: no two share a word triple."""
    return [
        {
            "title": f"film{i}",
            "body": f"word{i} term{i} thing{i} item{i}",
            "sentiment": "good" if i % 3 else "bad",
            "author": f"author {i // 2}",
        }
        for i in range(count)
    ]
