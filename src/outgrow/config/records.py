"""From the values of a table to records, as their annotations want them. The only importer of pydantic."""

from __future__ import annotations

import difflib
import os
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from outgrow.config.changes import as_text
from outgrow.config.document import Where, WrongError, say, shown
from outgrow.graph import identity
from outgrow.labelling.base import Rule
from outgrow.losses.base import Loss
from outgrow.methods.base import Method
from outgrow.models.base import Model
from outgrow.plugins import find, is_a, is_ours, names, nearest
from outgrow.supervisors.base import Supervisor
from outgrow.supervisors.ensemble import Ensemble
from outgrow.tasks.base import Task
from outgrow.types import UserError

BASES: dict[type, str] = {Task: "task", Model: "model", Loss: "loss", Rule: "rule", Method: "method"}
FOUND = ("digest", "alias")  # fields that are found out, not given

V = TypeVar("V")


@dataclass(frozen=True)
class ReadOptions:
    """How a document is read: what relative paths are relative to, what was typed for places that options have set,
    and whether classes from outside the package may be imported."""

    folder: Path
    typed: Mapping[Where, str] = field(default_factory=dict)
    plugins: bool = True

    def named(self, raw: Any, where: Where) -> Any:
        """`raw`, or what was typed where that stands for a name: `--set weak=123`."""
        return self.typed.get(where, raw) if not isinstance(raw, str | dict | list) else raw


def model(raw: Any, where: Where, options: ReadOptions) -> Model:
    """`family/size` of a bundled family or of a plug-in; every other string is a checkpoint: a folder or a hub name."""
    raw = options.named(raw, where)
    if isinstance(raw, str):
        _refuse_half_written(raw, where)
        family, _, size = raw.partition("/")
        if ":" in family or family in names("model"):
            raw = {"name": family, "size": size}
        elif typo := difflib.get_close_matches(family, names("model"), n=1, cutoff=0.8):
            literal = f'{{ name = "hf", size = "{raw}" }}'
            text = f"no model family called {family!r}. Did you mean '{typo[0]}/{size}'? (a checkpoint: {literal})"
            raise WrongError(where, text, raw)
        else:
            raw = {"name": "hf", "size": raw}
    found: Model = plugin("model", raw, where, options)
    return found


def supervisor(raw: Any, where: Where, options: ReadOptions) -> Supervisor | Model:
    """A plug-in of the kind, a list of supervisors that label together, or a model, which is fitted to ground truth."""
    raw = options.named(raw, where)
    if isinstance(raw, list) and raw:
        return Ensemble(members=tuple(supervisor(each, (*where, i), options) for i, each in enumerate(raw)))
    name = options.named(raw.get("name"), (*where, "name")) if isinstance(raw, dict) else raw
    if isinstance(name, str) and (name in names("supervisor") or is_a("supervisor", name, plugins=options.plugins)):
        found: Supervisor = plugin("supervisor", raw, where, options)
        return found
    return model(raw, where, options)


def plugin(kind: str, raw: Any, where: Where, options: ReadOptions) -> Any:
    """`"confidence"` or `{ name = "confidence", weight = 0.5 }` -> `Confidence(weight=0.5)`."""
    raw = options.named(raw, where)
    table = {"name": raw} if isinstance(raw, str) else raw
    if not isinstance(table, dict):
        text = f'{say(where)} is {shown(raw)} but should be a {kind}: "name", or {{ name = "...", ... }}'
        raise WrongError(where, text, str(raw))
    name = options.named(table.get("name"), (*where, "name"))
    if not isinstance(name, str):
        raise WrongError(
            where, f"{say(where)} does not say which {kind}: give it a name, one of {', '.join(names(kind))}"
        )
    named = (*where, "name") if raw is table else where
    _refuse_half_written(name, named)
    try:
        found = find(kind, name, plugins=options.plugins)
    except UserError as error:
        raise WrongError(named, str(error), name) from None
    return record(found, {key: each for key, each in table.items() if key != "name"}, where, options)


def _refuse_half_written(name: str, where: Where) -> None:
    if name[:1] in ("[", "{", '"', "'"):
        text = f"{say(where)}: {shown(name)} is neither a name nor a TOML value, such as [0, 1] or {{ name = ... }}"
        raise WrongError(where, text, name)


def record(kind: type[V], table: Mapping[str, Any], where: Where, options: ReadOptions, **given: Any) -> V:
    """A record of this class with the values of a table."""
    found = values(kind, table, where, options) | given
    for each in fields(kind):  # type: ignore[arg-type]
        if each.init and each.name not in found and each.default is MISSING and each.default_factory is MISSING:
            raise WrongError(where, f"{say(where) or 'it'} needs a field {each.name!r}")
    return built(kind, found, where)


