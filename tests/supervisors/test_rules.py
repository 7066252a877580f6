"""Rules as supervisors: their identity, coverage, and what is refused before a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from slots import HEADED

from outgrow.config import experiment_from
from outgrow.experiment.data import Prepare
from outgrow.experiment.setup import CellSetup
from outgrow.graph import Settings
from outgrow.source import resolved
from outgrow.supervisors.rules import RuleLabels, Rules
from outgrow.tasks.base import SPLITS
from outgrow.types import UserError

(TASK,) = HEADED
RULES = "def one(text):\n    return 'no' if len(text) % 2 else None\n\ndef two(text):\n    return 'yes'\n"


@pytest.fixture
def setup() -> CellSetup:
    splits = {split: Prepare(task=TASK, split=split, n=10) for split in SPLITS}
    return CellSetup(task=TASK, splits=splits, recipe=lambda model: None, seed=0)  # type: ignore[arg-type, return-value]


def rules(folder: Path, text: str = RULES) -> Rules:
    (folder / "mine.py").write_text(text)
    return Rules(path=str(folder / "mine.py"))


def keys(supervisor: Rules, setup: CellSetup) -> list[str]:
    return [step.key for step in supervisor.pinned().labels(setup, setup.splits["test"])]


def test_each_function_is_an_annotator_known_by_its_code(tmp_path: Path, setup: CellSetup) -> None:
    made = rules(tmp_path)
    steps = made.pinned().labels(setup, setup.splits["test"])
    assert [step.function for step in steps if isinstance(step, RuleLabels)] == ["one", "two"]
    assert all(step.partial for step in steps)
    before = keys(made, setup)
    assert keys(rules(tmp_path, f"# a comment\n{RULES}"), setup) == before
    assert not set(keys(rules(tmp_path, RULES.replace("'yes'", "'no'")), setup)) & set(before)
    (tmp_path / "other").mkdir()
    assert keys(rules(tmp_path / "other"), setup) == before, "not by its path"
    assert (made.name, replace(made, alias="a/mine").name) == ("rules/mine", "a/mine")


def test_the_note_says_what_is_covered(tmp_path: Path, setup: CellSetup) -> None:
    (note,) = rules(tmp_path).pinned().notes([setup])
    assert note.startswith(
        f"supervisor rules/mine on task {TASK.name}: 2 functions label 10 of 10 examples of transfer,"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def one(text):\n    return None\n", "labels none of the 10 examples of transfer .* write rules that say"),
        ("def one(text):\n    return 'no'\n", "gives all 10 labels of transfer to the class 'no'"),
        ("def one(text):\n    return 'maybe'\n", f"task {TASK.name}: .* is 'maybe', which is not a class"),
    ],
)
def test_what_cannot_label_is_refused_before_a_run(text: str, message: str, tmp_path: Path, setup: CellSetup) -> None:
    with pytest.raises(UserError, match=message):
        rules(tmp_path, text).pinned().check(setup, Settings())


def test_no_plugins_refuses_it_without_running_it(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    rules(tmp_path, f"open({str(ran)!r}, 'w')\n{RULES}")
    table = {"task": "fakes:FakeTask", "strong": "fakes:FakeModel/large"}
    experiment = experiment_from({**table, "weak": [{"name": "rules", "path": "mine.py"}]}, folder=tmp_path)
    with pytest.raises(UserError, match=r"(is code|is from outside the package), which --no-plugins"):
        resolved(experiment, plugins=False)
    nlp = {
        "task": {"name": "nlp", "set": "sst2"},
        "strong": "minilm/l3",
        "weak": [{"name": "rules", "path": "mine.py"}],
    }
    with pytest.raises(UserError, match=r"mine\.py is code, which --no-plugins"):
        resolved(experiment_from(nlp, folder=tmp_path), plugins=False)
    assert not ran.exists()
