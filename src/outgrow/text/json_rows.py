"""Reads rows from JSON: a list of objects, or one object on each line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from outgrow.text import opening
from outgrow.text.normal import well_formed
from outgrow.types import UserError

Numbered = Iterator[tuple[int, dict[str, Any]]]


def json_lines(path: Path, stream: BinaryIO) -> Numbered:
    """The rows of a file with one object on each line. Blank lines count for row numbers, but are not rows."""
    yield from _each(path, opening.lines(path, stream))


def json_document(path: Path, stream: BinaryIO) -> Numbered:
    """The rows of a list of objects; or of one object on each line, as in many published `.json` files.

    Raises UserError for text that is not JSON, and for JSON of another form.
    """
    text = opening.document(path, stream)
    if not text.strip():
        return
    try:
        records = _value(text, opening.MOST_CELLS - _count(text))
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.lstrip().startswith("{"):
            yield from _each(path, enumerate(text.split("\n"), start=1))
            return
        raise UserError(f"{path}, line {error.lineno}: this is not JSON ({error.msg})") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    if not isinstance(records, list):
        raise UserError(f"{path} holds one {type(records).__name__}: it needs a list of objects, one a row")
    for number, record in enumerate(records, start=1):
        yield number, _record(path, number, record)


def _each(path: Path, lines: Iterator[tuple[int, str]]) -> Numbered:
    remaining = opening.MOST_CELLS
    for number, line in lines:
        if line.isspace() or not line:
            continue
        remaining -= _count(line)
        try:
            value = _value(line, remaining)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}, row {number}: this is not JSON ({error.msg})") from None
        except ValueError as error:
            raise UserError(f"{path}, row {number}: {error}") from None
        yield number, _record(path, number, value)


def _record(path: Path, number: int, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{path}, row {number}: this is not an object with column names")
    return value


def _value(text: str, remaining: int) -> Any:
    """The decoded value of a JSON text. Lone surrogates, which JSON can express as escapes, become U+FFFD.

    remaining: how many more values fit into the limit. Raises ValueError, with a message for users, for invalid JSON,
    deep nesting, very long numbers, duplicate keys, and more values than the limit.
    """
    if remaining < 0:
        raise ValueError(f"more than {opening.MOST_CELLS:,} values: split the file")
    try:
        value = json.loads(text)
        if _may_double(text, value):
            value = _DECODER.decode(text)
        return _well_formed(value) if "\\ud" in text or "\\uD" in text else value
    except RecursionError:
        raise ValueError("this is nested too deep: keep to fewer than 500 levels") from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        if "integer string conversion" in str(error):
            raise ValueError("a number has more than 4,300 digits: write it as text") from None
        raise


def _count(text: str) -> int:
    """An upper bound of the number of values in a JSON text."""
    return 1 + text.count(",") + text.count("[") + text.count("{")


def _may_double(text: str, value: Any) -> bool:
    """Whether a JSON text may name a key twice: it has more colons after quotes than its value has keys, or blanks
    between them. Looking is faster than decoding with a hook for every object."""
    return text.count('":') != _keys(value) or _SPACED.search(text) is not None


def _keys(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(_keys(each) for each in value.values() if not isinstance(each, str))
    return sum(map(_keys, value)) if isinstance(value, list) else 0


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dictionary of the pairs. Raises ValueError for duplicate keys."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        duplicate = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object names {duplicate!r} twice: keep one")
    return fields


_SPACED = re.compile(r'"\s+:')
_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _well_formed(value: Any) -> Any:
    """A value with U+FFFD in place of lone surrogates, also in keys."""
    match value:
        case str():
            return well_formed(value)
        case list():
            return [_well_formed(item) for item in value]
        case dict():
            return _object([(well_formed(name), _well_formed(item)) for name, item in value.items()])
    return value
