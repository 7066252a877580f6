"""What counts as a change of a plug-in: what its syntax tree says, not how it is written."""

from __future__ import annotations

import importlib
import linecache
import sys
from pathlib import Path

import pytest

from outgrow.graph.source import plugin_source_digest, syntax_digest

PLUGIN = '''
"""A plug-in."""
from dataclasses import dataclass

@dataclass(frozen=True, kw_only=True)
class Mine:
    """Its docstring."""

    rate: float = 0.5

    def per_example(self, x):
        """Another."""
        return {"a": x * self.rate, "b": f"{x:.2f}"}
'''
SAME = {
    "a comment": PLUGIN + "# a comment\n",
    "docstrings": PLUGIN.replace("Another.", "Yet another.").replace("A plug-in.", "Mine."),
    "no docstring": PLUGIN.replace('        """Another."""\n', ""),
    "formatting": PLUGIN.replace("rate: float = 0.5", "rate : float=(\n 0.5 )").replace(
        "        return", "\n        return"
    ),
    "quotes": PLUGIN.replace('"a"', "'a'"),
}
OTHER = {
    "a default": PLUGIN.replace("0.5", "0.25"),
    "an operator": PLUGIN.replace("x * self", "x / self"),
    "a string": PLUGIN.replace('"a"', '"c"'),
    "a type": PLUGIN.replace("0.5", "'0.5'"),
    "a format": PLUGIN.replace(".2f", ".3f"),
    "a name": PLUGIN.replace("class Mine", "class Ours"),
    "a string that is not a docstring": PLUGIN.replace("        return", '        x = "s"\n        return'),
}


@pytest.mark.parametrize("name", SAME)
def test_how_it_is_written_does_not_count(name: str) -> None:
    assert SAME[name] != PLUGIN
    assert syntax_digest(SAME[name]) == syntax_digest(PLUGIN)


def test_what_it_says_counts() -> None:
    digests = {syntax_digest(source) for source in (PLUGIN, *OTHER.values())}
    assert len(digests) == 1 + len(OTHER)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = None", "x = False"),
        ("x = 0", "x = ''"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("f(a)(b)", "f(a, b)"),
        ("def f(): pass", "async def f(): pass"),
        ("if a:\n b\nelse:\n c", "if a:\n b\n c"),
        ("a + (b + c)", "(a + b) + c"),
        ("match x:\n case None: pass", "match x:\n case False: pass"),
        ("f(a=1)", "f(b=1)"),
        ("from . import a", "from .. import a"),
    ],
)
def test_programs_that_differ_have_digests_that_differ(one: str, other: str) -> None:
    assert syntax_digest(one) != syntax_digest(other)


def test_a_long_expression_is_no_recursion() -> None:
    assert len(syntax_digest("x = " + " + ".join(["1"] * 900))) == 12


def test_modules_of_the_package_have_a_version_instead() -> None:
    assert plugin_source_digest("outgrow.graph.source") is None


def test_a_comment_keeps_the_key_of_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    step = "from toys import *\n@dataclass(frozen=True, kw_only=True)\nclass Own(Const):\n    more: int = 1\n"
    keys = []
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for text in (step, f"# a comment\n{step}\n", step.replace("int = 1", "int = 2")):
        (tmp_path / "own_steps.py").write_text(text)
        importlib.invalidate_caches()
        sys.modules.pop("own_steps", None)
        plugin_source_digest.cache_clear()
        linecache.clearcache()
        module = importlib.import_module("own_steps")
        keys.append(module.Own(value=1, more=9).key)
    assert keys[0] == keys[1] != keys[2]
