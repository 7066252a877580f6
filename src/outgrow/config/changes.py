"""Applies `--set`, `--seeds` and `--analyses` to a document."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from outgrow.config.document import SHOWN, Document, Where, WrongError, copied, describe_place, refuse_odd, shown
from outgrow.config.seeds import Seeds, seeds_from
from outgrow.types import UserError

# A part of a key path: [0], "quoted", or plain, which may contain a slash. All but the first and indices follow a dot.
_PART = re.compile(
    r"""\s*(?:\[\s*(?P<index>\d{1,9})\s*\]
      |(?P<dot>\.?)\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|'(?P<literal>[^']*)'|(?P<plain>[^.\[\]"'=\s][^.\[\]"'=]*)))\s*""",
    re.VERBOSE | re.ASCII,
)
_NAMED = (
    "task",
    "loss",
    "fit",
    "rules",
    "analyses",
    "trackers",
)  # fields in which a plain name is short for the table { name = ... }


@dataclass(frozen=True)
class Change:
    """Sets the field `where` to `value`. text: the value as typed. option: the whole option as typed. adds: whether
    `value` is a list of names that are added to those that the field has."""

    option: str
    where: Where
    text: str
    value: Any
    adds: bool = False


def changes_from(overrides: Sequence[str], given: Seeds | None, names: Sequence[str]) -> list[Change]:
    """The changes that `--set`, `--seeds` and `--analyses` make, in this order. Raises UserError."""
    found = [assignment(argument) for argument in overrides]
    found += [] if given is None else [seeds(given)]
    return found + ([analyses(names)] if names else [])


def assignment(argument: str) -> Change:
    """Parses the argument of `--set`.

    Examples: `sizes.test=500`, `methods[0].loss.weight=0.5`, `recipes."ladder/pawn".epochs=3`. Raises UserError for
    anything that is not `field=value`.
    """
    option, position = f"--set {_cut(argument)}", 0
    where: list[str | int] = []
    while position < len(argument) and argument[position] != "=":
        match = _PART.match(argument, position)
        if not match or (match["index"] is None and bool(match["dot"]) != bool(where)):
            raise UserError(
                f"{option}: {shown(argument.partition('=')[0])} is not a field: write it as methods[0].loss.weight=0.5"
            )
        where.append(_part(match))
        position = match.end()
    if not where or position == len(argument):
        raise UserError(f"{option}: write it as field=value, such as sizes.test=500")
    text = argument[position + 1 :].strip()
    return Change(option, tuple(where), text, _parsed(text))


def seeds(given: Seeds) -> Change:
    """The change that `--seeds` makes. given: as in `seeds_from`, which raises UserError."""
    parsed = seeds_from(given)
    text = given if isinstance(given, str) else repr(parsed)
    return Change(f"--seeds {_cut(text)}", ("seeds",), text, list(parsed))


def analyses(names: Sequence[str]) -> Change:
    """The change that `--analyses` makes. Raises UserError for names that are not text."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise UserError(f'analyses is {shown(names)} but should be a list of names, such as ["imitation"]')
    text = ",".join(names)
    return Change(f"--analyses {_cut(text)}", ("analyses",), text, list(names), adds=True)


def changed(document: Document, changes: Sequence[Change]) -> Document:
    """A copy of the document with all changes applied. Raises UserError that names the option."""
    table, typed = copied(document.table), dict(document.typed)
    for change in changes:
        where = change.where
        try:
            value = _added(table, where, change.value) if change.adds else change.value
            where = _assign(table, where, copied(value))
            refuse_odd(table)
        except WrongError as wrong:
            raise UserError(f"{change.option}: {wrong.text}") from None
        typed = {place: text for place, text in typed.items() if place[: len(where)] != where}
        typed[where] = change.text
    return replace(document, table=table, typed=typed)


def as_text(typed: str) -> str:
    """The value of a text field: the content of a TOML string, and everything else unchanged."""
    value = _parsed(typed)
    return value if isinstance(value, str) else typed


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _part(match: re.Match[str]) -> str | int:
    """A part of a key path: a name, or an index."""
    if match["index"] is not None:
        return int(match["index"])
    if match["quoted"] is not None:
        quoted = _parsed(f'"{match["quoted"]}"')
        return quoted if isinstance(quoted, str) else match["quoted"]
    if match["literal"] is not None:
        return match["literal"]
    plain = match["plain"].strip()
    return int(plain) if re.fullmatch(r"[0-9]{1,9}", plain) else plain


def _parsed(text: str) -> Any:
    """A TOML value; text that is not TOML stands for itself."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if table.keys() == {"value"} else text


def _added(table: dict[str, Any], where: Where, names: list[str]) -> list[Any]:
    """The list that a field of the document has, and those of the names that it lacks."""
    given = table.get(str(where[0]), [])
    listed = given if isinstance(given, list) else [given]
    known = [each.get("name") if isinstance(each, dict) else each for each in listed]
    return [*listed, *(name for name in dict.fromkeys(names) if name not in known)]


def _assign(table: dict[str, Any], where: Where, value: Any) -> Where:
    """Sets the field and returns its key path in the document: list entries by number, table entries by name.

    Raises WrongError for an index that a list does not have, and for a field of a plain value.
    """
    container: Any = table
    path: list[str | int] = []
    for depth, part in enumerate(where):
        if isinstance(container, list):
            if not isinstance(part, int) or part >= len(container):
                size = f"has {len(container)} entries, counted from 0"
                raise WrongError(where, f"{describe_place(tuple(path))} {size}, so there is no {part}")
        elif isinstance(container, dict):
            part = str(part)
        else:
            text = f"{describe_place(tuple(path))} is {shown(container)}, which has no field {part!r}: set it whole"
            raise WrongError(where, text)
        path.append(part)
        if depth == len(where) - 1:
            container[part] = value
            break
        inner = container.setdefault(part, {}) if isinstance(container, dict) else container[part]
        if isinstance(inner, str) and [name for name in path if isinstance(name, str)][-1] in _NAMED:
            inner = container[part] = {"name": inner}
        container = inner
    return tuple(path)
