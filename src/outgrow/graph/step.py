"""A step is a frozen record with a `run` method; its key is the hash of the record."""

from __future__ import annotations

import hashlib
import json
import math
import types
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache, cached_property
from typing import Any, ClassVar, Generic, Union, get_args, get_origin
from typing import get_type_hints as hints_of

from outgrow.graph.artifact import T
from outgrow.graph.context import Context, Settings
from outgrow.graph.room import Resources
from outgrow.graph.source import plugin_source_digest


def not_hashed(**options: Any) -> Any:
    """A field that is not in the key, such as a path on this machine. Another field must hold the digest of its
    content."""
    return field(metadata={"identity": False}, **options)


@dataclass(frozen=True, kw_only=True)
class Step(Generic[T]):
    """One cached computation: subclass it, add fields, and write `run`. Steps in its fields are its inputs."""

    kind: ClassVar[str]  # names the class in keys and manifests: unique, never changed, whatever the module
    version: ClassVar[int] = 1  # bump when the same fields give a different result
    result: ClassVar[type[Any]]  # the artifact type `run` returns

    def run(self, ctx: Context) -> T:
        raise NotImplementedError

    @classmethod
    def run_group(cls, steps: Sequence[Step[Any]], contexts: Sequence[Context]) -> Iterable[Any]:
        """The artifacts of several steps of one `group`, in their order. Each is what `run` alone would give: byte for
        byte, or within a bound that the class states. Those of an iterator are stored one by one as they come.
        Default: one after the other."""
        return (step.run(context) for step, context in zip(steps, contexts, strict=True))

    @property
    def group(self) -> str | None:
        """Ready steps of the same class with an equal group are computed by one `run_group`, where that is cheaper.
        None: alone. It enters no key: each step keeps an identity and an artifact of its own."""
        return None

    @property
    def rows(self) -> tuple[str, ...]:
        """The names of the rows of the store that it refers to."""
        return ()

    def resources(self, settings: Settings) -> Resources:
        """What it needs of the machine that it runs on with these settings. Default: a core, and memory for a process
        with its libraries."""
        return Resources()

    def remedies(self, settings: Settings) -> Iterator[tuple[str, Resources]]:
        """What a user may do where a machine has too little for it, and what it needs then, least change first.
        Default: nothing."""
        return iter(())

    @property
    def title(self) -> str:
        """A short name for progress lines and tables. Steps of one title take about as long."""
        return type(self).__name__

    @property
    def estimate(self) -> float:
        """About how many seconds it takes on one core. Schedules use it where no step of its title was timed."""
        return 0.1

    @cached_property
    def key(self) -> str:
        """Folder name and cache key, such as `fit-3f9ac01b2d4e`: equal identity, equal key."""
        for step in topological_order([self], known=lambda s: "key" in s.__dict__):
            step.__dict__["key"] = _key(step)  # inputs before readers, so that a deep chain does not recurse
        return str(self.__dict__["key"])

    def inputs(self) -> tuple[Step[Any], ...]:
        """The steps in its fields and in the records nested there, each once."""
        return self._inputs

    @cached_property
    def _inputs(self) -> tuple[Step[Any], ...]:
        kind: Any = type(self)
        inputs = {id(step): step for name in _counted(kind) for step in _steps(getattr(self, name))}
        return tuple(inputs.values())


def walk(steps: Sequence[Step[Any]]) -> tuple[Step[Any], ...]:
    """`steps` and all their ancestors, each key once, inputs first."""
    return tuple({step.key: step for step in topological_order(steps)}.values())


def topological_order(steps: Sequence[Step[Any]], known: Any = lambda step: False) -> Iterator[Step[Any]]:
    """`steps` and all their ancestors, each object once: depth first without recursion. Steps already `known` are
    left out, with what is behind them."""
    entered: set[int] = set()
    stack: list[tuple[Step[Any], bool]] = [(step, False) for step in reversed(steps)]
    while stack:
        step, inputs_done = stack.pop()
        if inputs_done:
            yield step
        elif id(step) not in entered and not known(step):
            entered.add(id(step))
            stack.append((step, True))
            stack.extend((parent, False) for parent in reversed(step.inputs()))


def _steps(value: object) -> Iterator[Step[Any]]:
    """The steps in a field's value: the same walk as `identity`."""
    if isinstance(value, Step):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _steps(item)
    elif _is_record(value):
        kind: Any = type(value)
        for name in _counted(kind):
            yield from _steps(getattr(value, name))


def _key(step: Step[Any]) -> str:
    text = json.dumps(identity(step), sort_keys=True, allow_nan=False)
    cls: Any = type(step)
    name = kind_of(cls).rpartition(".")[2].lower()  # of a class from outside the package, its name alone
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def identity(value: object, expected: Any = Any) -> Any:
    """`value` as canonical JSON data.

    A record gives its kind, its version and its fields; plain fields at their default are left out, so that a new
    option with a default keeps old keys. Steps inside it enter by key. `expected` is the annotation: in a
    float field, 2 and 2.0 are equal.
    """
    if _is_record(value):
        return _record(value)
    members = _members(expected)
    match value:
        case tuple():
            return [{"@step": v.key} if isinstance(v, Step) else identity(v, e) for v, e in _items(value, members)]
        case None:
            return None
        case bool() | int() | float() | str():
            return _scalar(value, members)
    raise TypeError(
        f"{value!r} ({type(value).__name__}) has no identity: "
        "use None, numbers, strings, tuples, steps or frozen dataclasses"
    )


