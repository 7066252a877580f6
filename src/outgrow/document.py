"""A TOML file as people wrote it: which line says what, and what `--set` puts in its place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from outgrow.plugins import nearest
from outgrow.types import UserError

Where = tuple[str | int, ...]  # a place in a document: ("methods", 0, "loss", "weight")

_KEY = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_PART = r""""[^"]*"|'[^']*'|[^."']+"""  # of a --set: it may hold a slash without quotes
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEYS})\s*\]\]?")
_PAIR = re.compile(rf"\s*({_KEYS})\s*=")
_NAMED = ("task", "loss", "fit")  # where a bare name stands for the table { name = ... }


class WrongError(Exception):
    """Something is wrong at `where`; `word` is the text to look for there."""

    def __init__(self, where: Where, text: str, word: str = "") -> None:
        super().__init__(text)
        self.where, self.text, self.word = where, text, word


@dataclass(frozen=True)
class Document:
    """`folder` is what relative paths in it are relative to; `sets` maps places that `--set` changed to its words."""

    table: dict[str, Any]
    folder: Path = Path()
    path: Path | None = None
    text: str = ""
    sets: dict[Where, str] = field(default_factory=dict)

    def error(self, wrong: WrongError) -> UserError:
        """The same as one line for the user, with the file and the line where it stands."""
        for where, said in self.sets.items():
            if wrong.where[: len(where)] == where:
                return UserError(f"--set {said}: {wrong.text}")
        line = line_of(self.text, wrong.where, wrong.word)
        place = ", ".join(filter(None, [str(self.path or ""), f"line {line}" if line else ""]))
        return UserError(f"{place}: {wrong.text}" if place else wrong.text)


def load(path: Path) -> Document:
    """Read a TOML file. Raises UserError if it is missing, empty, or not TOML."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        others = [str(other) for other in path.parent.glob("*.toml")]
        raise UserError(f"no file called {str(path)!r}.{nearest(str(path), others)}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"{path} cannot be read: {reason}") from None
    if not text.strip():
        raise UserError(f"{path} is empty: it needs at least task, weak and strong")
    try:
        return Document(tomllib.loads(text), path.parent, path, text)
    except tomllib.TOMLDecodeError as error:
        what, _, at = str(error).rpartition(" (at ")
        line = re.search(r"line (\d+)", at)
        place = f", line {line[1]}" if line else ""
        raise UserError(f"{path}{place}: this is not TOML: {what[:1].lower()}{what[1:]}") from None


def changed(document: Document, sets: Sequence[str]) -> Document:
    """The document with every `field=value` of `sets` put in its place. The document given stays as it was."""
    table, places = _copy(document.table), dict(document.sets)
    for said in sets:
        name, equals, value = said.partition("=")
        where: Where = tuple(int(p) if p.isdigit() else p.strip("\"'") for p in re.findall(_PART, name))
        if not equals or not where:
            raise UserError(f"--set {said}: write it as field=value, such as sizes.test=500")
        try:
            _assign(table, where, _parsed(value.strip()))
        except WrongError as wrong:
            raise UserError(f"--set {said}: {wrong.text}") from None
        places[where] = said
    return replace(document, table=table, sets=places)


def _parsed(text: str) -> Any:
    """A TOML value; a bare word stands for itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if not text or text[0] in "[{\"'":
            raise WrongError(
                (), f"{text!r} is not a TOML value, such as 500, [0, 1], confidence or {{ name = ... }}"
            ) from None
        return text


def _assign(table: dict[str, Any], where: Where, value: Any) -> None:
    holder: Any = table
    for depth, part in enumerate(where):
        last = depth == len(where) - 1
        if isinstance(holder, list):
            if not isinstance(part, int) or part >= len(holder):
                size = f"has {len(holder)} entries, counted from 0"
                raise WrongError(where, f"{say(where[:depth])} {size}, so there is no {part}")
        elif isinstance(holder, dict):
            part = str(part)
        else:
            raise WrongError(where, f"{say(where[:depth])} is {holder!r}, which has no field {part!r}: set it whole")
        if last:
            holder[part] = value
            return
        inner = holder.setdefault(part, {}) if isinstance(holder, dict) else holder[part]
        if isinstance(inner, str) and (part in _NAMED or where[:depth] == ("task",)):
            inner = holder[part] = {"name": inner}
        holder = inner


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(each) for key, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list | tuple) else value


def say(where: Where) -> str:
    """`methods[0].loss.weight`"""
    parts = (f"[{p}]" if isinstance(p, int) else f".{p}" if re.fullmatch(r"[\w-]+", p) else f'."{p}"' for p in where)
    return "".join(parts).removeprefix(".")


def line_of(text: str, where: Where, word: str = "") -> int | None:
    """The line (from 1) of a TOML text that says what stands at `where`, or else what holds that."""
    lines = text.splitlines()
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
