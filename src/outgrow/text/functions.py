"""Labelling functions: the functions of a Python file, and the labels that they return."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import traceback
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from outgrow.graph.source import syntax_digest
from outgrow.text import tables
from outgrow.text.label_cells import finder
from outgrow.text.opening import refuse_irregular
from outgrow.types import Example, UserError

Function = Callable[..., Any]


def functions_of(path: Path) -> tuple[str, ...]:
    """The names of the functions of a file that do not begin with `_`, in its order, without running it.

    Raises UserError for a file that cannot be read or parsed, and for one without such a function.
    """
    tree = _tree(path)
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    if not names:
        raise UserError(f"{path} has no function: write one that takes a text and returns a class, or None")
    return tuple(dict.fromkeys(names))


def source_digest(path: Path) -> str:
    """A digest of the file's syntax tree: comments, formatting and docstrings do not count. Raises UserError."""
    _tree(path)
    return syntax_digest(_source(path))


def apply(path: Path, digest: str, name: str, examples: Sequence[Example]) -> list[int | None]:
    """What a function says of each example: the index of a choice, or None for no label. It runs the file.

    Raises UserError for a file that has changed, a function that fails, and an answer that is not a choice.
    """
    if source_digest(path) != digest:
        raise UserError(f"{path} has changed since the experiment was planned: run it again")
    function, takes_choices = _function(path, digest, name)
    return [_class_of(path, name, function, takes_choices, example) for example in examples]


def _class_of(path: Path, name: str, function: Function, takes_choices: bool, example: Example) -> int | None:
    where = f"{path}: {name} of example {example.id!r}"
    try:
        answer = function(example.prompt, example.choices) if takes_choices else function(example.prompt)
    except Exception as error:
        line = next(
            (each.lineno for each in reversed(traceback.extract_tb(error.__traceback__)) if each.filename == str(path)),
            0,
        )
        raise UserError(f"{where} failed in line {line}: {type(error).__name__}: {error}") from None
    try:
        label = tables.name(answer)
    except TypeError as error:
        raise UserError(f"{where} {error}: return the name of a class, or None") from None
    place = finder(example.choices)(label)
    if place is None and label not in ("", "-1"):
        raise UserError(f"{where} is {label!r:.60}, which is not a class: they are {tables.listed(example.choices)}")
    return place


@lru_cache(maxsize=64)
def _function(path: Path, digest: str, name: str) -> tuple[Function, bool]:
    """A function of a file, and whether it takes choices beside the text. Raises UserError for another signature."""
    function = getattr(_module(path, digest), name, None)
    if not callable(function):
        raise UserError(f"{path} has no function {name!r}: it was replaced by something else")
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        parameters = ()  # type: ignore[assignment]
    needed = [each for each in parameters if each.default is each.empty and each.kind in _POSITIONAL]
    if len(needed) not in (1, 2):
        raise UserError(f"{path}: {name} takes {len(needed)} arguments: a rule takes a text, or a text and its choices")
    return function, len(needed) == 2


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@lru_cache(maxsize=8)
def _module(path: Path, digest: str) -> Any:
    """The module of a file, run once for each of its contents. Raises UserError with the line of an error in it."""
    spec = importlib.util.spec_from_file_location(f"outgrow_rules_{digest}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        line = next(
            (each.lineno for each in reversed(traceback.extract_tb(error.__traceback__)) if each.filename == str(path)),
            0,
        )
        raise UserError(f"{path}, line {line}: {type(error).__name__}: {error}") from None
    return module


def _source(path: Path) -> str:
    refuse_irregular(path)
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"there is no file {path}: check the path") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8: save the file as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(_source(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise UserError(f"{path}{line}: this is not valid Python: {getattr(error, 'msg', error)}") from None
