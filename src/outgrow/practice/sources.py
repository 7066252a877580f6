"""Where a table comes from: a file on this machine, or a data set of the Hugging Face hub."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from outgrow.text import opening, tables
from outgrow.types import UserError

HUB = "hub:"


def table_of(source: str) -> tuple[Path, tables.Table]:
    """A table by the path of a file or `hub:owner/name@split`, and its name for messages. Raises UserError."""
    if source.startswith(HUB):
        return Path(source), _from_hub(source)
    path = Path(source).expanduser()
    if not path.exists() and (near := _near(path)):
        raise UserError(f"there is no file {path}. Did you mean {near}?")
    return path, tables.read(path)


def _near(path: Path) -> str:
    folder = path.parent
    names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1)
    return str(folder / close[0]) if close else ""


def _from_hub(source: str) -> tables.Table:
    """A split of a data set, by default `train`. Classes that the set has names for are named."""
    try:
        import datasets  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise UserError(f"{source} needs the package datasets: pip install datasets, or give a file") from None
    name, _, split = source.removeprefix(HUB).partition("@")
    name, _, config = name.partition(":")
    try:
        found = datasets.load_dataset(name, config or None, split=split or "train")
    except Exception as error:  # whatever its many readers raise
        why = str(error).partition("\n")[0][:200]
        raise UserError(
            f"{source} cannot be loaded ({type(error).__name__}: {why}): check its name and split"
        ) from None
    if len(found) * (len(found.column_names) + opening.ROW) > opening.MOST_CELLS:
        raise UserError(f"{source} has more than {opening.MOST_CELLS:,} cells: save a part of it as a file")
    named = {column: _class_names(found.features[column]) for column in found.column_names}
    rows = tuple((number, {c: _named(row[c], named[c]) for c in row}) for number, row in enumerate(found, 1))
    if not rows:
        raise UserError(f"{source} is empty: it needs rows")
    return tables.Table(columns=tuple(found.column_names), rows=rows)


def _class_names(feature: Any) -> list[str]:
    return list(getattr(feature, "names", None) or ()) if type(feature).__name__ == "ClassLabel" else []


def _named(value: Any, names: list[str]) -> Any:
    """The name of a class instead of its number; None for -1, the hub's sign of a hidden label."""
    if not names or value is None:
        return value
    return names[value] if 0 <= value < len(names) else None
