"""Plug-ins by name: a file in the folder of its kind, or `package.module:Class` for one that lives elsewhere."""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path

from outgrow.types import UserError

FOLDERS = {
    "task": "tasks",
    "model": "models",
    "loss": "losses",
    "rule": "labelling",
    "method": "methods",
    "executor": "executors",
}
HERE = Path(__file__).parent


def find(kind: str, name: str) -> type:
    """The class of a plug-in: `find("loss", "cross-entropy")`, `find("task", "mine.quiz:Quiz")`.

    Raises UserError with the nearest name and the known ones.
    """
    folder = f"outgrow.{FOLDERS[kind]}"
    root: type = getattr(importlib.import_module(f"{folder}.base"), kind.capitalize())
    if ":" in name:
        return _elsewhere(kind, name, root)
    if name.replace("_", "-") not in names(kind):
        raise UserError(f"no {kind} called {name!r}.{nearest(name, names(kind))} Known: {', '.join(names(kind))}")
    module = importlib.import_module(f"{folder}.{name.replace('-', '_')}")
    found = [c for _, c in inspect.getmembers(module, inspect.isclass) if issubclass(c, root)]
    own = [c for c in found if c.__module__ == module.__name__ and not c.__name__.startswith("_")]
    if len(own) != 1:
        raise TypeError(f"{module.__name__} must define one public {root.__name__}, it defines {len(own)}")
    return own[0]


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
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _files(kind: str) -> list[Path]:
    hidden = ("__init__", "base")
    return sorted(path for path in (HERE / FOLDERS[kind]).glob("*.py") if path.stem not in hidden)


def _elsewhere(kind: str, name: str, root: type) -> type:
    module_name, _, class_name = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a console script does not look where it is started
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise UserError(f"no {kind} at {name!r}: there is no module {error.name!r} on Python's path") from None
    except ValueError:
        raise UserError(f"no {kind} at {name!r}: write it as package.module:Class") from None
    found = getattr(module, class_name, None)
    if not (inspect.isclass(found) and issubclass(found, root)):
        classes = [n for n, c in inspect.getmembers(module, inspect.isclass) if issubclass(c, root) and c is not root]
        hint = nearest(class_name, classes)
        raise UserError(f"{module_name} has no {kind} called {class_name!r}.{hint} It must be a {root.__name__}")
    return found
