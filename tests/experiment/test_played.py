"""Answers that are judged by ground truth and by what each choice loses, at several temperatures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from slots import BASE, Losing

from outgrow.analyses.teachers import Teachers
from outgrow.executors.inline import Inline
from outgrow.experiment.grid import cells
from outgrow.experiment.played import Play, Played, play
from outgrow.graph import load, run
from outgrow.store import Store
from outgrow.types import Labels

# Two examples: of two moves the first is right, of three the last two. Wrong moves lose 0.5, 0.2 and nothing else.
PREDICTED = Labels.from_rows(["a", "b"], [[0.25, 0.75], [0.5, 0.25, 0.25]])
TRUTH = Labels.from_rows(["a", "b"], [[1, 0], [0, 0.5, 0.5]])
LOSSES = np.array([0.0, 0.5, 0.2, 0.0, 0.0])


def judged() -> Play:
    return play(PREDICTED, TRUTH, LOSSES, ("g", "h"), (1.0, 0.5))


def test_right_and_lost_by_hand() -> None:
    """At a half the probabilities are 0.1 and 0.9, and 2/3, 1/6 and 1/6. The most probable moves are both wrong."""
    found = judged()
    assert found.right.tolist() == [pytest.approx([0.25, 0.5]), pytest.approx([0.1, 1 / 3]), [0, 0]]
    assert found.lost.tolist() == [pytest.approx([0.375, 0.1]), pytest.approx([0.45, 2 / 15]), [0.5, 0.2]]
    assert found.guessed.tolist() == [pytest.approx([1 / 2, 2 / 3]), pytest.approx([0.25, 0.2 / 3])]


def test_it_is_stored_and_read_back(tmp_path: Path) -> None:
    found = judged()
    found.save(tmp_path)
    again = Play.load(tmp_path)
    assert (again.ids, again.groups) == (("a", "b"), ("g", "h"))
    assert all((getattr(again, name) == getattr(found, name)).all() for name in ("right", "lost", "guessed"))
    assert again.of(("b",)).lost.tolist() == found.lost[:, 1:].tolist()


def test_only_examples_with_known_losses_are_judged(tmp_path: Path) -> None:
    """The fake task knows what is lost by every other question; its right choice loses nothing, the other a half."""
    (cell,) = cells(replace(BASE, tasks=(Losing(digest="fake"),), analyses=(Teachers(temperatures=(1.0,)),)))
    step = cell.evidence["teachers"]["student"]
    assert isinstance(step, Played)
    store = Store(str(tmp_path))
    with Inline() as executor:
        assert not run([step, cell.student], store, executor).failures
    found, score = load(step, store), load(cell.student, store)
    right = dict(zip(score.ids, score.correct.tolist(), strict=True))
    assert set(found.ids) == {id for id in right if int(id[1:]) % 2 == 0}
    assert found.right[-1].tolist() == [right[id] for id in found.ids]
    assert found.lost[-1].tolist() == [0.5 * (1 - right[id]) for id in found.ids]


def test_losses_are_in_its_key() -> None:
    """Other values of moves are another judgement."""
    one, other = (
        cells(replace(BASE, tasks=(Losing(digest="fake", valued=valued),), analyses=(Teachers(),)))[0]
        for valued in ("first", "second")
    )
    assert one.student.key == other.student.key
    assert one.evidence["teachers"]["student"].key != other.evidence["teachers"]["student"].key


def test_losses_that_have_changed_since_the_plan_are_not_read(tmp_path: Path) -> None:
    (cell,) = cells(replace(BASE, tasks=(Losing(digest="fake"),), analyses=(Teachers(),)))
    step = cell.evidence["teachers"]["student"]
    assert isinstance(step, Played)
    with Inline() as executor:
        outcome = run([replace(step, digest="of another file")], Store(str(tmp_path)), executor)
    assert "fakes: what choices lose has changed since the plan: run it again" in outcome.failures[0].error_text
