"""What `--set` and `--seeds` change in a document."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from outgrow.config.document import SHOWN, Document, Where, WrongError, copied, refuse_odd, say, shown
from outgrow.config.seeds import Seeds, seeds_from
from outgrow.types import UserError

# A part of a place: [0], "quoted" or plain, which may hold a slash. A dot stands before all but the first and indices.
_PART = re.compile(
    r"""\s*(?:\[\s*(?P<index>\d{1,9})\s*\]
      |(?P<dot>\.?)\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|'(?P<literal>[^']*)'|(?P<plain>[^.\[\]"'=\s][^.\[\]"'=]*)))\s*""",
    re.VERBOSE | re.ASCII,
)
_NAMED = ("task", "loss", "fit", "labels")  # where a bare name stands for the table { name = ... }


@dataclass(frozen=True)
class Change:
    """`value` goes to `where`; `text` is what was typed for it; `option` is how the user wrote it all."""

    option: str
    where: Where
    text: str
    value: Any


def assignment(said: str) -> Change:
    """`sizes.test=500`, `methods[0].loss.weight=0.5`, `recipes."ladder/pawn".epochs=3`. Raises UserError."""
    option, position = f"--set {_cut(said)}", 0
    where: list[str | int] = []
    while position < len(said) and said[position] != "=":
        match = _PART.match(said, position)
        if not match or (match["index"] is None and bool(match["dot"]) != bool(where)):
            raise UserError(
                f"{option}: {shown(said.partition('=')[0])} is no place: write it as methods[0].loss.weight=0.5"
            )
        where.append(_part(match))
        position = match.end()
    if not where or position == len(said):
        raise UserError(f"{option}: write it as field=value, such as sizes.test=500")
    text = said[position + 1 :].strip()
    return Change(option, tuple(where), text, _parsed(text))


def seeds(given: Seeds) -> Change:
    """The seeds that are given beside a file, as `config.seeds` reads them. Raises UserError."""
    found = seeds_from(given)
    text = given if isinstance(given, str) else repr(found)
    return Change(f"--seeds {_cut(text)}", ("seeds",), text, list(found))


def changed(document: Document, changes: Sequence[Change]) -> Document:
    """The document with every change made. The one given stays as it was. Raises UserError that names the option."""
    table, typed = copied(document.table), dict(document.typed)
    for change in changes:
        where = change.where
        try:
            where = _assign(table, where, copied(change.value))
            refuse_odd(table)
        except WrongError as wrong:
            raise UserError(f"{change.option}: {wrong.text}") from None
        typed = {place: text for place, text in typed.items() if place[: len(where)] != where}
        typed[where] = change.text
    return replace(document, table=table, typed=typed)


def as_text(typed: str) -> str:
    """What was typed for a field that wants text: the text of a TOML string, and everything else as it stands."""
    value = _parsed(typed)
    return value if isinstance(value, str) else typed


def _cut(said: str) -> str:
    return said if len(said) <= SHOWN else f"{said[: SHOWN - 3]}..."


def _part(match: re.Match[str]) -> str | int:
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
    """A TOML value; what is none stands for itself."""
    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return found["value"] if found.keys() == {"value"} else text


def _assign(table: dict[str, Any], where: Where, value: Any) -> Where:
    """Put `value` there and give the place as the document has it: a list's parts by number, a table's by name."""
    holder: Any = table
    there: list[str | int] = []
    for depth, part in enumerate(where):
        if isinstance(holder, list):
            if not isinstance(part, int) or part >= len(holder):
                size = f"has {len(holder)} entries, counted from 0"
                raise WrongError(where, f"{say(tuple(there))} {size}, so there is no {part}")
        elif isinstance(holder, dict):
            part = str(part)
        else:
            text = f"{say(tuple(there))} is {shown(holder)}, which has no field {part!r}: set it whole"
            raise WrongError(where, text)
        there.append(part)
        if depth == len(where) - 1:
            holder[part] = value
            break
        inner = holder.setdefault(part, {}) if isinstance(holder, dict) else holder[part]
        if isinstance(inner, str) and [name for name in there if isinstance(name, str)][-1] in _NAMED:
            inner = holder[part] = {"name": inner}
        holder = inner
    return tuple(there)
