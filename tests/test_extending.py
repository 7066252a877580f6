"""The pages on plug-ins and on tasks: the files that they show are written and run, the sets that they list are all."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from contracts.samples import tiny_checkpoint
from text_files import reviews, write_jsonl

import outgrow
from outgrow.config import read
from outgrow.executors.base import Executor
from outgrow.experiment.steps import Features
from outgrow.graph import identity, walk
from outgrow.labelling.base import Rule
from outgrow.methods.base import FeatureData
from outgrow.methods.finetune import Finetune
from outgrow.plugins import FOLDERS, find, names
from outgrow.report.measures import MEASURES
from outgrow.text.sets import TABLE
from outgrow.trackers.base import Tracked
from outgrow.training.linear import Design
from outgrow.types import Labels

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "extending.md").read_text()
FILES = dict(re.findall(r"<!-- test: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
SMALL = ("sizes.weak_train=40", "sizes.transfer=40", "sizes.transfer_validation=10", "sizes.validation=10")
SETS = (*SMALL, "sizes.test=30", "seeds=[0]")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: every file of the page, its data, and small checkpoints in place of the hub's."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.replace('"org/', '"./'))
    for name in ("small", "large"):
        tiny_checkpoint(tmp_path / name)
    write_jsonl(tmp_path / "reviews.jsonl", reviews(300))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in FILES:
        monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    return tmp_path


def finished(name: str, **others: Any) -> outgrow.Results:
    """The experiment of the page with this name, run on fewer examples."""
    results = outgrow.run(name, on="inline", overrides=SETS, **others)
    assert not results.failures, results.failures[0].error_text
    assert {record["status"] for record in results.records} == {"done"}
    return results


def test_every_kind_has_a_complete_example_that_is_short() -> None:
    modules = {name: text for name, text in FILES.items() if name.endswith(".py")}
    assert {f"my_{folder}.py" for folder in FOLDERS.values()} - {"my_labelling.py"} < modules.keys()
    assert modules.keys() >= {"my_rules.py", "my_measures.py"}
    assert {name: text.count("\n") for name, text in modules.items() if text.count("\n") > 35} == {}


def test_both_pages_list_every_kind() -> None:
    contributing = (DOCS.parent / "CONTRIBUTING.md").read_text()
    for kind in FOLDERS:
        assert f"\n| [{kind}](#" in PAGE, kind
        assert f"\n| {kind} | " in contributing or kind == "executor", kind


def test_a_task_written_in_one_file_runs(project: Path) -> None:
    assert finished("sums.toml").records[0]["task"] == "my-tasks"
    task = read("sums.toml").tasks[0]
    answers = task.load().answers
    assert len(answers) == 60 * 60
    assert (answers["30+30"], answers["30+31"]) == ((1.0, 0.0), (0.0, 1.0))
    groups = {row.id: row.group for row in task.examples("test", None, 0).rows}
    assert groups
    assert all(groups["+".join(reversed(id.split("+")))] == group for id, group in groups.items())


def test_a_model_family_written_in_one_file_runs(project: Path) -> None:
    with pytest.raises(outgrow.UserError, match=r"^there is no folder exports/small: export the model first"):
        outgrow.plan("exports.toml")
    (project / "exports").mkdir()
    for name in ("small", "large"):
        (project / name).rename(project / "exports" / name)
    assert {record["strong"] for record in finished("exports.toml").records} == {"my-models/large"}


def test_a_supervisor_written_in_one_file_labels(project: Path) -> None:
    """Every third review is bad, and no word tells: keywords never match, so 0.9 is for the first class, `bad`."""
    results = finished("keywords.toml")
    assert {record["weak"] for record in results.records} == {"keywords", "hf/small", "keywords + hf/small"}
    (floor,) = {record["floor"] for record in results.records if record["weak"] == "keywords"}
    test = results.experiment.tasks[0].examples("test", 30, 0)
    answers = results.experiment.tasks[0].load().answers
    assert floor == pytest.approx(np.mean([answers[id][0] for id in test.ids]))


def test_a_tracker_written_in_one_file_has_every_row_once(project: Path) -> None:
    overrides = [*SETS, 'trackers=["my_trackers:Lines"]', 'weak="words"']
    for _ in range(2):
        results = outgrow.run("quiz.toml", on="inline", overrides=overrides)
        assert (results.failures, results.untracked) == ((), ())
    rows = [json.loads(line) for line in Path("results.jsonl").read_text().splitlines()]
    assert len(rows) == len(results.records)
    assert {row["seed"] for row in rows} == {"0", "all"}
    assert [row["student"] for row in rows] == [record["student"] for record in results.records]


def test_a_loss_written_in_one_file_trains(project: Path) -> None:
    import torch

    loss = read("quiz.toml").methods[1].loss
    assert type(loss).__name__ == "SelfDistillation"
    assert identity(loss) != identity(find("loss", "my_losses:SelfDistillation")())
    # Half-way 0.75 * 0.5 of the target is the student's own (0.25, 0.75): 0.625 * 0.8 + 0.375 * 0.25 = 0.59375.
    logits, weak = torch.tensor([[0.25, 0.75]]).log(), torch.tensor([[0.8, 0.2]])
    assert loss.targets(logits, weak, 0.5)[0].tolist() == pytest.approx([0.59375, 0.40625])
    model, data = tiny.TinyModel(path=str(tiny.checkpoint(project / "model"))), tiny.supervision(24)
    method = Finetune(learning_rate=1e-2)
    predictor = method.fit(model, "head", loss, data, 0, tiny.Scratch(project / "run"))
    labels = method.predict(predictor, "head", data.validation, tiny.SETTINGS, lambda done: None)
    assert labels.ids == data.validation.ids


def test_a_rule_written_in_one_file_changes_labels(project: Path) -> None:
    """0.2 of (0.9, 0.1) becomes (0.1, 0.1): 0.8 * 0.9 + 0.1 = 0.82."""
    assert {record["method"] for record in finished("smooth.toml").records} == {"naive", "smoothed"}
    (rule,) = read("smooth.toml").methods[1].rules or ()
    smoothed = rule.apply([Labels.from_rows(["a"], [(0.9, 0.1)])])
    assert smoothed.row(0).tolist() == pytest.approx([0.82, 0.18])
    with pytest.raises(outgrow.UserError, match="amount"):
        type(rule)(amount=2.0)


def test_a_method_written_in_one_file_learns_from_features(project: Path) -> None:
    """Classes at -1 and 1: a point at 1 has squared distances 4 and 0, so exp(-4) / (1 + exp(-4)) = 0.018."""
    results = finished("centroids.toml")
    assert {record["method"] for record in results.records} == {"finetune", "centroids"}
    assert any(isinstance(step, Features) and step.spec.layer == -2 for step in walk(results.outcome.computed))
    method = read("centroids.toml").methods[1].fit
    features, labels = np.array([[-1.0], [1.0]]), np.eye(2)
    data = FeatureData(
        design=Design(features),
        labels=labels,
        groups=np.arange(2),
        validation_features=features,
        validation_labels=labels,
    )
    probs = method.predict(method.fit(data, results.experiment.methods[0].loss, 0), np.array([[1.0]]))
    assert probs[0].tolist() == pytest.approx([0.018, 0.982], abs=1e-3)


def test_an_executor_written_in_one_file_gives_the_same_numbers(project: Path) -> None:
    kind: type[Executor] = find("executor", "my_executors:Background")
    with kind() as executor:
        found = outgrow.run("smooth.toml", on=executor, overrides=SETS, store="other")
    assert not found.failures
    assert found.records == finished("smooth.toml").records
    assert (
        outgrow.run("smooth.toml", on="my_executors:Background", overrides=SETS, store="other").outcome.computed == ()
    )


def test_a_measure_written_in_one_file_is_a_column(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not outgrow.run("quiz.toml", on="inline").failures
    monkeypatch.setitem(MEASURES, "shortfall", MEASURES["gap"])  # the script's own entry is removed afterwards
    runpy.run_path("my_measures.py", run_name="__main__")
    assert "shortfall" in capsys.readouterr().out
    record = outgrow.results("quiz.toml").records[0]
    assert record["shortfall"] == pytest.approx(record["ceiling"] - record["student"])


def test_errors_written_in_one_file_are_of_a_simulated_supervisor(project: Path) -> None:
    override = 'weak={ name = "simulated", accuracy = 0.8, errors = "my_errors:Long" }'
    results = outgrow.run("smooth.toml", on="inline", overrides=[*SETS, override])
    assert not results.failures
    record = results.records[0]
    assert record["weak"] == "simulated/my-errors-0.8"
    assert record["floor"] == pytest.approx(0.8)
    assert record["label_accuracy"] == pytest.approx(0.8)


def test_an_analysis_written_in_one_file_is_asked_of_a_finished_experiment(project: Path) -> None:
    assert not outgrow.run("quiz.toml", on="inline", overrides=SETS).failures
    results = outgrow.run("quiz.toml", on="inline", overrides=SETS, analyses=["my_analyses:Unlearning"])
    assert results.outcome.computed == ()
    finding = results.findings["my_analyses:Unlearning"]
    lost = [interval.mean for _, interval in finding.table.rows]
    agreed = [record["agreement_right"] for record in results.records if record["seed"] is None]
    assert lost == pytest.approx([1 - share for share in agreed])  # of two classes
    assert finding.sentence == f"Students lose up to {100 * max(lost):.0f} % of what is right."


def test_a_tracker_written_in_one_file_writes_every_row_once(project: Path) -> None:
    tracker = find("tracker", "my_trackers:Lines")(path="results.txt")
    rows = [Tracked(id=name, name=f"naive {name}", params={}, metrics={"student": 0.5}) for name in ("one", "two")]
    assert tracker.write(rows[:1]) == 1
    assert tracker.write(rows) == 1
    assert Path("results.txt").read_text().splitlines() == [
        '{"id": "one", "student": 0.5}', '{"id": "two", "student": 0.5}',
    ]  # fmt: skip


def test_every_loss_is_one_short_file() -> None:
    for name in names("loss"):
        path = Path(__file__).parents[1] / f"src/outgrow/losses/{name.replace('-', '_')}.py"
        assert len(path.read_text().splitlines()) < 70, f"{path.name} is not a short file any more"


def test_the_rules_that_the_page_names_are_of_the_kind_it_says() -> None:
    kinds: dict[str, type[Rule]] = {name: find("rule", name) for name in names("rule")}
    assert kinds["mean"].aggregates
    assert kinds["keep-confident"].selects
    assert kinds["knn"].needs == ("student/features",)


def test_the_page_on_tasks_lists_every_set_with_its_place_on_the_hub() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (\S+|file only) \|", (DOCS / "tasks.md").read_text(), re.MULTILINE)
    assert dict(rows) == {name: entry.hub or "file only" for name, entry in TABLE.items()}


def test_a_metric_of_ones_own_is_the_mean_of_its_values(project: Path) -> None:
    from my_metrics import Confidence  # type: ignore[import-not-found]

    probs = np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
    assert Confidence().values(probs, np.array([1, 0, 1]), ("a", "b")).tolist() == [0.8, 0.5, 0.1]