def _record(record: Any) -> dict[str, Any]:
    cls: Any = type(record)
    data: dict[str, Any] = {"@kind": kind_of(cls), "@version": getattr(record, "version", 1)}
    if source := plugin_source_digest(cls.__module__):
        data["@source"] = source
    defaults = defaults_of(cls)
    for name, (_, expected) in _counted(cls).items():
        value = getattr(record, name)
        try:
            item = {"@step": value.key} if isinstance(value, Step) else identity(value, expected)
            if _is_plain(value) and name in defaults and _same(item, defaults[name]):
                continue
        except (TypeError, ValueError) as error:
            raise TypeError(f"{cls.__name__}.{name}: {error}") from None
        data[name] = item
    return data


def _is_record(value: object) -> bool:
    kind: Any = type(value)
    return not isinstance(value, type) and _is_frozen(kind)


@cache
def _is_frozen(kind: Any) -> bool:
    parameters = getattr(kind, "__dataclass_params__", None)
    if parameters is not None and not parameters.frozen:
        raise TypeError(f"{kind.__name__} is a mutable dataclass: declare it frozen=True")
    return parameters is not None


def _is_plain(value: object) -> bool:
    """Whether no record or step is in it: those always count, even where they are the default."""
    return all(map(_is_plain, value)) if isinstance(value, tuple) else not is_dataclass(value)


def _same(item: Any, default: Any) -> bool:
    return item == default and json.dumps(item) == json.dumps(default)  # as text too, because True == 1


@cache
def defaults_of(kind: Any) -> dict[str, Any]:
    """The identity of the plain default of each field: the value of a field that an identity leaves out."""
    defaults: dict[str, Any] = {}
    for name, (each, expected) in _counted(kind).items():
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        if default is not MISSING and _is_plain(default):
            with suppress(TypeError):  # a default without an identity is in no identity
                defaults[name] = identity(default, expected)
    return defaults


def _scalar(value: bool | int | float | str, members: tuple[Any, ...]) -> Any:
    """`value` in the first of the annotated types that holds it without loss."""
    exact = next((kind for kind in (bool, int, float, str) if isinstance(value, kind)), str)
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"{value} has no identity: numbers must be finite")
    wanted = [kind for kind in members if kind in (bool, int, float, str)]
    if not wanted or exact in wanted:
        return exact(value) + 0.0 if exact is float else exact(value)  # + 0.0: minus zero is zero
    for kind in wanted:
        if kind is not str and exact is not str and kind(value) == value:
            return kind(value)
    raise TypeError(f"{value!r} is not {' or '.join(kind.__name__ for kind in wanted)}")


def _members(expected: Any) -> tuple[Any, ...]:
    """The types a union allows; a lone annotation allows itself."""
    return get_args(expected) if get_origin(expected) in (Union, types.UnionType) else (expected,)


def _items(value: tuple[Any, ...], members: tuple[Any, ...]) -> Iterator[tuple[Any, Any]]:
    """The items of a tuple, each with its own annotation."""
    args: tuple[Any, ...] = next((get_args(member) for member in members if get_origin(member) is tuple), (Any, ...))
    each = [args[0]] * len(value) if args[-1:] == (...,) else list(args)
    if len(each) != len(value):
        raise TypeError(f"{value!r} has {len(value)} items, not {len(each)}")
    return zip(value, each, strict=True)


@cache
def _counted(kind: type[Any]) -> dict[str, tuple[Field[Any], Any]]:
    """The fields that enter the identity, with their annotations."""
    hints = hints_of(kind)
    return {f.name: (f, hints[f.name]) for f in fields(kind) if f.metadata.get("identity", True)}


_classes: dict[str, Any] = {}  # by kind, of the records that have had an identity in this process


@cache
def kind_of(cls: Any) -> str:
    """What a record's class is called in keys, manifests and messages: its own `kind`, so that its module and name may
    change; of a class from outside the package, its qualified name. Raises TypeError for a class without a kind."""
    if plugin_source_digest(cls.__module__):
        module = "__main__" if cls.__module__ == "__mp_main__" else cls.__module__  # a spawned worker's name for it
        kind = f"{module}.{cls.__qualname__}"
    elif not (kind := vars(cls).get("kind", "")):
        raise TypeError(f"{cls.__name__} has no kind of its own: give it `kind: ClassVar[str] = ...`")
    _classes[kind] = cls
    return str(kind)


def class_of(kind: str) -> Any:
    """The class of this kind, if a record of it has had an identity in this process, else None."""
    return _classes.get(kind)
