"""The folder of a site: only what a site wrote there, and nobody changed since, is ever replaced or deleted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from outgrow.report import folder as folders
from outgrow.report.folder import LISTING, replace
from outgrow.types import UserError

FIRST = {"index.html": b"one", "data/a.csv": b"1", "old.html": b"old"}
SECOND = {"index.html": b"two", "data/b.csv": b"2"}


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != LISTING)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_former_site_is_replaced_and_files_of_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "site"
    replace(folder, FIRST)
    assert contents(folder) == FIRST
    (folder / "notes.txt").write_bytes(b"mine")
    replace(folder, SECOND)
    assert contents(folder) == SECOND | {"notes.txt": b"mine"}
    assert json.loads((folder / LISTING).read_text())["files"].keys() == SECOND.keys()


def test_a_folder_of_others_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    (tmp_path / "index.html").write_text("<!doctype html>mine")
    before = contents(tmp_path)
    with pytest.raises(UserError, match="is not empty and holds no site"):
        replace(tmp_path, FIRST)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("changed", ["index.html", "old.html", "data/a.csv"])
def test_a_file_that_was_changed_since_is_refused_before_anything_is_written(tmp_path: Path, changed: str) -> None:
    replace(tmp_path, FIRST)
    (tmp_path / changed).write_bytes(b"edited")
    before = contents(tmp_path)
    with pytest.raises(UserError, match="is not as outgrow wrote it: move it away"):
        replace(tmp_path, SECOND)
    assert contents(tmp_path) == before


def test_a_file_in_the_way_that_no_site_wrote_is_refused(tmp_path: Path) -> None:
    replace(tmp_path, FIRST)
    (tmp_path / "data" / "b.csv").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"b\.csv is not as outgrow wrote it"):
        replace(tmp_path, SECOND)


@pytest.mark.parametrize("path", ["../outside.txt", "/etc/hosts", "data/../../outside.txt", "", ".hidden", "a/b/c"])
def test_a_forged_listing_cannot_delete_elsewhere(tmp_path: Path, path: str) -> None:
    outside, site = tmp_path / "outside.txt", tmp_path / "site"
    outside.write_bytes(b"mine")
    site.mkdir()
    digest = "3f9f4f1f8d3b"
    (site / LISTING).write_text(json.dumps({"files": {path: [digest]}}))
    with pytest.raises(UserError, match="is no list of a site's files"):
        replace(site, FIRST)
    assert outside.read_bytes() == b"mine"


@pytest.mark.parametrize("text", ["", "[]", '{"files": 3}', '{"files": {"a": 1}}', "\x00"])
def test_a_damaged_listing_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / LISTING).write_text(text)
    with pytest.raises(UserError, match="is no list of a site's files"):
        replace(tmp_path, FIRST)


def test_links_are_not_followed(tmp_path: Path) -> None:
    other, site = tmp_path / "other", tmp_path / "site"
    other.mkdir()
    replace(site, {"index.html": b"one"})
    (site / "data").symlink_to(other)
    with pytest.raises(UserError, match="is a link to another place"):
        replace(site, FIRST)
    (site / "data").unlink()
    (site / "index.html").unlink()
    (site / "index.html").symlink_to(other / "file")
    with pytest.raises(UserError, match="is not as outgrow wrote it"):
        replace(site, FIRST)
    assert list(other.iterdir()) == []


@pytest.mark.parametrize("writes", range(4))
def test_a_replacement_that_was_killed_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    replace(tmp_path, FIRST)
    done = []
    real = folders.replace_file

    def dying(path: Path, data: bytes) -> None:
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(path)
        real(path, data)

    monkeypatch.setattr(folders, "replace_file", dying)
    with pytest.raises(KeyboardInterrupt):
        replace(tmp_path, SECOND)
    monkeypatch.undo()
    replace(tmp_path, SECOND)
    assert contents(tmp_path) == SECOND


def test_a_first_site_that_was_killed_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(path: Path, data: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(folders, "replace_file", dying)
    with pytest.raises(KeyboardInterrupt):
        replace(tmp_path / "site", FIRST)
    monkeypatch.undo()
    replace(tmp_path / "site", FIRST)
    assert contents(tmp_path / "site") == FIRST


def test_a_file_where_the_folder_would_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("x")
    with pytest.raises(UserError, match="there is a file: choose another name"):
        replace(tmp_path / "site", FIRST)
    with pytest.raises(UserError, match="cannot be written"):
        replace(tmp_path / "site" / "below", FIRST)


def test_equal_files_are_not_written_again(tmp_path: Path) -> None:
    replace(tmp_path, FIRST)
    before = (tmp_path / "index.html").stat().st_mtime_ns
    replace(tmp_path, FIRST)
    assert (tmp_path / "index.html").stat().st_mtime_ns == before
