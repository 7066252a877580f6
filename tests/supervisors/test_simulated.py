"""Simulated supervisors: what they are made of reaches no one else, and their numbers are what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from slots import BASE, HEADED, LARGE, SMALL, done

from outgrow.config import experiment_from
from outgrow.errors.linear import Linear
from outgrow.errors.model import OfModel
from outgrow.errors.one_class import OneClass
from outgrow.errors.uniform import Uniform
from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold
from outgrow.experiment.grid import cells
from outgrow.experiment.leaks import check_no_leaks
from outgrow.experiment.steps import Features
from outgrow.graph import identity, load, walk
from outgrow.store import Store
from outgrow.supervisors.simulated import Corrupt, Simulated
from outgrow.types import UserError


def cell(supervisor: Simulated, **changes: object) -> Cell:
    (found,) = cells(replace(BASE, weak=(supervisor,), **changes))  # type: ignore[arg-type]
    return found


def test_floor_and_label_accuracy_are_what_it_says(tmp_path: Path) -> None:
    found = cell(Simulated(accuracy=0.7))
    assert not done(found, tmp_path).failures
    store = Store(str(tmp_path))
    for score in (found.floor, found.label_accuracy):
        correct = load(score, store).correct
        assert correct.sum() == round(0.7 * len(correct))


def test_its_name_begins_with_simulated_and_says_what_it_is() -> None:
    assert Simulated(accuracy=0.7).name == "simulated/uniform-0.7"
    assert Simulated(accuracy=0.75, errors=OneClass(of="b")).name == "simulated/one-class-b-0.75"
    assert Simulated(accuracy=0.6, errors=OfModel(model=SMALL)).name == "simulated/model-fakes/small-0.6"


def test_the_leak_check_knows_it_by_its_type_and_nothing_else() -> None:
    found = cell(Simulated(accuracy=0.7))
    truths = {step.examples.split for step in walk([found.student_fit]) if isinstance(step, Gold)}
    assert truths == {"transfer", "transfer_validation"}
    check_no_leaks([found.student_fit])
    corrupt = next(step for step in walk([found.student_fit]) if isinstance(step, Corrupt))
    leaking = replace(corrupt, predictions=corrupt.gold)  # the same truth by another door
    with pytest.raises(UserError, match="would read the ground truth of transfer: not a student"):
        check_no_leaks([replace(found.student_fit, labels=leaking)])
    with pytest.raises(UserError, match="would learn from ground truth"):
        check_no_leaks([replace(found.student_fit, labels=corrupt.gold)])


def test_the_model_of_its_errors_is_fitted_to_weak_train_and_pinned() -> None:
    found = cell(Simulated(accuracy=0.7, errors=OfModel(model=SMALL)))
    (fit,) = found.supervisors
    assert fit.model == SMALL
    assert fit.examples.split == "weak_train"
    found = cell(Simulated(accuracy=0.7, errors=Linear(model=LARGE)), tasks=HEADED)
    features = [step for step in walk([found.floor]) if isinstance(step, Features)]
    assert [step.source for step in features] == [LARGE]


def test_what_it_is_made_of_is_in_its_key() -> None:
    def key(supervisor: Simulated, **changes: object) -> str:
        return cell(supervisor, **changes).floor.predictions.key

    keys = {
        key(Simulated(accuracy=0.7)),
        key(Simulated(accuracy=0.8)),
        key(Simulated(accuracy=0.7, errors=OfModel(model=SMALL))),
        key(Simulated(accuracy=0.7), seeds=(1,)),
    }
    assert len(keys) == 4
    assert identity(Uniform()) == {"@kind": "errors/uniform", "@version": 1}


def test_toml_names_errors_alone_or_with_fields() -> None:
    table = {"task": "fakes:FakeTask", "strong": "fakes:FakeModel/large"}

    def read(weak: object) -> object:
        return experiment_from({**table, "weak": weak}).weak[0]

    assert read({"name": "simulated", "accuracy": 0.7}) == Simulated(accuracy=0.7)
    assert read({"name": "simulated", "accuracy": 0.7, "errors": "uniform"}) == Simulated(accuracy=0.7)
    by_class = {"name": "one-class", "of": "b"}
    assert read({"name": "simulated", "accuracy": 0.7, "errors": by_class}).errors == OneClass(of="b")  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"weak.*accuracy is 1.2: give a number between 0 and 1"):
        read({"name": "simulated", "accuracy": 1.2})
    with pytest.raises(UserError, match=r"^no errors called 'unifrom'\. Did you mean 'uniform'\?"):
        read({"name": "simulated", "accuracy": 0.7, "errors": "unifrom"})


def test_errors_that_a_task_cannot_have_are_refused_before_a_run() -> None:
    from outgrow.graph import Settings

    supervisor = Simulated(accuracy=0.7, errors=OneClass())
    with pytest.raises(UserError, match="errors one-class need a task whose examples share their choices"):
        supervisor.check(cell(supervisor).setup, Settings())
