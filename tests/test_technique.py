"""The slots of a method: which fits and steps each means, what they share, and which combinations are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeMethod, FakeModel, FakeTask

from outgrow.executors.inline import Inline
from outgrow.experiment import Cell, Experiment, cells, targets
from outgrow.graph import Outcome, load, run
from outgrow.steps import Fit, Harden, Predict, Prepare
from outgrow.store import Store
from outgrow.technique import Technique
from outgrow.types import UserError

SMALL, MEDIUM, LARGE = (FakeModel(size=size).pinned() for size in ("small", "medium", "large"))
SLOW = FakeMethod(seconds=0.001)
BASE = Experiment(
    tasks=(FakeTask(digest="fake"),),
    weak=(SMALL,),
    strong=(LARGE,),
    seeds=(0,),
    sizes={"weak_train": 60, "transfer": 40, "test": 50},
    recipes={("fakes", "fakes/small"): FakeMethod(), ("fakes", "fakes/medium"): SLOW, ("fakes", "fakes/large"): SLOW},
)


def cell(technique: Technique, **changes: Any) -> Cell:
    (found,) = cells(replace(BASE, methods=(technique,), **changes))
    return found


def done(found: Cell, folder: Path) -> Outcome:
    with Inline() as executor:
        return run(targets([found]), Store(str(folder)), executor)


def teacher(fit: Fit) -> Fit:
    """Whose labels a fit learns from, and stops on."""
    labels, held = (each.labels if isinstance(each, Harden) else each for each in (fit.labels, fit.validation_labels))
    assert isinstance(labels, Predict)
    assert isinstance(held, Predict)
    assert labels.fitted == held.fitted
    assert (labels.examples, held.examples) == (fit.examples, fit.validation)
    return labels.fitted


def chain(found: Cell) -> list[Fit]:
    """The fits from the student back to the supervisor."""
    fits = [found.student_fit]
    while fits[-1].examples.split == "transfer":
        fits.append(teacher(fits[-1]))
    return fits


# ---- bootstrapping


def test_each_rung_of_a_chain_labels_for_the_next_and_the_student_keeps_its_own_examples() -> None:
    naive, found = cell(Technique()), cell(Technique(via=(SMALL, MEDIUM)))
    student, second, first, supervisor = chain(found)
    assert [fit.model for fit in chain(found)] == [LARGE, MEDIUM, SMALL, SMALL]
    assert [fit.examples.skip for fit in (student, first, second)] == [0, 40, 80]
    assert student.examples == naive.student_fit.examples
    assert (first.method, second.method) == (FakeMethod(), SLOW)
    assert supervisor == teacher(naive.student_fit)
    assert found.ceiling == naive.ceiling
    assert found.floor == naive.floor
    assert found.untrained == naive.untrained


def test_a_chain_may_use_the_same_part_throughout() -> None:
    found = cell(Technique(via=(SMALL, MEDIUM), shares="same"))
    assert {fit.examples for fit in chain(found)[:-1]} == {cell(Technique()).student_fit.examples}


def test_the_parts_of_a_chain_share_no_row_and_follow_one_another(tmp_path: Path) -> None:
    parts = [Prepare(task=FakeTask(digest="fake"), split="transfer", n=40, seed=3, skip=skip) for skip in (0, 40, 80)]
    with Inline() as executor:
        assert not run(parts, Store(str(tmp_path)), executor).failures
    ids = [id for part in parts for id in load(part, Store(str(tmp_path))).ids]
    assert ids == list(FakeTask(digest="fake").examples("transfer", 120, 3).ids)
    assert len(set(ids)) == 120


def test_a_part_that_is_not_skipped_has_the_key_it_always_had() -> None:
    plain = Prepare(task=FakeTask(digest="fake"), split="transfer", n=40)
    assert plain.key == replace(plain, skip=0).key
    assert plain.key != replace(plain, skip=40).key


def test_a_chain_runs(tmp_path: Path) -> None:
    found = cell(Technique(via=(MEDIUM,)))
    assert not done(found, tmp_path).failures
    assert len(load(found.student, Store(str(tmp_path))).ids) == 50


def test_a_transfer_split_that_is_too_small_for_a_chain_says_so(tmp_path: Path) -> None:
    """600 rows of which 33 % are transfer: about 200, and a chain with two rungs asks for 300."""
    found = cell(Technique(via=(SMALL, MEDIUM)), sizes={**BASE.sizes, "transfer": 100})
    failures = done(found, tmp_path).failures
    assert failures
    assert all(failure.user_error for failure in failures)
    assert 'shares = "same"' in failures[0].error_text
    with pytest.raises(UserError, match="needs a size"):
        cell(Technique(via=(MEDIUM,)), sizes={})
    cell(Technique(via=(MEDIUM,), shares="same"), sizes={})


def test_rungs_are_pinned_like_every_model() -> None:
    loose = replace(BASE, methods=(Technique(via=(FakeModel(size="medium"),)),))
    assert loose.pinned().methods[0].via == (MEDIUM,)


# ---- what is refused


@pytest.mark.parametrize(
    ("slots", "said"),
    [
        ({"shares": "same"}, "give via"),
        ({"via": (MEDIUM, MEDIUM)}, "twice"),
    ],
)
def test_combinations_that_make_no_sense_are_refused_by_name(slots: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Technique(**slots)
