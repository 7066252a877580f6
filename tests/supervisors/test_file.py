"""Labels from a file as a supervisor: what students learn from, what is scored, what a plan says and refuses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from slots import BASE, HEADED, LARGE, SMALL, done

from outgrow.config import experiment_from
from outgrow.experiment.cell import Cell
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.experiment.steps import Relabel, Select
from outgrow.experiment.technique import Technique
from outgrow.graph import Settings, load, walk
from outgrow.labelling.dawid_skene import DawidSkene
from outgrow.labelling.mean import Mean
from outgrow.metrics.auroc import Auroc
from outgrow.preflight import checked, notes
from outgrow.report.results import read as results_of
from outgrow.store import Store
from outgrow.supervisors.ensemble import Ensemble
from outgrow.supervisors.file import File, FileLabels
from outgrow.tasks.base import Split
from outgrow.types import UserError

(TASK,) = BASE.tasks
ANSWERS = {row.example.id: ("no", "yes")[row.answer.index(1.0)] for row in TASK.load().rows}
SIZES = {**BASE.sizes, "transfer_validation": 12}


def ids_of(split: Split) -> list[str]:
    return [row.id for row in TASK.examples(split, SIZES.get(split), 0).rows]


def write(path: Path, rows: Iterable[tuple[str, ...]], header: str = "id,label") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *map(",".join, rows)]) + "\n")
    return path


def answers(path: Path, ids: Iterable[str] = tuple(ANSWERS)) -> Path:
    """The right answers to some of the questions."""
    return write(path, ((id, ANSWERS[id]) for id in ids))


def experiment(*weak: Any, **changes: Any) -> Experiment:
    return replace(BASE, weak=weak, sizes=SIZES, **changes)


def cell(path: Path, **fields: Any) -> Cell:
    (found,) = cells(experiment(File(path=str(path), **fields).pinned()))
    return found


def test_a_student_learns_from_the_labels_of_a_file(tmp_path: Path) -> None:
    found = cell(answers(tmp_path / "llm.csv"))
    assert not done(found, tmp_path / "store").failures
    store = Store(str(tmp_path / "store"))
    assert load(found.floor, store).correct.tolist() == [1.0] * 50
    assert load(found.label_accuracy, store).correct.tolist() == [1.0] * 40
    assert (found.supervisors, found.direct) == ((), None)


def test_what_is_not_labelled_is_neither_learned_nor_counted(tmp_path: Path) -> None:
    """Of the 50 test questions the first 30 have labels, the first 6 of them wrong: 24 of 30 are right."""
    test, transfer, validation = map(ids_of, ("test", "transfer", "transfer_validation"))
    wrong = {"no": "yes", "yes": "no"}
    label = {id: ANSWERS[id] for id in (*test[:30], *transfer[::2], *validation[:5])}
    path = write(tmp_path / "llm.csv", ((id, wrong[label[id]] if id in test[:6] else label[id]) for id in label))
    found = cell(path)
    assert not done(found, tmp_path / "store").failures
    store = Store(str(tmp_path / "store"))
    correct = load(found.floor, store).correct
    assert (np.isnan(correct).sum(), np.nansum(correct)) == (20, 24)
    assert isinstance(found.student_fit.examples, Select)
    assert [row.id for row in load(found.student_fit.examples, store).rows] == transfer[::2]
    assert load(found.label_accuracy, store).correct.shape == (20,)
    record = next(each for each in results_of(experiment(File(path=str(path)).pinned()), store).records)
    assert record.value("floor") == pytest.approx(24 / 30)
    assert record.value("coverage") == pytest.approx(30 / 50)


@pytest.mark.parametrize("changes", [{}, {"metric": Auroc(), "tasks": HEADED}])
def test_without_labels_of_test_there_is_no_floor_and_all_else(changes: dict[str, Any], tmp_path: Path) -> None:
    path = answers(tmp_path / "llm.csv", [*ids_of("transfer"), *ids_of("transfer_validation")])
    grid = experiment(File(path=str(path)).pinned(), **changes)
    (found,) = cells(grid)
    assert not done(replace(found, frozen_probe=None), tmp_path / "store").failures  # a fake model has no features
    store = Store(str(tmp_path / "store"))
    scores = load(found.floor, store)
    assert np.isnan(scores.correct).all()
    assert scores.probs is None or np.isnan(scores.probs).all()
    record = results_of(grid, store).records[0]
    assert record.value("floor") is None
    assert record.value("pgr") is None
    assert record.value("student") is not None
    assert any("without labels of test there is no floor and no PGR" in note for note in notes(grid, Settings()))


def test_several_annotators_are_aggregated_by_the_rules_of_the_method(tmp_path: Path) -> None:
    path = write(
        tmp_path / "crowd.csv",
        ((id, label, label if i % 3 else "", "yes") for i, (id, label) in enumerate(ANSWERS.items())),
        "id,ann,bob,eve",
    )
    crowd = File(path=str(path), annotators=("ann", "bob", "eve")).pinned()
    methods = (Technique(), Technique(label="ds", rules=(DawidSkene(),)))
    mean, skene = cells(experiment(crowd, methods=methods, tasks=HEADED))
    for found, rule in ((mean, Mean()), (skene, DawidSkene())):
        labels = found.student_fit.labels
        assert isinstance(labels, Relabel)
        assert labels.rule == rule
        assert [step.annotator for step in labels.labels if isinstance(step, FileLabels)] == ["ann", "bob", "eve"]
        assert not done(replace(found, frozen_probe=None), tmp_path / "store").failures
    store = Store(str(tmp_path / "store"))
    (floor,) = {found.floor for found in (mean, skene)}
    assert load(floor, store).correct.mean() > 0.8, "two of three are right"
    assert load(skene.label_accuracy, store).correct.mean() == 1, "eve's vote says nothing"


def test_too_few_overlapping_votes_are_refused_before_a_run(tmp_path: Path) -> None:
    """Eve votes once in the validation slice: what a file says is known. So is that a model votes on everything."""
    validation = set(ids_of("transfer_validation")[1:])
    rows = [(id, label, label, "" if id in validation else "yes") for id, label in ANSWERS.items()]
    path = write(tmp_path / "crowd.csv", rows, "id,ann,bob,eve")
    crowd = File(path=str(path), annotators=("ann", "bob", "eve")).pinned()
    technique = Technique(rules=(DawidSkene(),))
    with pytest.raises(UserError, match=r"fakes, transfer_validation: Dawid-Skene is not identified: .* 0 of 3 do"):
        cells(experiment(crowd, methods=(technique,), tasks=HEADED))
    cells(experiment(crowd, methods=(Technique(),), tasks=HEADED))
    both = Ensemble(members=(SMALL, crowd)).pinned()
    assert cells(experiment(both, methods=(technique,), tasks=HEADED))


def test_a_file_joins_an_ensemble(tmp_path: Path) -> None:
    pair = Ensemble(members=(SMALL, File(path=str(answers(tmp_path / "llm.csv")))))
    assert pair.name == f"{SMALL.name} + file/llm"
    (found,) = cells(experiment(pair.pinned()))
    assert isinstance(found.floor.predictions, Relabel)
    assert [type(step).__name__ for step in found.floor.predictions.labels] == ["Predict", "FileLabels"]
    second = File(path=str(answers(tmp_path / "other.csv")))
    with pytest.raises(UserError, match="an ensemble lists one content twice"):
        experiment(Ensemble(members=(pair.members[1], second))).pinned()


def test_its_content_is_in_the_key_and_its_path_is_not(tmp_path: Path) -> None:
    first = cell(answers(tmp_path / "a" / "llm.csv")).floor
    assert cell(answers(tmp_path / "b" / "other.csv")).floor.key == first.key
    other = cell(answers(tmp_path / "c.csv", [*ANSWERS][::-1])).floor
    assert other.key != first.key


def test_files_of_one_name_are_distinguished_and_columns_of_one_file_too(tmp_path: Path) -> None:
    rows = [(id, label, "yes") for id, label in ANSWERS.items()]
    paths = [write(tmp_path / folder / "llm.csv", rows[i:], "id,gpt,claude") for i, folder in enumerate(("a", "b"))]
    columns = [File(path=str(path), label=label) for path in paths for label in ("gpt", "claude")]
    grid = experiment(*columns).pinned()
    assert [weak.name for weak in grid.weak] == [
        *("file/a/llm (gpt)", "file/a/llm (claude)", "file/b/llm (gpt)", "file/b/llm (claude)")
    ]
    assert [weak.name for weak in experiment(columns[0], Ensemble(members=(columns[2], LARGE))).weak] == [
        "file/a/llm (gpt)",
        f"file/b/llm (gpt) + {LARGE.name}",
    ]
    with pytest.raises(UserError, match=r"weak lists 'file/llm \(gpt\)' twice"):
        experiment(columns[0], columns[0])


def test_no_step_of_it_reads_the_ground_truth(tmp_path: Path) -> None:
    found = cell(answers(tmp_path / "llm.csv"))
    behind = {type(step).__name__ for step in walk([found.student_fit])}
    assert behind == {"Fit", "FileLabels", "Prepare", "Select"}


def test_a_plan_counts_labels_and_unknown_ids(tmp_path: Path) -> None:
    """Half of the transfer questions of seed 0 have labels; those of seed 1 are others."""
    transfer = ids_of("transfer")
    path = answers(tmp_path / "llm.csv", [*transfer[:20], *ids_of("transfer_validation"), *ids_of("test")[:30]])
    path.write_text(path.read_text() + f"stranger,no\nelsewhere,no\n{transfer[0]},{ANSWERS[transfer[0]]}\n")
    weak = File(path=str(path)).pinned()
    (note,) = notes(experiment(weak), Settings())
    assert note == (
        "supervisor file/llm on task fakes: labels 20 of 40 examples of transfer, 12 of 12 examples of "
        "transfer_validation, 30 of 50 examples of test; 2 of its 65 rows name no example of the task; "
        "1 labels are given twice"
    )
    second = sum(row.id in transfer[:20] for row in TASK.examples("transfer", 40, 1).rows)
    (note,) = notes(experiment(weak, seeds=(0, 1)), Settings())
    assert f"labels {second} to 20 of 40 examples of transfer," in note
    (note,) = notes(experiment(Ensemble(members=(SMALL, weak))), Settings())
    assert "20 of 40" in note


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("stranger", "no")], "task fakes: .*none of its 1 rows names an example"),
        ([(id, "nope") for id in ANSWERS], "task fakes: .*row 1: 'nope' is not a class of the task"),
        ([(id, "") for id in ANSWERS], "task fakes: .*labels no example"),
        ([(id, "yes") for id in ANSWERS], "gives all 40 labels of transfer to the class 'yes': nothing can be learned"),
        ([(id, ANSWERS[id]) for id in ids_of("test")], "labels none of the 40 examples of transfer .seed 0."),
        ([(id, ANSWERS[id]) for id in ids_of("transfer")], "labels none of the 12 examples of transfer_validation"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_before_a_run(
    rows: list[tuple[str, ...]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message) as error:
        checked(experiment(File(path=str(write(tmp_path / "llm.csv", rows)))), Settings())
    assert all("\n" not in message for message in error.value.messages)


def test_a_file_that_is_not_there_or_has_changed_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.csv"):
        checked(experiment(File(path=str(tmp_path / "gone.csv"))), Settings())
    found = cell(answers(tmp_path / "llm.csv"))
    answers(tmp_path / "llm.csv", [*ANSWERS][1:])
    failures = done(found, tmp_path / "store").failures
    assert failures
    assert all("has changed since the experiment was planned" in failure.error_text for failure in failures)


def test_a_document_names_it(tmp_path: Path) -> None:
    answers(tmp_path / "labels" / "llm.csv")
    table = {"task": "fakes:FakeTask", "strong": "fakes:FakeModel/large"}
    named = {"name": "file", "path": "labels/llm.csv", "annotators": ["a", "b"], "classes": ["no", "yes"]}
    (weak,) = experiment_from({**table, "weak": [named]}, folder=tmp_path).weak
    path = str(tmp_path / "labels" / "llm.csv")
    assert weak == File(path=path, annotators=("a", "b"), classes=("no", "yes"))
    for wrong, message in (
        ({"name": "file"}, "needs a field 'path'"),
        ({**named, "form": "logits"}, "auto.*classes.*probabilities.*scores"),
        ({**named, "label": "x"}, "annotators and label are given"),
        ({**named, "digest": "x"}, "no field called 'digest'"),
    ):
        with pytest.raises(UserError, match=message):
            experiment_from({**table, "weak": wrong}, folder=tmp_path)
