"""Names for tables: two files or checkpoints of one name are called by as much of their paths as tells them apart."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol


class Named(Protocol):
    """A model or a task. `short` is its name where no other has it, `location` the file or folder that a user named."""

    @property
    def short(self) -> str: ...
    @property
    def location(self) -> Path | None: ...


def alias() -> Any:
    """A field for the name that an experiment gives a record. It is for people: neither equality nor a key sees it."""
    return field(default="", compare=False, metadata={"identity": False})


def distinct_names(records: Iterable[Named]) -> dict[tuple[str, Path], str]:
    """The names of those whose short name belongs to several places, by short name and place.

    `run1/checkpoint-500` and `run2/checkpoint-500` are `hf/run1/checkpoint-500` and `hf/run2/checkpoint-500`;
    `a/data.csv` and `a/data.tsv` are `text/data.csv` and `text/data.tsv`.
    """
    locations: dict[str, dict[Path | None, None]] = {}
    for record in records:
        locations.setdefault(record.short, {})[record.location] = None
    names: dict[tuple[str, Path], str] = {}
    for short, found in locations.items():
        if len(found) > 1:
            names |= {
                (short, location): name for location, name in _apart(short, [each for each in found if each]).items()
            }
    return names


def accepted_names(record: Named) -> tuple[str, ...]:
    """Every name that a user may call a record by, the short one first: with no folder of its path, one, two ..."""
    if record.location is None:
        return (record.short,)
    longer = (name for whole in (False, True) for name in _names(record.short, record.location, whole))
    return tuple(dict.fromkeys([record.short, *longer]))


def _apart(short: str, locations: list[Path]) -> dict[Path, str]:
    """The shortest name of each that none of the others could have, or its longest where there is none."""
    whole = len({_parts(short, location) for location in locations}) < len(
        locations
    )  # some differ in their endings alone
    every = {location: _names(short, location, whole) for location in locations}
    found = {}
    for location, names in every.items():
        taken = {short, *(name for other, theirs in every.items() if other != location for name in theirs)}
        found[location] = next((name for name in names if name not in taken), names[-1])
    return found


def _names(short: str, location: Path, whole: bool) -> list[str]:
    """The name with more and more of the path; `whole`: with the file's ending too."""
    stem, parts = short.removesuffix(f"/{_bare(short, location)}"), _parts(short, location, whole)
    return ["/".join([stem, *parts[-count:]]) for count in range(1, len(parts) + 1)]


def _parts(short: str, location: Path, whole: bool = False) -> tuple[str, ...]:
    folder = Path(os.path.normpath(location.parent))
    name = location.name if whole else _bare(short, location)
    return (*(part for part in folder.parts if part != folder.anchor), name)


def _bare(short: str, location: Path) -> str:
    """The last part of a path as the short name gives it, or else without its ending."""
    last = short.rpartition("/")[2]
    return last if location.name.startswith(last) else location.name.partition(".")[0]
