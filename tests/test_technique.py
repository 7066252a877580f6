"""The slots of a method: which fits and steps each means, what they share, and which combinations are refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from fakes import FakeMethod, FakeModel, FakeTask

from outgrow.executors.inline import Inline
from outgrow.experiment import Cell, Experiment, cells, targets
from outgrow.graph import Outcome, load, run, walk
from outgrow.methods.finetune import Finetune
from outgrow.models.hf import HF
from outgrow.models.minilm import MiniLM
from outgrow.steps import Adapt, Fit, Gold, Harden, Predict, Prepare, Score
from outgrow.store import Store
from outgrow.tasks.base import Row, Source
from outgrow.technique import Technique
from outgrow.training.continuing import Generative
from outgrow.types import Example, UserError

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


@dataclass(frozen=True, kw_only=True)
class Worded(FakeTask):
    """Questions that the tiny models can read."""

    rows: int = 400

    def load(self) -> Source:
        rows = []
        for i in range(self.rows):
            example = Example(id=f"q{i}", group=f"g{i}", prompt=f"w{i % 40} w{i % 7}", choices=("a", "b"))
            rows.append(Row(example=example, answer=(float(i % 2), 1.0 - i % 2)))
        return Source(rows)


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


# ---- generative supervision

READ = Generative(epochs=1.0)


def fitted(score: Score | None) -> Fit:
    assert score is not None
    assert isinstance(score.predictions, Predict)
    return score.predictions.fitted


def test_an_adapted_student_starts_from_a_model_that_has_read_its_inputs() -> None:
    naive, found = cell(Technique()), cell(Technique(adapt=READ))
    start = found.student_fit.start
    assert start is not None
    assert (start.model, start.examples, start.validation) == (
        LARGE,
        naive.student_fit.examples,
        naive.student_fit.validation,
    )
    assert replace(found.student_fit, start=None) == naive.student_fit
    assert not any(isinstance(step, Gold) for step in walk([start]))
    assert (found.floor, found.ceiling, found.untrained) == (naive.floor, naive.ceiling, naive.untrained)


def test_beside_it_stand_a_supervisor_and_a_ceiling_that_are_adapted_likewise() -> None:
    found = cell(Technique(adapt=READ))
    floor, ceiling = fitted(found.matched_floor), fitted(found.matched_ceiling)
    assert ceiling.start == found.student_fit.start
    assert replace(ceiling, start=None) == fitted(found.ceiling)
    assert floor.start is not None
    assert (floor.start.model, floor.start.examples) == (SMALL, fitted(found.floor).examples)
    assert replace(floor, start=None) == fitted(found.floor)
    assert {found.matched_floor, found.matched_ceiling} < set(found.targets)
    assert cell(Technique()).matched_ceiling is None
    assert None not in cell(Technique()).targets


def test_an_encoder_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="minilm/l6 is an encoder"):
        cell(Technique(adapt=READ), strong=(MiniLM(size="l6", digest="any"),), recipes={})
    model = HF(size=str(tiny.checkpoint(tmp_path / "small-bert", "bert"))).pinned()
    transfer = Prepare(task=FakeTask(digest="fake"), split="transfer", n=10)
    with Inline() as executor:
        step = Adapt(model=model, method=READ, examples=transfer, validation=transfer)
        (failure,) = run([step], Store(str(tmp_path / "store")), executor).failures
    assert failure.user_error
    assert "hf/small-bert" in failure.error_text


def test_a_fit_starts_from_the_weights_that_were_adapted(tmp_path: Path) -> None:
    """With a learning rate of zero the adapted model is the pretrained one, and the student as if not adapted."""
    model = HF(size=str(tiny.checkpoint(tmp_path / "model"))).pinned()
    task = Worded(digest="fake")
    base = replace(
        BASE,
        tasks=(task,),
        weak=(model,),
        strong=(HF(size=str(tiny.checkpoint(tmp_path / "strong", seed=1))).pinned(),),
    )
    fit = Finetune(learning_rate=1e-3, epochs=1)
    store = Store(str(tmp_path / "store"))
    found = {}
    for rate in (None, 0.0, 1e-2):
        read = None if rate is None else Generative(learning_rate=rate, epochs=1)
        (one,) = cells(replace(base, methods=(Technique(adapt=read, fit=fit),), recipes={}))
        with Inline() as executor:
            assert not run([one.student.predictions], store, executor).failures
        found[rate] = load(one.student.predictions, store).probs
    assert np.allclose(found[None], found[0.0], atol=1e-6)
    assert not np.allclose(found[None], found[1e-2], atol=1e-3)


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
