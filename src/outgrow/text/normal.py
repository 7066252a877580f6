"""Which texts are the same: the normal form in which texts, groups, ids and classes are compared."""

from __future__ import annotations

import re
import unicodedata

# Format characters that are not seen: soft hyphen, zero-width blanks and joiners, direction marks, variation selectors.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def normal_form(text: str) -> str:
    """A text in NFC, without invisible characters, every run of blanks and line ends one blank, none at the ends.

    Case counts. Compatibility characters, such as superscripts, stay what they are: NFKC would make `x²` and `x2` one
    text.
    """
    return " ".join((text if text.isascii() else _composed(text)).split())


def caseless(text: str) -> str:
    """The normal form without case (canonical caseless matching in the Unicode standard, section 3.13)."""
    if text.isascii():
        return " ".join(text.lower().split())
    folded = _composed(text).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", _UNSEEN.sub("", text) if _UNSEEN.search(text) else text)


def readable(text: str) -> str:
    """A text as models read it: as published, but every line ends in a line feed."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def well_formed(text: str) -> str:
    """A text with U+FFFD for every lone surrogate, half of a character, which cannot be written as UTF-8."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)
