"""The page on supervisors: every kind has a section, and its files are written and run."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import tiny
from contracts.samples import tiny_checkpoint
from text_files import REPOSITORY, reviews, write_jsonl

import outgrow
from outgrow.config import experiment_from
from outgrow.graph import Settings
from outgrow.plugins import names
from outgrow.preflight import notes

PAGE = (REPOSITORY / "docs" / "supervisors.md").read_text()
FILES = dict(re.findall(r"<!-- test: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
SETS = (
    *("sizes.weak_train=40", "sizes.transfer=40", "sizes.transfer_validation=10", "sizes.validation=10"),
    *("sizes.test=30", "seeds=[0]"),
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: every file of the page, its data, and small checkpoints in place of the hub's."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.replace('"org/', '"./'))
    for name in ("small", "large"):
        tiny_checkpoint(tmp_path / name)
    tiny.checkpoint(tmp_path / "causal")
    write_jsonl(tmp_path / "reviews.jsonl", reviews(300))
    monkeypatch.chdir(tmp_path)
    runpy.run_path("label.py")
    return tmp_path


def finished(name: str) -> outgrow.Results:
    results = outgrow.run(name, on="inline", overrides=SETS)
    assert not results.failures, results.failures[0].error_text
    assert {record["status"] for record in results.records} == {"done"}
    return results


def test_every_kind_is_on_the_page() -> None:
    kinds = set(re.findall(r'"(words|file|zero-shot|rules|simulated|redrawn)"', PAGE))
    assert kinds == set(names("supervisor")) - {"fitted", "ensemble"}
    for link in re.findall(r"\]\(#([\w-]+)\)", PAGE):
        assert f"## {link.replace('-', ' ')}" in PAGE.lower(), link


def test_a_file_of_labels_labels(project: Path) -> None:
    """Of every ten reviews one has no label and one, of the first nine that have, a wrong one: i % 10 == 1 is one of
    the eight that are labelled."""
    results = finished("llm.toml")
    record = results.records[0]
    assert record["weak"] == "file/llm"
    test = results.experiment.tasks[0].examples("test", 30, 0)
    numbers = [int(re.match(r"film(\d+)", row.prompt)[1]) for row in test.rows]  # type: ignore[index]
    labelled = [i for i in numbers if i % 5]
    assert record["coverage"] == pytest.approx(len(labelled) / 30)
    assert record["floor"] == pytest.approx(sum(i % 10 != 1 for i in labelled) / len(labelled))
    (note,) = notes(results.experiment, Settings())
    assert note.startswith("supervisor file/llm on task text/reviews: labels ")
    assert "0 of its 240 rows name no example" in note


def test_rules_label(project: Path) -> None:
    """Reviews whose number is 4 more than a multiple of 6 have no label; the others are right."""
    results = finished("rules.toml")
    record = results.records[0]
    assert record["weak"] == "rules/rules"
    test = results.experiment.tasks[0].examples("test", 30, 0)
    numbers = [int(re.match(r"film(\d+)", row.prompt)[1]) for row in test.rows]  # type: ignore[index]
    assert record["coverage"] == pytest.approx(sum(i % 6 != 4 for i in numbers) / 30)
    assert record["floor"] == 1
    (note,) = notes(results.experiment, Settings())
    assert note.startswith("supervisor rules/rules on task text/reviews: 2 functions label ")


def test_a_zero_shot_model_labels(project: Path) -> None:
    record = finished("asked.toml").records[0]
    assert record["weak"] == "zero-shot hf/causal (w1, w2)"
    assert record["direct"] is None


def test_several_label_together(project: Path) -> None:
    records = finished("together.toml").records
    assert {record["weak"] for record in records} == {"hf/small + words + file/llm"}
    assert {record["method"] for record in records} == {"mean", "dawid-skene"}


def test_the_lines_of_the_page_are_supervisors(project: Path) -> None:
    table = {"task": {"name": "text", "path": "reviews.jsonl", "prompt": "{title}", "label": "sentiment"}}
    import tomllib

    lines = [tomllib.loads(line.replace('"org/', '"./')) for line in re.findall(r"^    (weak = .*)$", PAGE, re.M)]
    found = [experiment_from({**table, **line, "strong": "./large"}).supervisors for line in lines]
    assert [[supervisor.name for supervisor in each] for each in found] == [
        ["hf/small"],
        ["words", "words (ngrams 1-1, min df 2)"],
        ["simulated/uniform-0.7", "simulated/one-class-0.7"],
        ["hf/small + hf/small (draw 1)"],
    ]


def test_every_structure_of_errors_is_on_the_page() -> None:
    section = PAGE.partition("## Simulated errors")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(?:\{ name = \")?([\w-]+)", section, re.M)) == set(names("errors"))
