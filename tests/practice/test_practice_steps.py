"""Weak labels times what audited rows teach, by hand."""

from __future__ import annotations

from pathlib import Path

import cheap
import pytest

from outgrow.executors.inline import Inline
from outgrow.experiment.data import LabelsStep, Prepare
from outgrow.graph import load, run
from outgrow.practice.data import PracticeData
from outgrow.practice.steps import Annotated, Audited, TimesAudited
from outgrow.practice.task import task_of
from outgrow.store import Store


def test_times_audited_by_hand(tmp_path: Path) -> None:
    """The second source stands for the predictions of the model."""
    n = 12
    texts, _ = cheap.rows(n)
    weak = [[0.8, 0.2], [0.6, 0.4], *[[0.3, 0.7]] * (n - 2)]
    answers = [[0.9, 0.1], [0.1, 0.9], *[[0.5, 0.5]] * (n - 2)]
    both = [[a, b] for a, b in zip(weak, answers, strict=True)]
    gold = [None, None, 0, 1, *[None] * (n - 4)]
    data = PracticeData.from_values(both, texts, classes=cheap.CLASSES, gold=gold, annotators=("weak", "model"))
    task = task_of(data)
    every = Prepare(task=task, split="test")
    step = TimesAudited(
        examples=every,
        labels=Annotated(examples=every, annotator="weak"),
        predictions=Annotated(examples=every, annotator="model"),
        audited=Audited(examples=Prepare(task=task, split="weak_train")),
    )
    found = done(step, tmp_path)
    # Two audited rows and two classes: half of a prediction is no information.
    first = 0.8 * (0.45 + 0.25), 0.2 * (0.05 + 0.25)
    assert found["0"] == pytest.approx([first[0] / sum(first), first[1] / sum(first)], abs=1e-6)
    second = 0.6 * (0.05 + 0.25), 0.4 * (0.45 + 0.25)
    assert found["1"] == pytest.approx([second[0] / sum(second), second[1] / sum(second)], abs=1e-6)
    assert (found["2"], found["3"]) == ([1, 0], [0, 1])
    assert found["4"] == pytest.approx([0.3, 0.7])


def done(step: LabelsStep, folder: Path) -> dict[str, list[float]]:
    store = Store(str(folder))
    with Inline() as executor:
        assert not run([step], store, executor).failures
    labels = load(step, store)
    return {id: row.tolist() for id, row in zip(labels.ids, labels.rows(), strict=True)}


def test_gaps_stay_gaps_and_audited_rows_have_their_ground_truth(tmp_path: Path) -> None:
    texts, truth = cheap.rows(12)
    data = PracticeData.from_values([None, None, *truth[2:]], texts, gold=[truth[0], *[None] * 11])
    task = task_of(data)
    every = Prepare(task=task, split="test")
    own = Annotated(examples=every, annotator=data.annotations.annotators[0])
    step = TimesAudited(
        examples=every, labels=own, predictions=own, audited=Audited(examples=Prepare(task=task, split="weak_train"))
    )
    found = done(step, tmp_path)
    assert "1" not in found
    assert found["0"] == [float(name == truth[0]) for name in data.classes]
