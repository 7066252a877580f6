"""TOML documents: loading, and the line number of each field for error messages."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outgrow.plugins import nearest
from outgrow.types import UserError

Where = tuple[str | int, ...]  # a key path in a document: ("methods", 0, "loss", "weight")

LARGEST = 1_000_000  # bytes of a TOML file
DEEPEST = 50  # levels of nested tables and lists
SHOWN = 80  # characters of a value that a message quotes

_KEY = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEYS})\s*\]\]?")
_PAIR = re.compile(rf"\s*({_KEYS})\s*=")


class WrongError(Exception):
    """An error at the key path `where`. word: text to search for if the value spans several lines of the file."""

    def __init__(self, where: Where, text: str, word: str = "") -> None:
        super().__init__(where, text, word)
        self.where, self.text, self.word = where, text, word

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Document:
    """A document and its origin.

    folder: the base of relative paths. path, text: of the file, if it comes from one. typed: for key paths that options
    have set, the value as typed.
    """

    table: dict[str, Any]
    folder: Path = Path()
    path: Path | None = None
    text: str = ""
    typed: Mapping[Where, str] = field(default_factory=dict)

    def error(self, wrong: WrongError) -> UserError:
        """The error as a UserError with file and line number."""
        line = line_of(self.text, wrong.where, wrong.word)
        place = ", ".join(filter(None, [str(self.path or ""), f"line {line}" if line else ""]))
        return UserError(f"{place}: {wrong.text}" if place else wrong.text)


def load(path: Path) -> Document:
    """Reads a TOML file. Raises UserError if it is missing, not a regular file, too large, empty, or not TOML."""
    text = _text(path)
    if not text.strip():
        raise UserError(f"{path} is empty: it needs at least task, weak and strong")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, _, at = str(error).rpartition(" (at ")
        line = re.search(r"line (\d+)", at)
        place = f", line {line[1]}" if line else ""
        raise UserError(f"{path}{place}: this is not TOML: {what[:1].lower()}{what[1:]}") from None
    except RecursionError:
        raise UserError(f"{path}: tables and lists are nested more than {DEEPEST} deep: write it flatter") from None
    except ValueError:  # from int(): a number with thousands of digits
        raise UserError(f"{path}: a number has too many digits to be read: write a smaller one") from None
    try:
        refuse_odd(table)
    except WrongError as wrong:
        raise UserError(f"{path}: {wrong.text}") from None
    return Document(table, path.parent, path, text)


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "not a regular file"
            raise UserError(f"{path} cannot be read: it is {kind}, give a TOML file")
        if (size := path.stat().st_size) > LARGEST:
            raise UserError(f"{path} cannot be read: it has {size:,} bytes, more than any experiment: give a TOML file")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        others = [str(other) for other in path.parent.glob("*.toml")]
        raise UserError(f"no file called {str(path)!r}.{nearest(str(path), others)}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} cannot be read: it is not UTF-8 text") from None
    except ValueError as error:  # a path with a null byte
        raise UserError(f"{path} cannot be read: {error}") from None


def refuse_odd(table: Mapping[Any, Any]) -> None:
    """Raises WrongError for deep nesting, keys that are not strings, and strings that are not valid Unicode."""
    todo: list[tuple[Any, int]] = [(table, 0)]
    while todo:
        value, depth = todo.pop()
        if depth > DEEPEST:
            raise WrongError((), f"tables and lists are nested more than {DEEPEST} deep: write it flatter")
        if isinstance(value, Mapping):
            if odd := [key for key in value if not isinstance(key, str)]:
                raise WrongError((), f"the key {odd[0]!r} is not text: write keys as strings")
            todo += [(item, depth + 1) for pair in value.items() for item in pair]
        elif isinstance(value, list | tuple):
            todo += [(item, depth + 1) for item in value]
        elif isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise WrongError((), f"{shown(value)} is not Unicode text: write it again")


def copied(value: Any) -> Any:
    """A deep copy of a table, with tuples converted to lists."""
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list | tuple) else value


def shown(value: Any) -> str:
    """The repr of a value for a message, truncated to `SHOWN` characters."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def describe_place(where: Where) -> str:
    """A key path as `--set` takes it: `methods[0].loss.weight`, `recipes."ladder/pawn"`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{key(part)}" for part in where).removeprefix(".")


def key(name: str) -> str:
    """A key as TOML writes it: bare, or quoted."""
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else quoted(name)


def quoted(text: str) -> str:
    """A text as a TOML string."""
    escaped = json.dumps(text, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in escaped)


def line_of(text: str, where: Where, word: str = "") -> int | None:
    """The line number (from 1) of the field at `where`, or else of the closest table around it; None if neither."""
    lines = text.split("\n")
    header: Where = ()
    arrays: dict[Where, int] = {}
    best, best_line = 0, None
    for number, line in enumerate(lines, 1):
        if match := _HEADER.match(line):
            header = _indexed(_split(match[2]), arrays, new=match[1] == "[[")
            path = header
        elif match := _PAIR.match(line):
            path = header + _split(match[1])
        else:
            continue
        shared = len(path) if where[: len(path)] == path else len(where) if path[: len(where)] == where else 0
        if shared > best:
            best, best_line = shared, number
    if best_line and word:
        for number in range(best_line, len(lines) + 1):  # a value may span several lines
            if word in lines[number - 1]:
                return number
            if number > best_line and (_HEADER.match(lines[number - 1]) or _PAIR.match(lines[number - 1])):
                break
    return best_line


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(key.strip("\"'") for key in re.findall(_KEY, dotted))


def _indexed(keys: tuple[str, ...], arrays: dict[Where, int], new: bool) -> Where:
    """The key path of a table header: `[methods.loss]` belongs to the last `[[methods]]` so far."""
    path: Where = ()
    for depth, key in enumerate(keys):
        path = (*path, key)
        if new and depth == len(keys) - 1:
            arrays[path] = arrays.get(path, -1) + 1
        if path in arrays:
            path = (*path, arrays[path])
    return path
