"""Digests are of what a file holds now, not of what it held when it was first read."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from outgrow import content
from outgrow.content import digest_of
from outgrow.types import UserError


def test_a_digest_follows_its_file(tmp_path: Path) -> None:
    path, old = tmp_path / "a", time.time() - 60
    digests = []
    for text in ("one", "two", "one"):
        path.write_text(text)
        os.utime(path, (old, old))  # of one size and one time
        digests.append(digest_of(path))
    assert digests[0] == digests[2] != digests[1]


def test_a_file_that_stays_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    monkeypatch.setattr(content, "_SETTLED", -1.0)  # as if it had been there for long
    first = digest_of(path)
    monkeypatch.setattr(content.hashlib, "file_digest", None)
    assert digest_of(path) == first


def test_a_file_that_has_just_changed_is_read_again(tmp_path: Path) -> None:
    """Clocks of file systems are coarse: two writes may bear one time."""
    path = tmp_path / "a"
    path.write_text("one")
    digest_of(path)
    assert not [key for key in content._digests if key[0] == path]


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data.csv").symlink_to("/proc/self/mem")
    if not (tmp_path / "data.csv").is_file():
        pytest.skip("there is no /proc here")
    for path in (tmp_path / "data.csv", tmp_path):
        with pytest.raises(UserError, match=r"data\.csv cannot be read: Input/output error"):
            digest_of(path)
