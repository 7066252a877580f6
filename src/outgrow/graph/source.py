"""A digest of the source of a module outside this package, in place of versions that its author would bump."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from functools import cache
from typing import Any


@cache
def plugin_source_digest(module: str) -> str | None:
    """A digest of the syntax tree of a module outside this package: 12 hex digits, None inside it.

    Comments, formatting and docstrings do not count: results stay valid when only they change.
    """
    if module.partition(".")[0] == __name__.partition(".")[0]:
        return None
    try:
        return syntax_digest(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError, SyntaxError):
        raise TypeError(f"the source of {module} cannot be read: define its classes in a file") from None


def syntax_digest(source: str) -> str:
    """12 hex digits over the nodes, breadth first: types and fields. Empty fields are left out: Pythons add some."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        _drop_docstring(node)
    total = hashlib.sha256()
    for node in ast.walk(tree):
        fields = [(name, _shape(value)) for name, value in ast.iter_fields(node) if _is_given(name, value)]
        total.update(repr((type(node).__name__, fields)).encode("utf-8", "backslashreplace"))
    return total.hexdigest()[:12]


def _is_given(name: str, value: Any) -> bool:
    return name == "value" or not (name == "kind" or value is None or value == [])


def _drop_docstring(node: ast.AST) -> None:
    match node:
        case (
            ast.Module(body=[ast.Expr(value=ast.Constant(value=str())), *rest])
            | ast.ClassDef(body=[ast.Expr(value=ast.Constant(value=str())), *rest])
            | ast.FunctionDef(body=[ast.Expr(value=ast.Constant(value=str())), *rest])
            | ast.AsyncFunctionDef(body=[ast.Expr(value=ast.Constant(value=str())), *rest])
        ):
            node.body = rest


def _shape(value: Any) -> Any:
    if isinstance(value, list):
        return [_shape(each) for each in value]
    return "" if isinstance(value, ast.AST) else repr(value)
