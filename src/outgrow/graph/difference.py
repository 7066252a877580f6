"""The difference of two identities as text: `loss.weight 0.5 -> 0.75, input fit-3f9ac01b2d4e is new`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from outgrow.graph.step import class_of, defaults_of
from outgrow.store import is_key

Path = tuple[str, ...]
Leaves = dict[Path, Any]
SHOWN = 4  # differences named


def leaves(item: Any, path: Path = ()) -> Leaves:
    """The leaves of an identity by path, with the defaults of the fields that it leaves out."""
    if isinstance(item, dict) and "@step" not in item:
        pairs = [(str(name), each) for name, each in (_defaults(item) | item).items()]
    elif isinstance(item, list) and any(isinstance(each, dict | list) for each in item):
        pairs = [(str(i), each) for i, each in enumerate(item)]
    else:
        return {path: item["@step"] if isinstance(item, dict) else _hashable(item)}
    return {where: leaf for name, each in pairs for where, leaf in leaves(each, (*path, name)).items()}


def why(new: Leaves, stored: Sequence[Leaves]) -> str:
    """The difference of a step to the most similar stored one."""
    items = new.items()
    nearest = min(stored, key=lambda old: len(items ^ old.items()), default=None)
    return "nothing like it yet" if nearest is None else difference(nearest, new)


def difference(old: Leaves, new: Leaves) -> str:
    """The first differences as text. Fields of a record that was replaced by one of another kind are left out: the two
    kinds are named."""
    changes: list[str] = []
    for path in sorted(old.keys() | new.keys()):
        name = ".".join(path).replace("@", "")
        if path in old and path in new:
            before, after = old[path], new[path]
            if _is_input(after) and before != after:
                changes.append(f"input {after} is new")
            elif repr(before) != repr(after):  # as text, because True == 1
                changes.append(f"{name} {_shown(before)} -> {_shown(after)}")
        elif not _below_another_kind(path, old, new):
            after = new.get(path)
            what = f"input {after}" if _is_input(after) else f"{name} {_shown(new.get(path, old.get(path)))}"
            changes.append(f"{what} is {'new' if path in new else 'gone'}")
    rest = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
    return ", ".join(changes[:SHOWN]) + rest


def _below_another_kind(path: Path, old: Leaves, new: Leaves) -> bool:
    records = ((*path[:i], "@kind") for i in range(len(path)))
    return any(each in old and each in new and old[each] != new[each] for each in records)


def _defaults(record: dict[str, Any]) -> dict[str, Any]:
    cls = class_of(kind) if isinstance(kind := record.get("@kind"), str) else None
    return defaults_of(cls) if cls else {}


def _hashable(item: Any) -> Any:
    return tuple(item) if isinstance(item, list) else item


def _shown(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _is_input(value: Any) -> bool:
    """Whether a value is a step's key, by its shape. A wrong guess only changes a word of the message."""
    return isinstance(value, str) and is_key(value)
