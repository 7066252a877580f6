"""Names of tasks and models in tables. Records with the same short name are distinguished by parts of their paths."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol


class Named(Protocol):
    """A model or a task. short: its name unless another record has the same. location: the file or folder given."""

    @property
    def short_name(self) -> str: ...
    @property
    def location(self) -> Path | None: ...


def alias() -> Any:
    """A dataclass field for the name that an experiment gives a record. It is not part of equality or cache keys."""
    return field(default="", compare=False, metadata={"identity": False})


def distinct_names(records: Iterable[Named]) -> dict[tuple[str, Path], str]:
    """Distinct names for records that share a short name but have different locations, by short name and location.

    `run1/checkpoint-500` and `run2/checkpoint-500` are `hf/run1/checkpoint-500` and `hf/run2/checkpoint-500`;
    `a/data.csv` and `a/data.tsv` are `text/data.csv` and `text/data.tsv`.
    """
    locations: dict[str, dict[Path | None, None]] = {}
    for record in records:
        locations.setdefault(record.short_name, {})[record.location] = None
    names: dict[tuple[str, Path], str] = {}
    for short, found in locations.items():
        if len(found) > 1:
            named = _unambiguous(short, [location for location in found if location])
            names |= {(short, location): name for location, name in named.items()}
    return names


def accepted_names(record: Named) -> tuple[str, ...]:
    """All names by which a user may refer to a record: the short name, then names with more and more of its path."""
    if record.location is None:
        return (record.short_name,)
    longer = (name for suffix in (False, True) for name in _names(record.short_name, record.location, suffix))
    return tuple(dict.fromkeys([record.short_name, *longer]))


def _unambiguous(short: str, locations: list[Path]) -> dict[Path, str]:
    """For each location the shortest name that no other location could have, or its longest name if there is none."""
    suffix = len({_parts(short, location) for location in locations}) < len(locations)  # some differ in suffix only
    candidates = {location: _names(short, location, suffix) for location in locations}
    chosen = {}
    for location, names in candidates.items():
        taken = {short, *(name for other, others in candidates.items() if other != location for name in others)}
        chosen[location] = next((name for name in names if name not in taken), names[-1])
    return chosen


def _names(short: str, location: Path, suffix: bool) -> list[str]:
    """The name with more and more folders of the path. suffix: whether to include the file name's suffix."""
    stem, parts = short.removesuffix(f"/{_stem(short, location)}"), _parts(short, location, suffix)
    return ["/".join([stem, *parts[-count:]]) for count in range(1, len(parts) + 1)]


def _parts(short: str, location: Path, suffix: bool = False) -> tuple[str, ...]:
    folder = Path(os.path.normpath(location.parent))
    name = location.name if suffix else _stem(short, location)
    return (*(part for part in folder.parts if part != folder.anchor), name)


def _stem(short: str, location: Path) -> str:
    """The last part of a path as in the short name, or else without its suffix."""
    last = short.rpartition("/")[2]
    return last if location.name.startswith(last) else location.name.partition(".")[0]
