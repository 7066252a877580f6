"""Converts tables to records, by the type annotations of their fields. The only module that imports pydantic."""

from __future__ import annotations

import os
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from outgrow.config.changes import as_text
from outgrow.config.document import Where, WrongError, describe_place, shown
from outgrow.errors.base import Errors
from outgrow.graph import identity
from outgrow.labelling.base import Rule
from outgrow.losses.base import Loss
from outgrow.methods.base import Method
from outgrow.models.base import Model
from outgrow.plugins import find, is_a, is_ours, model_of, names, nearest
from outgrow.supervisors.base import Supervisor
from outgrow.supervisors.ensemble import Ensemble
from outgrow.tasks.base import Task
from outgrow.types import UserError

BASES: dict[type, str] = {Task: "task", Model: "model", Loss: "loss", Rule: "rule", Method: "method", Errors: "errors"}
COMPUTED = ("digest", "alias")  # fields that a document cannot set

V = TypeVar("V")


@dataclass(frozen=True)
class ReadOptions:
    """How a document is read.

    folder: the base of relative paths. typed: for key paths that options have set, the value as typed. plugins: whether
    classes from outside the package may be imported.
    """

    folder: Path
    typed: Mapping[Where, str] = field(default_factory=dict)
    plugins: bool = True

    def named(self, raw: Any, where: Where) -> Any:
        """The value of a field that takes a name: the text as typed instead of a number, as for `--set weak=123`."""
        return self.typed.get(where, raw) if not isinstance(raw, str | dict | list) else raw


def model(raw: Any, where: Where, options: ReadOptions) -> Model:
    """A model from a table or a string: `family/size`, with a bundled family or a plug-in; or a checkpoint, given by
    its folder or its name on the hub."""
    raw = options.named(raw, where)
    if isinstance(raw, str):
        _refuse_half_written(raw, where)
        try:
            family, size = model_of(raw)
        except UserError as error:
            raise WrongError(where, str(error), raw) from None
        raw = {"name": family, "size": size}
    made: Model = plugin("model", raw, where, options)
    return made


def supervisor(raw: Any, where: Where, options: ReadOptions) -> Supervisor | Model:
    """A supervisor plug-in; for a list, an ensemble; for anything else, a model to be fitted to ground truth."""
    raw = options.named(raw, where)
    if isinstance(raw, list) and raw:
        return Ensemble(members=tuple(supervisor(member, (*where, i), options) for i, member in enumerate(raw)))
    name = options.named(raw.get("name"), (*where, "name")) if isinstance(raw, dict) else raw
    if isinstance(name, str) and (name in names("supervisor") or is_a("supervisor", name, plugins=options.plugins)):
        made: Supervisor = plugin("supervisor", raw, where, options)
        return made
    return model(raw, where, options)


def plugin(kind: str, raw: Any, where: Where, options: ReadOptions) -> Any:
    """A plug-in by its name, or a table with its name and fields.

    `{ name = "confidence", weight = 0.5 }` becomes `Confidence(weight=0.5)`. Raises WrongError.
    """
    raw = options.named(raw, where)
    table = {"name": raw} if isinstance(raw, str) else raw
    if not isinstance(table, dict):
        text = f'{describe_place(where)} is {shown(raw)} but should be a {kind}: "name", or {{ name = "...", ... }}'
        raise WrongError(where, text, str(raw))
    name = options.named(table.get("name"), (*where, "name"))
    if not isinstance(name, str):
        raise WrongError(
            where, f"{describe_place(where)} does not say which {kind}: give it a name, one of {', '.join(names(kind))}"
        )
    name_path = (*where, "name") if raw is table else where
    _refuse_half_written(name, name_path)
    try:
        cls = find(kind, name, plugins=options.plugins)
    except UserError as error:
        raise WrongError(name_path, str(error), name) from None
    return record(cls, {key: value for key, value in table.items() if key != "name"}, where, options)


def _refuse_half_written(name: str, where: Where) -> None:
    """Raises WrongError for a name that begins like a list, table or string of TOML that did not parse."""
    if name[:1] in ("[", "{", '"', "'"):
        text = f"{shown(name)} is neither a name nor a TOML value, such as [0, 1] or {{ name = ... }}"
        raise WrongError(where, f"{describe_place(where)}: {text}", name)


def record(kind: type[V], table: Mapping[str, Any], where: Where, options: ReadOptions, **given: Any) -> V:
    """A record of the class `kind` with the values of a table and those in `given`. Raises WrongError."""
    arguments = values(kind, table, where, options) | given
    for spec in fields(kind):  # type: ignore[arg-type]
        if spec.init and spec.name not in arguments and spec.default is MISSING and spec.default_factory is MISSING:
            raise WrongError(where, f"{describe_place(where) or 'it'} needs a field {spec.name!r}")
    return built(kind, arguments, where)


def built(kind: type[V], arguments: Mapping[str, Any], where: Where) -> V:
    """`kind(**arguments)`. Raises WrongError for a UserError of the record, and for any error of a plug-in."""
    try:
        made = kind(**arguments)
        if not is_ours(kind):
            identity(made)  # raises for a field that cannot be hashed
        return made
    except UserError as error:
        raise WrongError(where, f"{describe_place(where)}: {error}") from None
    except Exception as error:
        if is_ours(kind):
            raise
        text = f"{describe_place(where)}: {kind.__module__}:{kind.__qualname__} failed: {type(error).__name__}: {error}"
        raise WrongError(where, text) from None


