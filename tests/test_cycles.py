"""No two modules of the package import each other, directly or not, wherever the import stands."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Set
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import outgrow

PACKAGE = Path(outgrow.__file__).parent


def sources(package: Path) -> dict[str, str]:
    """The source of every module, by its dotted name."""
    found = {}
    for file in sorted(package.rglob("*.py")):
        name = ".".join(file.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        found[name] = file.read_text(encoding="utf-8")
    return found


def imports(modules: Mapping[str, str]) -> dict[str, set[str]]:
    """The modules that each module imports: at its top, in functions, and for type checkers only."""
    found: dict[str, set[str]] = {}
    for name, source in modules.items():
        found[name] = set()
        for node in ast.walk(ast.parse(source)):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name} has a relative import"
                parts = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [part if part in modules else str(node.module) for part in parts]
            found[name] |= {each for each in names if each in modules and each != name}
    return found


def cycle(graph: Mapping[str, Set[str]]) -> list[str]:
    """Modules that import each other in a circle, the first one again at the end; [] where there are none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other() -> None:
    graph = imports(sources(PACKAGE))
    assert len(graph) > 100
    assert cycle(graph) == []


@pytest.mark.parametrize(
    "source",
    [
        "from p.a import x",
        "from p import a",
        "import p.a",
        "def f():\n    from p.a import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.a import x",
    ],
)
def test_a_cycle_is_found_wherever_the_import_stands(source: str) -> None:
    found = cycle(imports({"p": "", "p.a": "from p.c import y", "p.b": source, "p.c": "import p.b"}))
    assert set(found) == {"p.a", "p.b", "p.c"}
    assert cycle(imports({"p": "", "p.a": "from p.c import y", "p.b": source, "p.c": ""})) == []
