"""Writes an experiment's table as TOML, as it was after every change that options made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from outgrow.config import changes
from outgrow.config.changes import changed
from outgrow.config.document import Document, copied, key, load, quoted
from outgrow.config.seeds import Seeds


def as_toml(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    seeds: Seeds | None = None,
    analyses: Sequence[str] = (),
) -> str:
    """The TOML of an experiment: the text of a file that nothing changes, else its table with the changes.

    Arguments as in `outgrow.config.read` and `experiment_from`, which refuse what is wrong.
    """
    document = Document(copied(source)) if isinstance(source, Mapping) else load(Path(source))
    to_apply = changes.changes_from(overrides, seeds, analyses)
    if document.text and not to_apply:
        return document.text
    return written(changed(document, to_apply).table)


def written(table: Mapping[str, Any]) -> str:
    """A table as TOML, a line for each key and for each table of a list. Fields without a value (None) are left out."""
    lines = (f"{key(name)} = {_top(value)}" for name, value in table.items() if value is not None)
    return "".join(f"{line}\n" for line in lines)


def _top(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        return "".join(["[\n", *(f"    {_value(item)},\n" for item in value), "]"])
    return _value(value)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{key(name)} = {_value(item)}" for name, item in value.items() if item is not None)
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else quoted(str(value))
