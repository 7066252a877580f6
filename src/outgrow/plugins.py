"""Finds plug-ins by name: a bundled one by its file name, any other class as `package.module:Class`."""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Iterable
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

from outgrow.types import UserError

FOLDERS = {
    "task": "tasks",
    "model": "models",
    "loss": "losses",
    "rule": "labelling",
    "method": "methods",
    "metric": "metrics",
    "supervisor": "supervisors",
    "errors": "errors",
    "analysis": "analyses",
    "executor": "executors",
    "tracker": "trackers",
}
# The methods that a plug-in must define; of several names in an inner tuple, one is enough.
NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "task": (("pinned",), ("load",)),
    "model": (("pinned",), ("folder",)),
    "rule": (("apply",),),
    "method": (("fit",), ("predict",)),
}
PACKAGE = Path(__file__).parent


def find(kind: str, name: str, *, plugins: bool = True) -> type:
    """The class of a plug-in: `find("loss", "cross-entropy")`, `find("task", "mine.quiz:Quiz")`.

    plugins: whether classes from outside the package may be imported, which runs their module's code.

    Raises UserError for an unknown name, with the nearest one; for a module that cannot be imported, with the line of
    the error; and for a class that does not define what its base requires.
    """
    folder = f"outgrow.{FOLDERS[kind]}"
    root: type = getattr(importlib.import_module(f"{folder}.base"), kind.capitalize())
    if ":" in name:
        if not plugins and not name.startswith(f"{__package__}."):
            raise UserError(f"{name!r} is from outside the package, which --no-plugins (plugins=False) refuses")
        return _external(kind, name, root)
    if name.replace("_", "-") not in names(kind):
        raise UserError(f"no {kind} called {name!r}.{nearest(name, names(kind))} Known: {', '.join(names(kind))}")
    module = importlib.import_module(f"{folder}.{name.replace('-', '_')}")
    subclasses = [c for _, c in inspect.getmembers(module, inspect.isclass) if issubclass(c, root)]
    public = [c for c in subclasses if c.__module__ == module.__name__ and not c.__name__.startswith("_")]
    if len(public) != 1:
        raise TypeError(f"{module.__name__} must define one public {root.__name__}, it defines {len(public)}")
    return public[0]


def is_a(kind: str, name: str, *, plugins: bool = True) -> bool:
    """Whether `package.module:Class` names a class of this kind, even an incomplete one. False if its module cannot be
    imported."""
    module, _, cls = name.partition(":")
    if not cls or (not plugins and not name.startswith(f"{__package__}.")):
        return False
    root: type = getattr(importlib.import_module(f"outgrow.{FOLDERS[kind]}.base"), kind.capitalize())
    try:
        candidate = vars(_imported(kind, name, module)).get(cls)
    except UserError:
        return False
    return inspect.isclass(candidate) and issubclass(candidate, root)


def names(kind: str) -> tuple[str, ...]:
    """The names of the bundled plug-ins of a kind, sorted: their file names with hyphens."""
    return tuple(path.stem.replace("_", "-") for path in _files(kind))


def model_of(text: str) -> tuple[str, str]:
    """The family and the size of a model that a text names: `minilm/l6`, `package.module:Class/size`; all else is a
    checkpoint, ("hf", its folder or its name on the hub). Raises UserError for a name that looks like a family's."""
    family, _, size = text.partition("/")
    if ":" in family or family in names("model"):
        return family, size
    if typo := difflib.get_close_matches(family, names("model"), n=1, cutoff=0.8):
        literal = f'{{ name = "hf", size = "{text}" }}'
        raise UserError(
            f"no model family called {family!r}. Did you mean '{typo[0]}/{size}'? (a checkpoint: {literal})"
        )
    return "hf", text


def described(kind: str) -> dict[str, str]:
    """The first line of each bundled plug-in's module docstring, by name, without importing the module."""
    descriptions = {}
    for name, path in zip(names(kind), _files(kind), strict=True):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        descriptions[name] = text.partition("\n")[0]
    return descriptions


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint such as ` Did you mean 'confidence'?`, or "" if no known name is similar."""
    close = difflib.get_close_matches(name, list(known), n=1) if len(name) < 200 else []
    return f" Did you mean {close[0]!r}?" if close else ""


def is_ours(kind: type) -> bool:
    """Whether a class is part of this package."""
    return kind.__module__.partition(".")[0] == __package__


def _files(kind: str) -> list[Path]:
    every = (PACKAGE / FOLDERS[kind]).glob("*.py")
    return sorted(path for path in every if path.stem != "base" and not path.stem.startswith("_"))


def _external(kind: str, name: str, root: type) -> type:
    """The class that `package.module:Class` names. Raises UserError."""
    module_name, _, class_name = name.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), class_name]):
        raise UserError(f"no {kind} at {name!r}: write it as package.module:Class")
    module = _imported(kind, name, module_name)
    candidate = vars(module).get(class_name)
    if not (inspect.isclass(candidate) and issubclass(candidate, root)):
        classes = [n for n, c in vars(module).items() if inspect.isclass(c) and issubclass(c, root) and c is not root]
        hint = nearest(class_name, classes)
        raise UserError(f"{module_name} has no {kind} called {class_name!r}.{hint} It must subclass {root.__name__}")
    _refuse_incomplete(kind, name, candidate, root)
    return candidate


def _imported(kind: str, name: str, module_name: str) -> ModuleType:
    """Imports a module, also from the working directory. Raises UserError with the line of an error in it."""
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.append(folder)  # console scripts do not have the working directory on their path
    try:
        return importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{module_name}.".startswith(f"{missing}."):
            raise UserError(f"no {kind} at {name!r}: there is no module {missing!r} on Python's path") from None
        message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if isinstance(error, SyntaxError):
            message = f"{type(error).__name__}: {error.msg}"
        line = _line(error)
        raise UserError(f"{name!r} cannot be imported: {f'{line}: ' if line else ''}{message}") from None


def _line(error: BaseException) -> str:
    """The file and line where an import failed, `my_losses.py, line 3`; frames of the import system do not count."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    library = sysconfig.get_path("stdlib")
    relevant = [frame for frame in frames if not frame.filename.startswith((library, "<frozen", __file__))]
    return f"{relevant[-1].filename}, line {relevant[-1].lineno}" if relevant else ""


def _refuse_incomplete(kind: str, name: str, cls: type, root: type) -> None:
    """Raises UserError if a plug-in lacks a method that its base requires, is not a dataclass although it has fields,
    or has annotations that cannot be evaluated."""
    missing = [
        " or ".join(any_of)
        for any_of in NEEDS.get(kind, ())
        if not any(_overrides(cls, method, root) for method in any_of)
    ]
    missing += [method for method, value in inspect.getmembers(cls) if getattr(value, "__isabstractmethod__", False)]
    if missing:
        raise UserError(f"{name!r} lacks {', '.join(missing)}: write what a {root.__name__} needs")
    new_fields = [field for field, hint in vars(cls).get("__annotations__", {}).items() if "ClassVar" not in str(hint)]
    if is_dataclass(root) and new_fields and "__dataclass_fields__" not in vars(cls):
        raise UserError(
            f"{name!r} has fields but is not a dataclass: put @dataclass(frozen=True, kw_only=True) above it"
        )
    try:
        get_type_hints(cls)
    except Exception as error:
        raise UserError(f"{name!r} has an annotation that cannot be read at run time: {error}") from None


def _overrides(cls: type, method: str, root: type) -> bool:
    return getattr(cls, method, None) is not getattr(root, method, None)
