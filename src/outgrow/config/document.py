"""A TOML file as it was written: its table, and which line says what."""

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

Where = tuple[str | int, ...]  # a place in a document: ("methods", 0, "loss", "weight")

LARGEST = 1_000_000  # bytes of a TOML file
DEEPEST = 50  # tables and lists within each other
SHOWN = 80  # characters of a value in a message

_KEY = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEYS})\s*\]\]?")
_PAIR = re.compile(rf"\s*({_KEYS})\s*=")


class WrongError(Exception):
    """Something is wrong at `where`; `word` is the text to look for there."""

    def __init__(self, where: Where, text: str, word: str = "") -> None:
        super().__init__(where, text, word)
        self.where, self.text, self.word = where, text, word

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Document:
    """`folder` is what relative paths in it are relative to. `typed` maps the places that options have set to the
    text that was typed for them."""

    table: dict[str, Any]
    folder: Path = Path()
    path: Path | None = None
    text: str = ""
    typed: Mapping[Where, str] = field(default_factory=dict)

    def error(self, wrong: WrongError) -> UserError:
        """The same as one line for the user, with the file and the line where it stands."""
        line = line_of(self.text, wrong.where, wrong.word)
        place = ", ".join(filter(None, [str(self.path or ""), f"line {line}" if line else ""]))
        return UserError(f"{place}: {wrong.text}" if place else wrong.text)


def load(path: Path) -> Document:
    """Read a TOML file. Raises UserError if it is missing, no ordinary file, too large, empty, or not TOML."""
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
    except ValueError:  # of int(): a number of thousands of digits
        raise UserError(f"{path}: a number has too many digits to be read: write a smaller one") from None
    try:
        refuse_odd(table)
    except WrongError as wrong:
        raise UserError(f"{path}: {wrong.text}") from None
    return Document(table, path.parent, path, text)


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "no ordinary file"
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
    """Raise WrongError for what no TOML file of an experiment holds: deep nesting, keys and text that are no text."""
    todo: list[tuple[Any, int]] = [(table, 0)]
    while todo:
        value, depth = todo.pop()
        if depth > DEEPEST:
            raise WrongError((), f"tables and lists are nested more than {DEEPEST} deep: write it flatter")
        if isinstance(value, Mapping):
            if odd := [key for key in value if not isinstance(key, str)]:
                raise WrongError((), f"the key {odd[0]!r} is no text: write keys as strings")
            todo += [(each, depth + 1) for pair in value.items() for each in pair]
        elif isinstance(value, list | tuple):
            todo += [(each, depth + 1) for each in value]
        elif isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise WrongError((), f"{shown(value)} is not Unicode text: write it again")


def copied(value: Any) -> Any:
    """A copy of a table, with lists for tuples."""
    if isinstance(value, Mapping):
        return {key: copied(each) for key, each in value.items()}
    return [copied(each) for each in value] if isinstance(value, list | tuple) else value


def shown(value: Any) -> str:
    """A value as a message gives it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def say(where: Where) -> str:
    """`methods[0].loss.weight`, `recipes."ladder/pawn"`: as `--set` takes it."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in where).removeprefix(".")


def _key(name: str) -> str:
    if re.fullmatch(r"[\w-]+", name, re.ASCII):
        return name
    quoted = json.dumps(name, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in quoted)


def line_of(text: str, where: Where, word: str = "") -> int | None:
    """The line (from 1) of a TOML text that says what stands at `where`, or else what holds that."""
    lines = text.split("\n")
    header: Where = ()
    arrays: dict[Where, int] = {}
    best, found = 0, None
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
            best, found = shared, number
    if found and word:
        for number in range(found, len(lines) + 1):  # a value may go over several lines
            if word in lines[number - 1]:
                return number
            if number > found and (_HEADER.match(lines[number - 1]) or _PAIR.match(lines[number - 1])):
                break
    return found


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(key.strip("\"'") for key in re.findall(_KEY, dotted))


def _indexed(keys: tuple[str, ...], arrays: dict[Where, int], new: bool) -> Where:
    """A header's place: `[methods.loss]` belongs to the last of the methods so far."""
    place: Where = ()
    for depth, key in enumerate(keys):
        place = (*place, key)
        if new and depth == len(keys) - 1:
            arrays[place] = arrays.get(place, -1) + 1
        if place in arrays:
            place = (*place, arrays[place])
    return place
