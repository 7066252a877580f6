"""Classes from outside the package: what is wrong with one is a line, and whoever wants none gets none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fakes import FakeMethod, FakeModel, FakeTask
from test_cli import QUIZ

import outgrow
from outgrow.api import executor
from outgrow.config import experiment_from, read
from outgrow.executors.inline import Inline
from outgrow.plugins import find
from outgrow.types import UserError

IMPORTS = """\
from dataclasses import dataclass
from outgrow.executors.base import Executor
from outgrow.labelling.base import Rule
from outgrow.losses.base import Loss
from outgrow.methods.base import FeatureMethod, TextMethod
from outgrow.models.base import Model
from outgrow.supervisors.base import Supervisor
from outgrow.tasks.base import Task
"""
RECORD = "@dataclass(frozen=True, kw_only=True)\n"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a module and give its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(source: str) -> str:
        name = f"plugin_{abs(hash((str(tmp_path), source)))}"
        (tmp_path / f"{name}.py").write_text(source)
        return name

    return write


FAULTS = {
    "it raises": ("\n1 / 0", "plugin.py, line 2: ZeroDivisionError: division by zero"),
    "deep inside": ("import json\njson.loads('{')", "plugin.py, line 2: JSONDecodeError"),
    "several lines": ("raise ValueError('a\\nb')", "plugin.py, line 1: ValueError: a\\nb"),
    "it exits": ("import sys\nsys.exit()", "plugin.py, line 2: SystemExit"),
    "it exits with words": ("raise SystemExit('bye')", "plugin.py, line 1: SystemExit: bye"),
    "it is not valid Python": ("x = 1\ndef f(:", "plugin.py, line 2: SyntaxError: invalid syntax"),
    "it needs what is not there": ("import surely_not_here", "plugin.py, line 1: ModuleNotFoundError: No module named"),
    "not frozen": (f"{IMPORTS}@dataclass\nclass L(Loss):\n    w: int = 1", "plugin.py, line 9: TypeError: "),
    "no class": ("", "has no loss called 'L'. It must subclass Loss"),
    "another class": (f"{IMPORTS}{RECORD}class L(Rule):\n    pass", "has no loss called 'L'. It must subclass Loss"),
    "no dataclass": (f"{IMPORTS}class L(Loss):\n    w: int = 1", "has fields but is not a dataclass: put @"),
    "an unknown annotation": (f"{IMPORTS}{RECORD}class L(Loss):\n    w: 'Nope' = 1", "has an annotation that"),
    "abstract": (
        f"{IMPORTS}from abc import abstractmethod\nclass L(Loss):\n    @abstractmethod\n    def x(self): ...",
        "lacks x: write what a Loss needs",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_a_plug_in_is_one_line_with_its_place(fault: str, plugin) -> None:
    source, expected = FAULTS[fault]
    name = plugin(source)
    with pytest.raises(UserError) as caught:
        find("loss", f"{name}:L")
    assert expected.replace("plugin.py", f"{name}.py") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "base", "lacking"),
    [
        ("task", "Task", "pinned, load"),
        ("model", "Model", "pinned, folder"),
        ("rule", "Rule", "apply"),
        ("method", "TextMethod", "fit"),
        ("method", "FeatureMethod", "feature_spec, fit, predict"),
        ("supervisor", "Supervisor", "labels, name"),
        ("executor", "Executor", "slots, submit"),
    ],
)
def test_a_class_that_is_not_finished_lacks_something(kind: str, base: str, lacking: str, plugin) -> None:
    name = plugin(f"{IMPORTS}{RECORD if base != 'Executor' else ''}class X({base}):\n    pass")
    with pytest.raises(UserError, match=f"'{name}:X' lacks {lacking}: write what a {kind.capitalize()} needs"):
        find(kind, f"{name}:X")


@pytest.mark.parametrize("name", ["a b:c", ".x:Y", "x:", ":", "x:Y:Z", "..:a", "x.:Z", "x:Y.Z"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(UserError, match="write it as package"):
        find("loss", name)


def test_a_record_that_fails_or_that_has_no_key_is_reported_with_its_place(plugin) -> None:
    table = {"task": "fakes:FakeTask", "weak": "fakes:FakeModel/small", "strong": "fakes:FakeModel/large"}
    broken = plugin(f"{IMPORTS}{RECORD}class L(Loss):\n    def __post_init__(self): raise KeyError('x')")
    with pytest.raises(UserError, match=rf"^methods\[0\].loss: {broken}:L failed: KeyError: 'x'"):
        experiment_from(table | {"methods": [{"label": "x", "loss": f"{broken}:L"}]})
    lists = plugin(f"{IMPORTS}{RECORD}class L(Loss):\n    w: list = None")
    with pytest.raises(
        UserError, match=rf"^methods\[0\].loss: {lists}:L failed: TypeError: L.w: \[1\] .list. has no id"
    ):
        experiment_from(table | {"methods": [{"label": "x", "loss": {"name": f"{lists}:L", "w": [1]}}]})


def test_an_executor_that_takes_no_workers(plugin, tmp_path: Path) -> None:
    source = "import outgrow.executors.inline as inline\nclass Mine(inline.Inline):\n    def __init__(self): pass"
    with pytest.raises(UserError, match=r"the executor '.*:Mine' cannot be made: TypeError: "):
        executor(f"{plugin(source)}:Mine", 2)


def test_no_plugins_imports_nothing(plugin, tmp_path: Path) -> None:
    name = plugin("raise SystemExit('imported')")
    path = tmp_path / "quiz.toml"
    path.write_text(QUIZ.replace("fakes:FakeTask", f"{name}:Task"))
    for act in (outgrow.plan, outgrow.results, outgrow.run):
        with pytest.raises(UserError, match=f"line 1: '{name}:Task' is from outside the package"):
            act(path, store=tmp_path / "runs", plugins=False)  # type: ignore[operator]
    with pytest.raises(UserError, match="cannot be imported"):
        outgrow.plan(path, store=tmp_path / "runs")
    assert name not in sys.modules
    assert not (tmp_path / "runs").exists()


def test_no_plugins_lets_the_package_s_own_classes_be(tmp_path: Path) -> None:
    table = {"task": "chess-puzzles", "weak": "ladder/pawn", "strong": "outgrow.models.ladder:Ladder/knight"}
    assert outgrow.plan(table, store=tmp_path, plugins=False).todo


def test_no_plugins_holds_for_records_and_executors(tmp_path: Path) -> None:
    found = outgrow.Experiment(
        tasks=(FakeTask(),),
        weak=(FakeModel(size="small"),),
        strong=(FakeModel(size="large"),),
        recipes={("fakes", "fakes/small"): FakeMethod()},
    )
    with pytest.raises(UserError, match="'fakes:FakeTask' is from outside the package, which --no-plugins"):
        outgrow.plan(found, store=tmp_path, plugins=False)
    with pytest.raises(UserError, match="'fakes:Anything' is from outside the package"):
        executor("fakes:Anything", plugins=False)
    assert isinstance(executor("inline", plugins=False), Inline)


def test_a_plug_in_of_the_file_is_read_where_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "quiz.toml").write_text(QUIZ)
    assert read(tmp_path / "quiz.toml", plugins=True).tasks == (FakeTask(),)