def built(kind: type[V], found: Mapping[str, Any], where: Where) -> V:
    """The record. What it finds wrong with its fields is told with their place, and so is any error of a plug-in."""
    try:
        made = kind(**found)
        if not is_ours(kind):
            identity(made)  # a field may hold what no key can be made of
        return made
    except UserError as error:
        raise WrongError(where, f"{say(where)}: {error}") from None
    except Exception as error:
        if is_ours(kind):
            raise
        text = f"{say(where)}: {kind.__module__}:{kind.__qualname__} failed: {type(error).__name__}: {error}"
        raise WrongError(where, text) from None


def values(kind: type[Any], table: Mapping[str, Any], where: Where, options: ReadOptions) -> dict[str, Any]:
    """The values of a table as the fields of a record want them."""
    known = _settable(kind)
    refuse_unknown(table, known, where)
    found = {}
    for key, raw in table.items():
        each, hint = known[key]
        found[key] = value(hint, raw, (*where, key), options)
        if each.metadata.get("identity") is False and isinstance(found[key], str):
            is_name = issubclass(kind, Model) and _is_name(kind, found[key], options.folder)
            found[key] = found[key] if is_name else absolute_path(found[key], (*where, key), options)
    return found


def _is_name(kind: type[Model], size: str, folder: Path) -> bool:
    """Whether a size is one that comes with the package or a name on a hub or of a package, and not a path."""
    is_path = size[:1] in (*"./~$", "") or size.endswith(".gguf") or os.path.isdir(folder / size)  # noqa: PTH112
    return size in kind.sizes() or not is_path


def _settable(kind: type[Any]) -> dict[str, tuple[Field[Any], Any]]:
    hints = get_type_hints(kind)
    return {each.name: (each, hints[each.name]) for each in fields(kind) if each.init and each.name not in FOUND}


def value(hint: Any, raw: Any, where: Where, options: ReadOptions) -> Any:
    """`raw` as the annotation `hint` wants it: a plug-in, a record, a tuple of such, or something plain."""
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
            kinds = [items[0]] * len(raw) if items[-1] is ... else items
            if len(kinds) == len(raw):
                pairs = enumerate(zip(kinds, raw, strict=True))
                return tuple(value(k, r, (*where, i), options) for i, (k, r) in pairs)
    return plain(hint, raw, where)


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _wants_text(hint: Any) -> bool:
    """Whether text is all that a field takes, so that what is typed for it needs no quotes."""
    kinds = [kind for kind in _members(hint) if kind is not type(None)]
    return all(
        kind is str or (get_origin(kind) is Literal and all(isinstance(choice, str) for choice in get_args(kind)))
        for kind in kinds
    )


def plain(hint: Any, raw: Any, where: Where) -> Any:
    """`raw` if it is of this type. Raises WrongError that says what it should be."""
    try:
        return TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False)).validate_python(raw)
    except ValidationError as error:
        wants = {each["msg"].removeprefix("Input ").removeprefix("should be ") for each in error.errors()}
        expected = " or ".join(sorted(wants - {"None"})).replace("a valid tuple", "a list")
    except PydanticSchemaGenerationError:
        expected = "a table"
    raise WrongError(where, f"{say(where)} is {shown(raw)} but should be {expected}", str(raw))


def refuse_unknown(table: Mapping[str, Any], known: Iterable[str], where: Where, what: str = "field") -> None:
    """Raise WrongError for the first key of `table` that is not in `known`, with the nearest one that is."""
    known = list(known)
    for key in table:
        if key not in known:
            place = f"{say(where)}: " if where else ""
            hint = nearest(key, known) or f" Known: {', '.join(sorted(known)) or 'none'}"
            raise WrongError((*where, key), f"{place}no {what} called {shown(key)}.{hint}", key)


def absolute_path(path: str, where: Where, options: ReadOptions) -> str:
    """A path in a file is relative to that file; `$OUTGROW_DATA` at its start stands for a folder of this machine."""
    if not path:
        return path
    if "\0" in path:
        raise WrongError(where, f"{say(where)} is {shown(path)}: a path has no null byte", path)
    start, _, rest = path.partition("/")
    if start[:1] == "$":
        if start != "$OUTGROW_DATA":
            raise WrongError(where, f"{say(where)} starts with {start}: only $OUTGROW_DATA is known", path)
        if not (given := os.environ.get("OUTGROW_DATA")):
            text = f"{say(where)} needs $OUTGROW_DATA: set it to the folder that holds the data"
            raise WrongError(where, text, "$OUTGROW_DATA")
        path = f"{given}/{rest}"
        return str(_expanded(path, where).absolute())
    return str((options.folder / _expanded(path, where)).absolute())


def _expanded(path: str, where: Where) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise WrongError(where, f"{say(where)} is {path!r}, but there is no such home folder: write it out") from None