def values(kind: type[Any], table: Mapping[str, Any], where: Where, options: ReadOptions) -> dict[str, Any]:
    """The values of a table converted to the types of the record's fields; paths become absolute. Raises WrongError."""
    settable = _settable(kind)
    refuse_unknown(table, settable, where)
    converted = {}
    for key, raw in table.items():
        spec, hint = settable[key]
        converted[key] = value(hint, raw, (*where, key), options)
        if spec.metadata.get("identity") is False and isinstance(converted[key], str):
            is_name = issubclass(kind, Model) and _is_name(kind, converted[key], options.folder)
            converted[key] = converted[key] if is_name else absolute_path(converted[key], (*where, key), options)
    return converted


def _is_name(kind: type[Model], size: str, folder: Path) -> bool:
    """Whether the size of a model is a bundled size, a name on the hub or a package, and not a path."""
    is_path = size[:1] in (*"./~$", "") or size.endswith(".gguf") or os.path.isdir(folder / size)  # noqa: PTH112
    return size in kind.sizes() or not is_path


def _settable(kind: type[Any]) -> dict[str, tuple[Field[Any], Any]]:
    """The fields that a document can set, by name, with their annotations."""
    hints = get_type_hints(kind)
    return {spec.name: (spec, hints[spec.name]) for spec in fields(kind) if spec.init and spec.name not in COMPUTED}


def value(hint: Any, raw: Any, where: Where, options: ReadOptions) -> Any:
    """`raw` converted to the annotation `hint`: a plug-in, a record, a tuple of these, or a plain value."""
    if where in options.typed and _wants_text(hint):
        return plain(hint, as_text(options.typed[where]), where)
    for member in _members(hint):
        if member is Supervisor:
            return supervisor(raw, where, options)
        if member in BASES:
            return model(raw, where, options) if member is Model else plugin(BASES[member], raw, where, options)
        if is_dataclass(member) and isinstance(member, type) and isinstance(raw, dict):
            return record(member, raw, where, options)
        if get_origin(member) is tuple and isinstance(raw, list):
            items = get_args(member)
            hints = [items[0]] * len(raw) if items[-1] is ... else items
            if len(hints) == len(raw):
                pairs = enumerate(zip(hints, raw, strict=True))
                return tuple(value(h, r, (*where, i), options) for i, (h, r) in pairs)
    return plain(hint, raw, where)


def _members(hint: Any) -> tuple[Any, ...]:
    """The members of a union; the annotation itself if it is none."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _wants_text(hint: Any) -> bool:
    """Whether a field takes only strings, so that values typed for it need no quotes."""
    kinds = [kind for kind in _members(hint) if kind is not type(None)]
    return all(
        kind is str or (get_origin(kind) is Literal and all(isinstance(choice, str) for choice in get_args(kind)))
        for kind in kinds
    )


def plain(hint: Any, raw: Any, where: Where) -> Any:
    """`raw`, checked against the annotation without conversions. Raises WrongError that says what it should be."""
    try:
        return TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False)).validate_python(raw)
    except ValidationError as error:
        parts = {detail["msg"].removeprefix("Input ").removeprefix("should be ") for detail in error.errors()}
        expected = " or ".join(sorted(parts - {"None"})).replace("a valid tuple", "a list")
    except PydanticSchemaGenerationError:
        expected = "a table"
    raise WrongError(where, f"{describe_place(where)} is {shown(raw)} but should be {expected}", str(raw))


def refuse_unknown(table: Mapping[str, Any], known: Iterable[str], where: Where, what: str = "field") -> None:
    """Raises WrongError, with the nearest known name, for a key of `table` that is not in `known`."""
    known = list(known)
    for key in table:
        if key not in known:
            place = f"{describe_place(where)}: " if where else ""
            hint = nearest(key, known) or f" Known: {', '.join(sorted(known)) or 'none'}"
            raise WrongError((*where, key), f"{place}no {what} called {shown(key)}.{hint}", key)


def absolute_path(path: str, where: Where, options: ReadOptions) -> str:
    """The absolute path for a path in a document, relative to `options.folder`. Expands `~` and `$OUTGROW_DATA` at its
    start. Raises WrongError for other variables and for one that is not set."""
    if not path:
        return path
    if "\0" in path:
        raise WrongError(where, f"{describe_place(where)} is {shown(path)}: a path has no null byte", path)
    start, _, rest = path.partition("/")
    if start[:1] == "$":
        if start != "$OUTGROW_DATA":
            raise WrongError(where, f"{describe_place(where)} starts with {start}: only $OUTGROW_DATA is known", path)
        if not (given := os.environ.get("OUTGROW_DATA")):
            text = f"{describe_place(where)} needs $OUTGROW_DATA: set it to the folder that holds the data"
            raise WrongError(where, text, "$OUTGROW_DATA")
        path = f"{given}/{rest}"
        return str(_expanded(path, where).absolute())
    return str((options.folder / _expanded(path, where)).absolute())


def _expanded(path: str, where: Where) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise WrongError(
            where, f"{describe_place(where)} is {path!r}, but there is no such home folder: write the path in full"
        ) from None
