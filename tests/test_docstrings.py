"""Docstrings of the package: everything public has one, which names the errors that it raises."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

import outgrow

MODULES = sorted(
    each.name
    for each in pkgutil.walk_packages(outgrow.__path__, "outgrow.")
    if not each.name.startswith(("outgrow.cli", "outgrow.__main__"))  # the docstring of a command is its help
)
FEWEST_WORDS = 4


def public(name: str) -> Iterator[tuple[str, Any]]:
    """The public classes and functions that a module defines, and the public methods and properties of its classes."""
    module = importlib.import_module(name)
    for own in vars(module).values():
        if not (inspect.isclass(own) or inspect.isfunction(own)) or own.__module__ != name or own.__name__[:1] == "_":
            continue
        yield own.__qualname__, own
        for label, member in vars(own).items() if inspect.isclass(own) else ():
            function = inspect.unwrap(getattr(member, "__func__", getattr(member, "fget", member)))
            if inspect.isfunction(function) and label[:1] != "_":
                yield f"{own.__qualname__}.{label}", function


def raises_user_errors(function: Any) -> bool:
    """Whether the body of a function raises a UserError. What it calls, and inner functions, do not count."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    todo, found = list(ast.iter_child_nodes(tree)), False
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found |= ast.unparse(node.exc.func) in ("UserError", "CollectedError")
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)
    return found


def faults(name: str) -> list[str]:
    """What is wrong with the docstrings of a module. A method without one overrides a documented one, or its name says
    it all."""
    found = []
    for label, each in public(name):
        text = each.__doc__ or ""
        if text.startswith(f"{each.__name__}("):
            text = ""  # what dataclass writes where there is none
        if not text:
            found += [f"{label} has no docstring"] if "." not in label else []
        elif len(text.split()) < FEWEST_WORDS:
            found.append(f"{label}: {text!r} says too little")
        elif inspect.isfunction(each) and raises_user_errors(each) and "UserError" not in text:
            found.append(f"{label} raises UserError and its docstring does not say so")
    return found


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_say_what_is_returned_and_raised(name: str) -> None:
    assert faults(name) == []


def test_the_check_sees_what_it_is_for(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = '''
from dataclasses import dataclass
from outgrow.types import UserError

def bare(): return 1
def short():
    """Gives it."""
def silent(x):
    """The number of things in x."""
    if not x:
        raise UserError("none")
def said(x):
    """The number of things in x. Raises UserError where there are none."""
    raise UserError("none")
@dataclass
class Record:
    x: int
    def check(self):
        """Look at every field of it."""
        raise UserError("wrong")
def _private(): return 1
'''
    (tmp_path / "undocumented.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert faults("undocumented") == [
        "bare has no docstring",
        "short: 'Gives it.' says too little",
        "silent raises UserError and its docstring does not say so",
        "Record has no docstring",
        "Record.check raises UserError and its docstring does not say so",
    ]
