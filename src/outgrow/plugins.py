"""Plug-ins by name: a file in the folder of its kind, or `package.module:Class` for one that lives elsewhere."""

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
    "supervisor": "supervisors",
    "executor": "executors",
}
# What a class must write itself; of several names in one entry any is enough.
NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "task": (("pinned",), ("load",)),
    "model": (("pinned",), ("folder",)),
    "rule": (("apply",),),
    "method": (("fit",), ("predict",)),
}
HERE = Path(__file__).parent


def find(kind: str, name: str, *, plugins: bool = True) -> type:
    """The class of a plug-in: `find("loss", "cross-entropy")`, `find("task", "mine.quiz:Quiz")`.

    The module of a class that lives elsewhere is imported, which runs its code; `plugins=False` refuses it instead.
    Raises UserError with the nearest name and the known ones, or with what the module did wrong, and where.
    """
    folder = f"outgrow.{FOLDERS[kind]}"
    root: type = getattr(importlib.import_module(f"{folder}.base"), kind.capitalize())
    if ":" in name:
        if not plugins and not name.startswith(f"{__package__}."):
            raise UserError(f"{name!r} is from outside the package, which --no-plugins (plugins=False) refuses")
        return _elsewhere(kind, name, root)
    if name.replace("_", "-") not in names(kind):
        raise UserError(f"no {kind} called {name!r}.{nearest(name, names(kind))} Known: {', '.join(names(kind))}")
    module = importlib.import_module(f"{folder}.{name.replace('-', '_')}")
    found = [c for _, c in inspect.getmembers(module, inspect.isclass) if issubclass(c, root)]
    own = [c for c in found if c.__module__ == module.__name__ and not c.__name__.startswith("_")]
    if len(own) != 1:
        raise TypeError(f"{module.__name__} must define one public {root.__name__}, it defines {len(own)}")
    return own[0]


def is_a(kind: str, name: str, *, plugins: bool = True) -> bool:
    """Whether `package.module:Class` names a class of this kind, finished or not. A module that cannot be imported has
    none."""
    module, _, cls = name.partition(":")
    if not cls or (not plugins and not name.startswith(f"{__package__}.")):
        return False
    root: type = getattr(importlib.import_module(f"outgrow.{FOLDERS[kind]}.base"), kind.capitalize())
    try:
        found = vars(_imported(kind, name, module)).get(cls)
    except UserError:
        return False
    return inspect.isclass(found) and issubclass(found, root)


def names(kind: str) -> tuple[str, ...]:
    """The bundled plug-ins of a kind, sorted: their file names, with hyphens."""
    return tuple(path.stem.replace("_", "-") for path in _files(kind))


def described(kind: str) -> dict[str, str]:
    """Each bundled plug-in with the first line of its docstring, read from the source and not imported."""
    found = {}
    for name, path in zip(names(kind), _files(kind), strict=True):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        found[name] = text.partition("\n")[0]
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'confidence'?`, or nothing where no known name is near."""
    close = difflib.get_close_matches(name, list(known), n=1) if len(name) < 200 else []
    return f" Did you mean {close[0]!r}?" if close else ""


def is_ours(kind: type) -> bool:
    """Whether a class comes with the package."""
    return kind.__module__.partition(".")[0] == __package__


def _files(kind: str) -> list[Path]:
    hidden = ("__init__", "base")
    return sorted(path for path in (HERE / FOLDERS[kind]).glob("*.py") if path.stem not in hidden)


def _elsewhere(kind: str, name: str, root: type) -> type:
    module_name, _, class_name = name.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), class_name]):
        raise UserError(f"no {kind} at {name!r}: write it as package.module:Class")
    module = _imported(kind, name, module_name)
    found = vars(module).get(class_name)
    if not (inspect.isclass(found) and issubclass(found, root)):
        classes = [n for n, c in vars(module).items() if inspect.isclass(c) and issubclass(c, root) and c is not root]
        hint = nearest(class_name, classes)
        raise UserError(f"{module_name} has no {kind} called {class_name!r}.{hint} It must subclass {root.__name__}")
    _refuse_unfinished(kind, name, found, root)
    return found


def _imported(kind: str, name: str, module_name: str) -> ModuleType:
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # a console script does not look where it is started
    try:
        return importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{module_name}.".startswith(f"{missing}."):
            raise UserError(f"no {kind} at {name!r}: there is no module {missing!r} on Python's path") from None
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if isinstance(error, SyntaxError):
            said = f"{type(error).__name__}: {error.msg}"
        place = _line(error)
        raise UserError(f"{name!r} cannot be imported: {f'{place}: ' if place else ''}{said}") from None


def _line(error: BaseException) -> str:
    """`my_losses.py, line 3`: where an import failed, without Python's own machinery."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    library = sysconfig.get_path("stdlib")
    found = [frame for frame in frames if not frame.filename.startswith((library, "<frozen", __file__))]
    return f"{found[-1].filename}, line {found[-1].lineno}" if found else ""


def _refuse_unfinished(kind: str, name: str, found: type, root: type) -> None:
    """A plug-in is a frozen dataclass with everything that its base leaves open."""
    lacks = [
        " or ".join(any_of) for any_of in NEEDS.get(kind, ()) if not any(_writes(found, each, root) for each in any_of)
    ]
    lacks += [each for each, method in inspect.getmembers(found) if getattr(method, "__isabstractmethod__", False)]
    if lacks:
        raise UserError(f"{name!r} lacks {', '.join(lacks)}: write what a {root.__name__} needs")
    own = [each for each, hint in vars(found).get("__annotations__", {}).items() if "ClassVar" not in str(hint)]
    if is_dataclass(root) and own and "__dataclass_fields__" not in vars(found):
        raise UserError(f"{name!r} has fields but is no dataclass: put @dataclass(frozen=True, kw_only=True) above it")
    try:
        get_type_hints(found)
    except Exception as error:
        raise UserError(f"{name!r} has an annotation that cannot be read at run time: {error}") from None


def _writes(found: type, method: str, root: type) -> bool:
    return getattr(found, method, None) is not getattr(root, method, None)
