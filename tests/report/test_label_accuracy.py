"""How right the labels are that students learn from, and what fits have to say of themselves, against numbers by hand.

The 20 examples of transfer are t00 … t19; a supervisor of skill 16 labels the first 16 rightly.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from invented import Know, Riddles, computed, experiment
from test_page import spec

from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.experiment.steps import Select
from outgrow.experiment.technique import Technique
from outgrow.graph import Context
from outgrow.labelling.base import Rule
from outgrow.losses.base import Loss
from outgrow.methods.base import Predictor, TrainingData
from outgrow.models.base import Model
from outgrow.report import tables
from outgrow.report.page import html
from outgrow.report.results import read, records
from outgrow.store import Store
from outgrow.tasks.base import Readout
from outgrow.types import Doubles, Labels


@dataclass(frozen=True, kw_only=True)
class Last(Rule):
    """Keeps the last ten."""

    selects: ClassVar[bool] = True

    def apply(self, labels_given: Sequence[Labels], features: Doubles | None = None) -> Labels:
        (labels,) = labels_given
        return labels.take(np.argsort(labels.ids)[-10:])


def close(value: float) -> object:
    return pytest.approx(value, abs=1e-6)


def test_label_accuracy_by_hand(tmp_path: Path) -> None:
    """16 of 20 are right, the same for all seeds: variance 0.8 · 0.2 / 19 of the mean, t(19) = 2.0930241.

    Of the last ten 6 are right. Ground truth is all right: not less than 0.025^(1/20).
    """
    methods = (Technique(), Technique(label="last", rules=(Last(),)), Technique(label="truth", oracle="labels"))
    planned, store = experiment(methods=methods), Store(str(tmp_path))
    assert not computed(planned, store).failures
    naive, last, truth = read(planned, store).aggregates
    half = 2.0930241 * (0.8 * 0.2 / 19) ** 0.5
    assert (naive.value("label_accuracy"), naive.estimates["label_accuracy"].low) == (close(0.8), close(0.8 - half))
    assert naive.estimates["label_accuracy"].high == close(0.8 + half)
    assert naive.value("floor") == close(0.4)
    assert last.value("label_accuracy") == close(0.6)
    assert (truth.value("label_accuracy"), truth.estimates["label_accuracy"].high) == (1, 1)
    assert truth.estimates["label_accuracy"].low == close(0.025 ** (1 / 20))
    assert [r.value("label_accuracy") for r in read(planned, store).records if r.method == "naive"] == [close(0.8)] * 4
    selected = next(cell for cell in cells(planned) if cell.method.label == "last")
    assert isinstance(selected.label_accuracy.examples, Select)


def test_the_labels_stand_beside_the_floor(planned: Experiment, finished: Store) -> None:
    found = read(planned, finished).aggregates
    head, _, first = tables.text(found, "md").splitlines()[:3]
    assert head.split(" | ")[4:8] == ["PGR", "floor", "labels", "direct"]
    assert first.split(" | ")[6].startswith("80.0 (")
    page = html(planned, finished)
    assert '<th scope="col">floor</th><th scope="col">labels</th><th scope="col">direct</th>' in page
    assert "accuracy of the labels that the student is trained on" in spec(page).text


def test_labels_that_are_not_scored_yet_leave_a_row_unfinished(planned: Experiment, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    computed(planned, store)
    for cell in cells(planned):
        (tmp_path / "manifests" / f"{cell.label_accuracy.key}.json").unlink(missing_ok=True)
    found = read(planned, store)
    assert {(r.status, r.value("label_accuracy")) for r in found.records} == {("missing", None)}
    assert found.aggregates[0].value("pgr") == close(0.5)  # what does not need them is stated
    assert {p.step.title for p in found.problems} == {"score riddles-cats transfer"}


# ---- notes


@dataclass(frozen=True, kw_only=True)
class Noting(Know):
    """Says something of its fit, where it is a student with seed 1 or where it learns from ground truth."""

    note: str = "the loss was not finite at update 9; the check after epoch 1 was kept"

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        found = super().fit(model, readout, loss, data, seed, ctx)
        if seed == 1:
            (found.folder / "notes.json").write_text(json.dumps([self.note]))
        return found


NOTE = Noting(skill=32).note


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Store]:
    planned = experiment(student=Noting(skill=32), supervisor=Know(skill=16))
    store = Store(str(tmp_path_factory.mktemp("noted")))
    assert not computed(planned, store).failures
    return planned, store


def test_a_note_is_in_the_records_that_it_is_of(noted: tuple[Experiment, Store]) -> None:
    expected = [f"{role}, seed 1, mind/big: {NOTE}" for role in ("student", "ceiling", "direct")]
    assert [row["notes"] for row in records(*noted)] == [expected, [], expected, []]
    json.dumps(records(*noted))


def test_a_note_is_a_footnote_at_the_number_concerned(noted: tuple[Experiment, Store]) -> None:
    text = tables.text(read(*noted).records, "md")
    row = text.splitlines()[2].split(" | ")
    assert [bool("[" in cell) for cell in row[5:10]] == [True, False, True, True, True]  # floor, labels, direct, …
    assert row[8].startswith("60.0 [3][4] (")  # a caveat, and the note
    assert f"[4] student, seed 1, mind/big: {NOTE}" in text
    assert text.count(NOTE) == 3  # once each for direct, student and ceiling
    page = html(*noted)
    assert page.count(f"{NOTE}.</li>") == 3
    assert 'data-head="student" data-value="0.6"><b>60.0</b><sup><a href="#note-2">2</a></sup>' in page
    assert f'<li id="note-3" value="3">student, seed 1, mind/big: {NOTE}.</li>' in page
    assert 'data-head="floor" data-value="0.4"><b>40.0</b><sup><a href="#note-1">1</a></sup>' in page
    assert page.count("The supervisor is not clearly better than a random choice") == 1
    spec(page)


def test_notes_are_looked_for_only_where_there_are_some(
    planned: Experiment, finished: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[object] = []
    plain = Store.fetch
    monkeypatch.setattr(Store, "fetch", lambda self, key, only=None: fetched.append(only) or plain(self, key, only))
    read(planned, finished)
    assert fetched
    assert {"notes.json"} not in fetched


def test_notes_that_are_no_sentences_break_nothing(tmp_path: Path) -> None:
    for i, data in enumerate(('{"a": 1}', "[1, null]", "[", '"one"')):
        planned = experiment(tasks=(Riddles(topic=f"no {i}"),), seeds=(1,), student=Raw(skill=32, data=data))
        store = Store(str(tmp_path / str(i)))
        assert not computed(planned, store).failures
        assert all(isinstance(note, str) for row in records(planned, store) for note in row["notes"])


@dataclass(frozen=True, kw_only=True)
class Raw(Know):
    data: str

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        found = super().fit(model, readout, loss, data, seed, ctx)
        (found.folder / "notes.json").write_text(self.data)
        return found
