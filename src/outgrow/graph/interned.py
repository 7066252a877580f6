"""Equal steps become one object, so that the key and inputs of a step are computed once for all its readers."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar

from outgrow.graph.step import Step

S = TypeVar("S", bound=Step[Any])

_PLAIN = {int, float, bool, str, type(None)}


class Interner:
    """`once(step)` returns the first equal step that it was called with, and so for its inputs. Equality is strict: 1,
    1.0 and True are three values."""

    def __init__(self) -> None:
        self._first: dict[Any, Any] = {}  # the parts of a record -> the first such record
        self._known: dict[int, Any] = {}  # the first records by id

    def once(self, step: S) -> S:
        first: S = self._one(step)[0]
        return first

    def _one(self, value: Any) -> tuple[Any, Any]:
        """The value with every record in it replaced by the first equal one, and a hashable mark to compare it by."""
        if id(value) in self._known:
            return value, id(value)
        kind: Any = type(value)
        if kind in _PLAIN:
            return value, (kind, repr(value) if kind is float else value)
        if isinstance(value, tuple):
            parts = [self._one(each) for each in value]
            same = all(new is old for (new, _), old in zip(parts, value, strict=True))
            return value if same else tuple(new for new, _ in parts), tuple(mark for _, mark in parts)
        return self._record(value) if is_dataclass(kind) else (value, (kind, value))

    def _record(self, record: Any) -> tuple[Any, Any]:
        kind: Any = type(record)
        changed: dict[str, Any] = {}
        marks: list[Any] = [kind]
        for name in _names(kind):
            value = getattr(record, name)
            new, mark = self._one(value)
            marks.append(mark)
            if new is not value:
                changed[name] = new
        first = self._first.get(what := tuple(marks))
        if first is None:
            first = self._first[what] = replace(record, **changed) if changed else record
            self._known[id(first)] = first
        return first, id(first)


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))
