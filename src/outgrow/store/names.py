"""Valid names of artifacts and their files: names that denote one file, inside its folder, on every file system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

KEY = re.compile(r"\w{1,200}-[0-9a-f]{12}")
PREFIX = re.compile(r"[0-9a-f]{32}")
LONGEST, LONGEST_PART = 800, 255  # bytes of a name and of one part of it, within the limits of S3 and file systems


def is_key(name: str) -> bool:
    """Whether `name` is the key of an artifact, such as `fit-3f9ac01b2d4e`."""
    return KEY.fullmatch(name) is not None


def fault(names: Collection[str]) -> str:
    """Why these names cannot be used for the files of one artifact; "" if they can.

    Names must be relative, with forward slashes. Two names must not differ only in case or Unicode form, since some
    file systems treat them as one file, and a name cannot be both a file and a folder.
    """
    folded = {_folded(name): name for name in names}
    for name in names:
        if not _is_plain(name):
            return f"{_shown(name)} is not a name of a file inside it"
        if (other := folded[_folded(name)]) != name:
            return f"{_shown(name)} and {_shown(other)} are one file on some systems"
        parts = _folded(name).split("/")
        if any("/".join(parts[:i]) in folded for i in range(1, len(parts))):
            return f"{_shown(name)} lies below another file"
    return ""


def _is_plain(name: str) -> bool:
    try:
        sizes = [len(part.encode()) for part in name.split("/")]
    except UnicodeEncodeError:  # a lone surrogate
        return False
    inside = all(part not in ("", ".", "..") for part in name.split("/"))
    printable = not any(char in '\\:"<>|?*' or unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in name)
    return inside and printable and max(sizes) <= LONGEST_PART and sum(sizes) + len(sizes) <= LONGEST


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 80 else f"{name[:77]}...")
