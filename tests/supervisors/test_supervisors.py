"""Supervisors: the steps that they give, which labels abstain, and how a document names them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from fakes import FakeModel
from slots import BASE, LARGE, MEDIUM, SMALL, done

from outgrow.annotations import Annotations
from outgrow.config import experiment_from
from outgrow.experiment.data import LabelsStep, Prepare
from outgrow.experiment.grid import cells
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Relabel, Select
from outgrow.experiment.technique import Technique
from outgrow.graph import Context, load
from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule
from outgrow.labelling.mean import Mean
from outgrow.store import Store
from outgrow.supervisors.base import Supervisor
from outgrow.supervisors.ensemble import Ensemble
from outgrow.supervisors.fitted import Fitted
from outgrow.training.language_model import Generative
from outgrow.types import Labels, UserError

TABLE: dict[str, Any] = {"task": "fakes:FakeTask", "strong": "fakes:FakeModel/large"}


@dataclass(frozen=True, kw_only=True)
class Crowd(LabelsStep):
    """One annotator who answers one question in `every`, always right."""

    every: int = 1

    @property
    def partial(self) -> bool:
        return self.every > 1

    def run(self, ctx: Context) -> Labels:
        rows = [row for row in ctx.load(self.examples).rows if int(row.id[1:]) % self.every == 0]
        return Labels.from_rows([row.id for row in rows], [np.eye(2)[int(row.prompt[-1])] for row in rows])


@dataclass(frozen=True, kw_only=True)
class Volunteers(Supervisor):
    """Annotators who answer every question, or one in two, one in three ... of those of transfer."""

    name: ClassVar[str] = "volunteers"  # type: ignore[misc]

    every: tuple[int, ...] = (1,)

    def labels(self, setup: CellSetup, examples: Prepare, adapt: Generative | None = None) -> tuple[LabelsStep, ...]:
        abstains = examples.split in ("transfer", "transfer_validation")
        return tuple(Crowd(examples=examples, every=n if abstains else 1) for n in self.every)


def test_a_model_stands_for_itself_fitted() -> None:
    plain, named = (cells(replace(BASE, weak=(weak,))) for weak in (SMALL, Fitted(model=SMALL)))
    assert [cell.targets for cell in plain] == [cell.targets for cell in named]
    assert plain[0].weak.name == SMALL.name
    assert plain[0].supervisors[0].model == SMALL


def test_a_supervisor_without_models_labels_a_student(tmp_path: Path) -> None:
    (cell,) = cells(replace(BASE, weak=(Volunteers(),)))
    assert not done(cell, tmp_path).failures
    assert cell.supervisors == ()
    assert load(cell.floor, Store(str(tmp_path))).correct.mean() == 1
    assert load(cell.label_accuracy, Store(str(tmp_path))).correct.mean() == 1


def test_a_student_learns_from_what_is_labelled(tmp_path: Path) -> None:
    (cell,) = cells(replace(BASE, weak=(Volunteers(every=(3,)),)))
    assert isinstance(cell.student_fit.examples, Select)
    assert isinstance(cell.student_fit.validation, Select)
    assert not done(cell, tmp_path).failures
    store = Store(str(tmp_path))
    for labelled in (cell.student_fit.examples, cell.student_fit.validation):
        whole, rows = load(labelled.examples, store), load(labelled, store)
        assert [row.id for row in rows.rows] == [row.id for row in whole.rows if int(row.id[1:]) % 3 == 0]


def test_annotators_with_gaps_are_joined(tmp_path: Path) -> None:
    (cell,) = cells(replace(BASE, weak=(Volunteers(every=(2, 3)),)))
    labels = cell.student_fit.labels
    assert isinstance(labels, Relabel)
    assert labels.rule == Mean()
    assert labels.partial
    assert not done(cell, tmp_path).failures
    ids = load(labels, Store(str(tmp_path))).ids
    assert ids
    assert all(int(id[1:]) % 2 == 0 or int(id[1:]) % 3 == 0 for id in ids)


def test_members_of_an_ensemble_are_supervisors_of_any_kind() -> None:
    pair = Ensemble(members=(SMALL, Volunteers()))
    assert pair.name == f"{SMALL.name} + volunteers"
    assert pair.models == (SMALL,)
    (cell,) = cells(replace(BASE, weak=(pair,)))
    assert [fit.model for fit in cell.supervisors] == [SMALL]
    assert isinstance(cell.floor.predictions, Relabel)
    assert [type(step).__name__ for step in cell.floor.predictions.labels] == ["Predict", "Crowd"]


def test_upward_pairs_take_a_supervisor_without_weights_for_the_smallest() -> None:
    found = cells(replace(BASE, weak=(Volunteers(), LARGE), strong=(MEDIUM,), pairs="upward"))
    assert [cell.weak.name for cell in found] == ["volunteers"]


@pytest.mark.parametrize(
    ("weak", "expected"),
    [
        ("fakes:FakeModel/small", FakeModel(size="small")),
        ({"name": "fakes:FakeModel", "size": "small"}, FakeModel(size="small")),
        ({"name": "fitted", "model": "fakes:FakeModel/small"}, Fitted(model=FakeModel(size="small"))),
        ({"name": "test_supervisors:Volunteers", "every": [2, 3]}, Volunteers(every=(2, 3))),
        (
            [["fakes:FakeModel/small", "test_supervisors:Volunteers"]],
            Ensemble(members=(FakeModel(size="small"), Volunteers())),
        ),
        (
            {"name": "ensemble", "members": ["fakes:FakeModel/small", "fakes:FakeModel/medium"]},
            Ensemble(members=(FakeModel(size="small"), FakeModel(size="medium"))),
        ),
    ],
)  # fmt: skip
def test_a_document_names_them(weak: Any, expected: Any) -> None:
    assert experiment_from({**TABLE, "weak": weak}).weak == (expected,)


@pytest.mark.parametrize(
    ("weak", "message"),
    [
        ({"name": "fitted"}, "needs a field 'model'"),
        ({"name": "ensemble", "members": "x"}, "members"),
        ({"name": "test_supervisors:Volunteers", "evry": 2}, "Did you mean 'every'"),
        ({"name": "test_supervisors:TABLE"}, "must subclass"),
        ([[]], "weak"),
    ],
)
def test_what_names_none_is_refused(weak: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        experiment_from({**TABLE, "weak": weak})


def test_annotations_and_labels_say_the_same() -> None:
    votes = Annotations.from_matrix("abc", np.array([[0, 0], [1, -1], [-1, 1]]), classes=2)
    assert Mean().apply(votes.labels()).hard().tolist() == [0, 1, 1]


def test_evidence_that_nobody_has_is_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Needy(Rule):
        needs: ClassVar[tuple[str, ...]] = ("supervisor/features",)

        def apply(self, labels: Any, evidence: Evidence = NO_EVIDENCE) -> Labels:
            found: Labels = labels[0]
            return found

    technique = Technique(rules=(Needy(),))
    (cell,) = cells(replace(BASE, methods=(technique,)))
    assert isinstance(cell.student_fit.labels, Relabel)
    ((name, step),) = cell.student_fit.labels.evidence
    assert (name, step.source) == ("supervisor/features", BASE.supervisors[0].models[0])  # type: ignore[union-attr]
    with pytest.raises(UserError, match="Needy needs 'supervisor/features', which volunteers does not have"):
        cells(replace(BASE, weak=(Volunteers(),), methods=(technique,)))


@pytest.mark.parametrize("need", ["student/features@x", "student/features@", "teacher/features", "student/folds:1", ""])
def test_a_need_that_does_not_exist_is_refused(need: str) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Odd(Rule):
        needs: ClassVar[tuple[str, ...]] = (need,)

    if need == "student/features@":  # no layer: the last
        assert cells(replace(BASE, methods=(Technique(rules=(Odd(),)),)))
        return
    with pytest.raises(UserError, match="Odd needs"):
        cells(replace(BASE, methods=(Technique(rules=(Odd(),)),)))
