"""How two identities differ, in words: `loss.weight 0.5 -> 0.75, input fit-3f9ac01b2d4e is new`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

from outgrow.graph.step import defaults_of
from outgrow.store import is_key

Path = tuple[str, ...]
Leaves = dict[Path, Any]
SAID = 4  # differences named


def leaves(item: Any, path: Path = ()) -> Leaves:
    """The leaves of an identity, by where they are. A field that it leaves out has its default."""
    if isinstance(item, dict) and "@step" not in item:
        pairs = [(str(name), each) for name, each in (_defaults(item) | item).items()]
    elif isinstance(item, list) and any(isinstance(each, dict | list) for each in item):
        pairs = [(str(i), each) for i, each in enumerate(item)]
    else:
        return {path: item["@step"] if isinstance(item, dict) else _hashable(item)}
    return {where: leaf for name, each in pairs for where, leaf in leaves(each, (*path, name)).items()}


def why(new: Leaves, stored: Sequence[Leaves]) -> str:
    """How a step differs from the most similar one that is stored."""
    items = new.items()
    nearest = min(stored, key=lambda old: len(items ^ old.items()), default=None)
    return "nothing like it yet" if nearest is None else difference(nearest, new)


def difference(old: Leaves, new: Leaves) -> str:
    """Fields that one side alone has belong to a record of another class, which is said instead."""
    said: list[str] = []
    for path in sorted(old.keys() | new.keys()):
        name = ".".join(path).replace("@", "")
        if path in old and path in new:
            before, after = old[path], new[path]
            if _is_input(after) and before != after:
                said.append(f"input {after} is new")
            elif repr(before) != repr(after):  # as text, because True == 1
                said.append(f"{name} {_shown(before)} -> {_shown(after)}")
        elif not _below_another_class(path, old, new):
            after = new.get(path)
            what = f"input {after}" if _is_input(after) else f"{name} {_shown(new.get(path, old.get(path)))}"
            said.append(f"{what} is {'new' if path in new else 'gone'}")
    rest = f" and {len(said) - SAID} more" if len(said) > SAID else ""
    return ", ".join(said[:SAID]) + rest


def _below_another_class(path: Path, old: Leaves, new: Leaves) -> bool:
    records = ((*path[:i], "@class") for i in range(len(path)))
    return any(each in old and each in new and old[each] != new[each] for each in records)


def _defaults(record: dict[str, Any]) -> dict[str, Any]:
    return _defaults_of(name) if isinstance(name := record.get("@class"), str) else {}


@cache
def _defaults_of(name: str) -> dict[str, Any]:
    """The defaults of a record by its qualified name, where its module has been imported."""
    parts = name.split(".")
    for i in range(len(parts) - 1, 0, -1):
        if module := sys.modules.get(".".join(parts[:i])):
            found: Any = module
            for part in parts[i:]:
                found = getattr(found, part, None)
            return defaults_of(found) if hasattr(found, "__dataclass_params__") else {}
    return {}


def _hashable(item: Any) -> Any:
    return tuple(item) if isinstance(item, list) else item


def _shown(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _is_input(value: Any) -> bool:
    """Keys have a shape no class or field name has by chance; a wrong guess costs a word in a message."""
    return isinstance(value, str) and is_key(value)
