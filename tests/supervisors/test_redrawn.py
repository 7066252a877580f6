"""Supervisors of the same kind with another seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from slots import BASE, MEDIUM, SMALL

from outgrow.config import read
from outgrow.experiment.grid import cell_setup, cells
from outgrow.experiment.steps import Fit, Predict
from outgrow.graph import Settings
from outgrow.supervisors.ensemble import Ensemble
from outgrow.supervisors.file import File
from outgrow.supervisors.redrawn import APART, Redrawn
from outgrow.supervisors.simulated import Corrupt, Simulated
from outgrow.types import UserError

SETUP = cell_setup(BASE, BASE.tasks[0], 0)


def test_a_model_learns_other_examples_of_weak_train_and_labels_the_same() -> None:
    """As the supervisor of an experiment with that seed does: its fit is that fit."""
    (labels,) = Redrawn(supervisor=SMALL, draw=2).labels(SETUP, SETUP.splits["transfer"])
    assert isinstance(labels, Predict)
    assert isinstance(labels.fitted, Fit)
    assert labels.examples == SETUP.splits["transfer"]
    elsewhere = cells(replace(BASE, seeds=(2 * APART,)))[0].supervisors[0]
    assert labels.fitted == elsewhere
    assert labels.fitted.key != cells(BASE)[0].supervisors[0].key


def test_simulated_errors_are_drawn_anew() -> None:
    player = Simulated(accuracy=0.5)
    steps = [each.labels(SETUP, SETUP.splits["transfer"])[0] for each in (player, Redrawn(supervisor=player))]
    assert [step.seed for step in steps if isinstance(step, Corrupt)] == [0, APART]
    assert steps[0].key != steps[1].key


def test_an_ensemble_of_draws_has_members_that_differ() -> None:
    together = Ensemble(members=(SMALL, Redrawn(supervisor=SMALL, draw=1), Redrawn(supervisor=SMALL, draw=2)))
    assert together.name == "fakes/small + fakes/small (draw 1) + fakes/small (draw 2)"
    assert len({step.key for step in together.labels(SETUP, SETUP.splits["transfer"])}) == 3
    assert len(cells(replace(BASE, weak=(together,)))) == 1


def test_what_has_no_other_draw_is_refused(tmp_path: Path) -> None:
    labels = "".join(f"q{i},{('no', 'yes')[i % 2]}\n" for i in range(600))
    (tmp_path / "labels.csv").write_text(f"id,label\n{labels}")
    file = File(path=str(tmp_path / "labels.csv")).pinned()
    with pytest.raises(UserError, match=r"labels alike with every seed, so it has no other draw: name it by itself"):
        Redrawn(supervisor=file).check(SETUP, Settings())
    Redrawn(supervisor=SMALL).check(SETUP, Settings())
    with pytest.raises(UserError, match="draw is 0: give a whole number of at least 1"):
        Redrawn(supervisor=SMALL, draw=0)


def test_it_follows_its_supervisor() -> None:
    redrawn = Redrawn(supervisor=SMALL)
    assert redrawn.fitted
    assert not Redrawn(supervisor=Simulated(accuracy=0.5)).fitted
    assert redrawn.map_models(lambda _: MEDIUM).models == (MEDIUM,)


def test_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text(
        'task = "chess-puzzles"\nstrong = "ladder/knight"\n'
        'weak = [["ladder/pawn", { name = "redrawn", supervisor = "ladder/pawn", draw = 3 }]]\n'
    )
    (weak,) = read(tmp_path / "e.toml").weak
    assert isinstance(weak, Ensemble)
    assert weak.members[1] == Redrawn(supervisor=weak.members[0], draw=3)
