"""Replaces a site in its folder: only files that an earlier site wrote there and that are still as it wrote them.

`outgrow-site.json` lists the files of a site with their digests. It is written before the first of them and again after
the last, with the digests of both sites in between, so that a killed replacement can be repeated.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from outgrow.report.page import replace_file
from outgrow.types import UserError

LISTING = "outgrow-site.json"
OWN = re.compile(r"(?:data/)?[a-z0-9][a-z0-9._-]*")  # paths that a site may have


def replace(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `files`, by their paths in `folder`, and delete those that an earlier site has and this one has not.

    Raises UserError, before anything is written, for a folder that is not empty and no site, and for files in the way
    that are not as a site wrote them; also where the folder cannot be written to.
    """
    try:
        known = former(folder)
        _refuse_foreign(folder, known, files)
        folder.mkdir(parents=True, exist_ok=True)
        now = {path: [_digest(data)] for path, data in files.items()}
        between = {path: [*known.get(path, []), *now.get(path, [])] for path in sorted({*known, *now})}
        _list(folder, between)
        (folder / "data").mkdir(exist_ok=True)
        for path, data in files.items():
            target = folder / path
            if not target.is_file() or target.read_bytes() != data:
                replace_file(target, data)
        for path in sorted(known.keys() - files.keys()):
            (folder / path).unlink(missing_ok=True)
        _list(folder, now)
        with suppress(OSError):  # it may hold files of the user
            (folder / "data").rmdir()
    except OSError as error:
        raise UserError(f"the site {folder} cannot be written ({error.strerror}): choose another folder") from None


def former(folder: Path) -> dict[str, list[str]]:
    """The files of the site in a folder with their digests; {} for a folder that is empty or not there.

    Raises UserError for anything else.
    """
    if not folder.is_dir():
        if folder.exists() or folder.is_symlink():
            raise UserError(f"the site {folder} would be a folder, and there is a file: choose another name")
        return {}
    listing = folder / LISTING
    if not any(folder.iterdir()):
        return {}
    if not listing.is_file():
        raise UserError(f"the folder {folder} is not empty and holds no site of outgrow: choose another folder")
    try:
        found = json.loads(listing.read_text(encoding="utf-8"))["files"]
        known = {str(path): list(map(str, digests)) for path, digests in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        known = {"": []}
    if not all(map(OWN.fullmatch, known)):
        raise UserError(f"{listing} is no list of a site's files: choose another folder")
    return known


def _refuse_foreign(folder: Path, known: Mapping[str, list[str]], files: Mapping[str, bytes]) -> None:
    """Raise UserError where a file that would be replaced or deleted is not as an earlier site wrote it."""
    if (folder / "data").is_symlink():
        raise UserError(f"{folder / 'data'} is a link to another place: choose another folder")
    for path in sorted({*known, *files}):
        target = folder / path
        if not (target.exists() or target.is_symlink()):
            continue
        as_written = (
            target.is_file() and not target.is_symlink() and _digest(target.read_bytes()) in known.get(path, ())
        )
        if not as_written:
            raise UserError(f"{target} is not as outgrow wrote it: move it away, or choose another folder")


def _list(folder: Path, digests: Mapping[str, list[str]]) -> None:
    data = json.dumps({"written by": "outgrow", "files": digests}, indent=1, sort_keys=True) + "\n"
    replace_file(folder / LISTING, data.encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
