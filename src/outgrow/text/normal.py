"""Text normalisation: the normal form in which texts, groups, ids and classes are compared."""

from __future__ import annotations

import re
import unicodedata

# Invisible format characters: soft hyphen, zero-width spaces and joiners, direction marks, variation selectors.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0100-\U000e01ef]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def normal_form(text: str) -> str:
    """A text in NFC, without invisible characters, with whitespace collapsed to single spaces and stripped.

    It is case-sensitive. Compatibility characters such as superscripts are kept: with NFKC, `x²` and `x2` would be
    equal.
    """
    return " ".join((text if text.isascii() else _composed(text)).split())


def caseless(text: str) -> str:
    """The case-folded normal form (canonical caseless matching, Unicode standard, section 3.13)."""
    if text.isascii():
        return " ".join(text.lower().split())
    folded = _composed(text).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


def _composed(text: str) -> str:
    """A text in NFC without invisible characters."""
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", text) if _INVISIBLE.search(text) else text)


def readable(text: str) -> str:
    """A text as models read it: unchanged, except that all line ends are line feeds."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def well_formed(text: str) -> str:
    """A text with U+FFFD in place of lone surrogates, which cannot be encoded as UTF-8."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)
