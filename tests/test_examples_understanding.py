"""The examples of analyses: what they ask, and, shrunk, that each analysis finds something."""

from __future__ import annotations

from pathlib import Path

import pytest
from text_files import REPOSITORY

import outgrow
from outgrow.experiment.grid import cells
from outgrow.plugins import names
from outgrow.source import resolved

ANALYSES = {
    "understanding": {"imitation", "calibration", "difficulty"},
    "easy-to-hard": {"easy-to-hard"},
    "leakage": {"twins", "leakage"},
    "saliency-layers": {"saliency"},
    "understanding-text": {"imitation", "calibration", "label-worth"},
    "error-structure": {"error-structure"},
    "teachers": {"teachers"},
    "estimate": {"without-truth"},
    "learning-curve": {"learning-curve", "stopping"},
    "label-mix": {"label-worth", "label-mix"},
    "label-mix-chess": {"label-worth", "label-mix"},
}
FIVE = ", ".join(f'{{name = "nlp", set = "{name}"}}' for name in ("mr", "subj", "clickbait", "sst2", "emotion"))
FEWER = {"estimate": [f"task=[{FIVE}]"]}  # as many as it needs to predict each from the others
SMALL = ("weak_train=60", "transfer=60", "transfer_validation=40", "validation=40", "test=80")


def test_together_they_ask_every_question() -> None:
    assert set.union(*ANALYSES.values()) == set(names("analysis"))


def test_on_the_ladder_the_students_are_of_three_sizes() -> None:
    experiment = resolved(REPOSITORY / "examples/understanding.toml")
    assert {analysis.name for analysis in experiment.analyses} == ANALYSES["understanding"]
    found = cells(experiment)
    assert len({cell.strong.name for cell in found}) == 3
    assert all(set(cell.evidence) == ANALYSES["understanding"] and all(cell.evidence.values()) for cell in found)


def test_on_text_the_simulated_supervisors_are_as_good_and_differ(data: Path) -> None:
    pytest.importorskip("onnx", reason="pip install 'outgrow[models]'")
    found = cells(resolved(REPOSITORY / "examples/understanding-text.toml"))
    assert {analysis for cell in found for analysis in cell.evidence} == ANALYSES["understanding-text"]
    structures = cells(resolved(REPOSITORY / "examples/error-structure.toml"))
    simulated = {cell.weak for cell in structures}
    assert simulated <= {cell.weak for cell in found}
    assert {each.accuracy for each in simulated} == {0.82}  # type: ignore[attr-defined]
    assert len(simulated) == 4
    assert {cell.method.shown: type(cell.student_fit.loss).__name__ for cell in structures} == {
        "naive": "CrossEntropy",
        "confidence": "Confidence",
    }


def test_teachers_are_one_four_alike_and_four_that_differ() -> None:
    found = [cell for cell in cells(resolved(REPOSITORY / "examples/teachers.toml")) if cell.seed == 0]
    assert [len(cell.weak.parts) for cell in found] == [1, 4, 4, 1, 4, 4]
    labels = [[labels for part in cell.weak.parts for labels in part.labels(cell.setup, cell.test)] for cell in found]
    assert all(len({step.key for step in own}) == len(own) for own in labels)  # no two of a cell are one
    assert all(set(cell.evidence["teachers"]) >= {"student", "teacher/0"} for cell in found)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ANALYSES)
def test_shrunk_each_analysis_finds_something(name: str, data: Path, tmp_path: Path) -> None:
    overrides = [*(f"sizes.{size}" for size in SMALL), *FEWER.get(name, [])]
    found = outgrow.run(
        REPOSITORY / f"examples/{name}.toml", store=tmp_path, on="inline", overrides=overrides, seeds=[0, 1]
    )
    assert not found.failures, found.failures[0].error_text
    for analysis in ANALYSES[name]:
        finding = found.findings[analysis]
        assert finding.table.rows, analysis
        assert finding.figure is not None, analysis
    assert found.report(tmp_path / "page.html").read_text().count("data-analysis=") == len(ANALYSES[name])
