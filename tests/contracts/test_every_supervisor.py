"""The contract of supervisors: their steps label what they are given, and follow their models."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import FakeMethod
from samples import SUPERVISORS, sample
from slots import HEADED, LARGE, SMALL

from outgrow.experiment.data import LabelsStep, Prepare
from outgrow.experiment.setup import CellSetup
from outgrow.graph import Settings
from outgrow.plugins import names
from outgrow.supervisors.base import Supervisor
from outgrow.tasks.base import SPLITS

(TASK,) = HEADED


@pytest.fixture(params=names("supervisor"))
def supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Supervisor:
    return sample("supervisor", SUPERVISORS, request.param, tmp_path).pinned()


@pytest.fixture
def setup() -> CellSetup:
    splits = {split: Prepare(task=TASK, split=split, n=10) for split in SPLITS}
    return CellSetup(task=TASK, splits=splits, recipe=lambda model: FakeMethod(), seed=0)


def test_its_steps_label_the_examples_that_they_are_given(supervisor: Supervisor, setup: CellSetup) -> None:
    for split in ("transfer", "transfer_validation", "test"):
        steps = supervisor.labels(setup, setup.splits[split])
        assert steps
        assert all(isinstance(step, LabelsStep) and step.examples == setup.splits[split] for step in steps)
        assert [step.key for step in steps] == [step.key for step in supervisor.labels(setup, setup.splits[split])]


def test_it_is_fit_for_a_task_that_it_can_label(supervisor: Supervisor, setup: CellSetup) -> None:
    supervisor.check(setup, Settings())


def test_it_follows_a_change_of_its_models(supervisor: Supervisor) -> None:
    changed = supervisor.map_models(lambda model: LARGE if model == SMALL else model)
    assert changed.models == tuple(LARGE if model == SMALL else model for model in supervisor.models)
    assert (changed == supervisor) == (not supervisor.models)


def test_pinning_it_twice_changes_nothing(supervisor: Supervisor) -> None:
    assert supervisor.pinned() == supervisor


def test_it_has_a_name_and_says_what_it_is(supervisor: Supervisor) -> None:
    assert supervisor.name
    assert type(supervisor).__doc__
