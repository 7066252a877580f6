"""The slots of a method: which fits and steps each means, what they share, and which combinations are refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tiny
from fakes import FakeLoss, FakeMethod, FakeModel, FakeTask
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from slots import BASE, HEADED, LARGE, MEDIUM, SLOW, SMALL, Hard, Worded, cell, done, teacher

from outgrow.executors.inline import Inline
from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold, Prepare
from outgrow.experiment.grid import cells, targets
from outgrow.experiment.pretrained import Adapt
from outgrow.experiment.scoring import Score
from outgrow.experiment.steps import Features, Fit, Predict, Select
from outgrow.experiment.technique import Technique
from outgrow.graph import load, run, walk
from outgrow.labelling.harden import Harden
from outgrow.labelling.keep_confident import KeepConfident
from outgrow.labelling.knn import KNN
from outgrow.labelling.mean import Mean
from outgrow.labelling.sharpen import Sharpen
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.finetune import Finetune
from outgrow.methods.head import Head
from outgrow.models.hf import HF
from outgrow.models.minilm import MiniLM
from outgrow.store import Store
from outgrow.supervisors.ensemble import Ensemble
from outgrow.tasks.base import Readout
from outgrow.training.features import FeatureSpec
from outgrow.training.language_model import Generative
from outgrow.types import UserError


def chain(found: Cell) -> list[Fit]:
    """The fits from the student back to the supervisor."""
    fits = [found.student_fit]
    while fits[-1].examples.split == "transfer":
        fits.append(teacher(fits[-1]))
    return fits


# ---- bootstrapping


def test_each_rung_of_a_chain_labels_for_the_next_and_the_student_keeps_its_own_examples() -> None:
    naive, found = cell(Technique()), cell(Technique(chain=(SMALL, MEDIUM)))
    student, second, first, supervisor = chain(found)
    assert [fit.model for fit in chain(found)] == [LARGE, MEDIUM, SMALL, SMALL]
    assert [fit.examples.part for fit in (student, first, second)] == [0, 1, 2]
    assert student.examples == naive.student_fit.examples
    assert (first.method, second.method) == (FakeMethod(), SLOW)
    assert supervisor == teacher(naive.student_fit)
    assert found.ceiling == naive.ceiling
    assert found.floor == naive.floor
    assert found.zero_shot == naive.zero_shot


def test_a_chain_may_use_the_same_part_throughout() -> None:
    found = cell(Technique(chain=(SMALL, MEDIUM), chain_data="same"))
    assert {fit.examples for fit in chain(found)[:-1]} == {cell(Technique()).student_fit.examples}


def test_the_parts_of_a_chain_share_no_group_and_are_as_large(tmp_path: Path) -> None:
    """Two rows a group: their order alone would put a group's rows into two parts."""
    task = FakeTask(digest="fake")
    parts = [Prepare(task=task, split="transfer", n=40, seed=3, part=part) for part in range(4)]
    with Inline() as executor:
        assert not run(parts, Store(str(tmp_path)), executor).failures
    found = [load(part, Store(str(tmp_path))) for part in parts]
    assert [len(examples) for examples in found] == [40] * 4
    groups = [{row.group for row in examples.rows} for examples in found]
    assert not any(a & b for a, b in combinations(groups, 2))
    order = task.examples("transfer", None, 3)
    assert found[0].ids == order.ids[:40]
    rest = [row.id for row in order.rows if row.group not in groups[0]]
    assert list(found[1].ids) == rest[:40], "in the seed's order"
    assert {row.group for row in order.rows[:40]} & {row.group for row in order.rows[40:80]}, "or this shows nothing"


def test_the_first_part_has_the_key_it_always_had() -> None:
    plain = Prepare(task=FakeTask(digest="fake"), split="transfer", n=40)
    assert plain.key == replace(plain, part=0).key
    assert plain.key != replace(plain, part=1).key


def test_a_chain_runs(tmp_path: Path) -> None:
    found = cell(Technique(chain=(MEDIUM,)))
    assert not done(found, tmp_path).failures
    assert len(load(found.student, Store(str(tmp_path))).ids) == 50


def test_a_transfer_split_that_is_too_small_for_a_chain_says_so(tmp_path: Path) -> None:
    """600 rows of which 33 % are transfer: about 200, and a chain with two rungs asks for 300."""
    found = cell(Technique(chain=(SMALL, MEDIUM)), sizes={**BASE.sizes, "transfer": 100})
    failures = done(found, tmp_path).failures
    assert failures
    assert all(failure.user_error for failure in failures)
    assert 'chain_data = "same"' in failures[0].error_text
    with pytest.raises(UserError, match="needs a size"):
        cell(Technique(chain=(MEDIUM,)), sizes={})
    cell(Technique(chain=(MEDIUM,), chain_data="same"), sizes={})


def test_rungs_are_pinned_like_every_model() -> None:
    loose = replace(BASE, methods=(Technique(chain=(FakeModel(size="medium"),)),))
    assert loose.pinned().methods[0].chain == (MEDIUM,)


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
    assert (found.floor, found.ceiling, found.zero_shot) == (naive.floor, naive.ceiling, naive.zero_shot)


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
    """With next to no learning rate the adapted model is the pretrained one, and the student as if not adapted."""
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
    for rate in (None, 1e-30, 1e-2):
        read = None if rate is None else Generative(learning_rate=rate, epochs=1)
        (one,) = cells(replace(base, methods=(Technique(adapt=read, fit=fit),), recipes={}))
        with Inline() as executor:
            assert not run([one.student.predictions], store, executor).failures
        found[rate] = load(one.student.predictions, store).probs
    assert np.allclose(found[None], found[1e-30], atol=1e-6)
    assert not np.allclose(found[None], found[1e-2], atol=1e-3)


# ---- probes, and oracles


def headed(technique: Technique) -> Cell:
    return cell(technique, tasks=HEADED)


def test_probes_share_the_features_of_a_model_and_their_ceiling_is_finetuned() -> None:
    weak, truth = headed(Technique(fit=Head())), headed(Technique(fit=Head(), oracle="labels"))
    naive = headed(Technique())
    here, validation = weak.student_fit.features or (None, None)
    assert here == Features(source=LARGE, examples=naive.student_fit.examples)
    assert validation == Features(source=LARGE, examples=naive.student_fit.validation)
    assert truth.student_fit.features == weak.student_fit.features
    assert weak.ceiling == truth.ceiling == naive.ceiling
    assert weak.student == weak.frozen_probe == naive.frozen_probe
    assert truth.student_fit.labels == Gold(examples=naive.student_fit.examples)
    deep = headed(Technique(fit=Head(layer=1, pooling="mean"))).student_fit.features
    assert deep is not None
    assert deep[0].spec == FeatureSpec(layer=1, pooling="mean")
    adapted = headed(Technique(fit=Head(), adapt=READ)).student_fit
    assert adapted.start is None
    assert adapted.features is not None
    assert isinstance(adapted.features[0].source, Adapt)


def test_concept_saliency_probes_what_weak_labels_have_made_of_the_student() -> None:
    naive, found = headed(Technique()), headed(Technique(oracle="probe"))
    fit = found.student_fit
    assert fit.method == Head()
    assert fit.features is not None
    assert {each.source for each in fit.features} == {naive.student_fit}
    assert (fit.labels, fit.validation_labels) == (Gold(examples=fit.examples), Gold(examples=fit.validation))
    assert found.ceiling == naive.ceiling


def test_a_student_that_stops_on_ground_truth_watches_its_weak_labels() -> None:
    naive, found = cell(Technique()), cell(Technique(oracle="stop"))
    assert found.student_fit == replace(
        naive.student_fit,
        validation_labels=Gold(examples=naive.student_fit.validation),
        monitored=naive.student_fit.validation_labels,
    )


def test_what_learns_from_ground_truth_is_the_ceiling_but_for_its_slots() -> None:
    assert cell(Technique(oracle="labels")).student_fit == fitted(cell(Technique()).ceiling)
    loss = FakeLoss()
    assert cell(Technique(oracle="labels", loss=loss)).student_fit.loss == loss


def test_what_cheats_is_shown_as_such() -> None:
    assert Technique(label="stop", oracle="stop").shown == "stop (oracle)"
    assert Technique(label="stop").shown == "stop"


def test_both_curves_are_kept_and_the_truth_decides(tmp_path: Path) -> None:
    """The same training twice: what is measured on the weak labels agrees, and each keeps its own best check."""
    base = replace(
        BASE,
        tasks=(Worded(digest="fake"),),
        weak=(HF(size=str(tiny.checkpoint(tmp_path / "model"))).pinned(),),
        strong=(HF(size=str(tiny.checkpoint(tmp_path / "strong", seed=1))).pinned(),),
        recipes={},
    )
    fit, curves = Finetune(learning_rate=1e-2, epochs=3, checks=2, batch=8), []
    for oracle in ("", "stop"):
        (found,) = cells(replace(base, methods=(Technique(fit=fit, oracle=oracle),)))  # type: ignore[arg-type]
        with Inline() as executor:
            assert not run([found.student_fit], Store(str(tmp_path / "store")), executor).failures
        folder = load(found.student_fit, Store(str(tmp_path / "store"))).folder
        curves.append(json.loads((folder / "curve.json").read_text()))
    plain, both = curves
    assert len(both) == len(plain) > 3
    for ours, theirs in zip(plain, both, strict=True):
        assert theirs["training_loss"] == ours["training_loss"]
        assert theirs["monitored_loss"] == ours["validation_loss"]
        assert theirs["monitored_agreement"] == ours["validation_agreement"]
        assert theirs["validation_loss"] != ours["validation_loss"]


@dataclass(frozen=True, kw_only=True)
class WordedHead(Worded):
    readout: ClassVar[Readout] = "head"


def test_every_slot_runs_and_frozen_features_are_computed_once(tmp_path: Path) -> None:
    """Who reads features reads the model's, the naive student's or the adapted model's: each of transfer, of the
    held-out slice and of test; and a direct probe those of weak_train and its validation set."""
    weak, middle, strong = (
        HF(size=str(tiny.checkpoint(tmp_path / name, seed=seed))).pinned()
        for seed, name in enumerate(("weak", "middle", "strong"))
    )
    methods = (
        Technique(label="naive"),
        Technique(label="knn", rules=(KNN(neighbours=3), KeepConfident())),
        Technique(label="probe", fit=Head()),
        Technique(label="probe on truth", fit=Head(), oracle="labels"),
        Technique(label="salient", oracle="probe"),
        Technique(label="adapted probe", adapt=READ, fit=Head()),
        Technique(label="chain", chain=(middle,), oracle="stop"),
    )
    planned = replace(
        BASE,
        tasks=(WordedHead(digest="fake"),),
        weak=(Ensemble(members=(weak, middle)),),
        strong=(strong,),
        methods=methods,
        recipes={("test-technique", f"hf/{name}"): Finetune(epochs=1) for name in ("weak", "middle", "strong")},
    )
    found = cells(planned)
    with Inline() as executor:
        outcome = run(targets(found), Store(str(tmp_path / "store")), executor)
    assert not outcome.failures
    read = [step for step in outcome.computed if isinstance(step, Features)]
    own = [step.examples.split for step in read if step.source == strong]
    assert sorted(own) == ["test", "transfer", "transfer_validation", "validation", "weak_train"]
    assert len(read) == 5 + 3 + 3  # of the model, its direct included; of the naive student; of the adapted model


# ---- no ground truth without cheating, whatever the slots

SLOTS = st.fixed_dictionaries(
    {
        "adapt": st.sampled_from([None, READ]),
        "chain": st.sampled_from([(), (MEDIUM,), (SMALL, MEDIUM)]),
        "chain_data": st.sampled_from(["fresh", "same"]),
        "rules": st.sampled_from(
            [None, (), (Harden(),), (Mean(), Sharpen()), (KNN(), KeepConfident()), (KeepConfident(), Harden())]
        ),
        "loss": st.sampled_from([CrossEntropy(), FakeLoss()]),
        "fit": st.sampled_from([None, Head(), FakeMethod(seconds=0.002)]),
        "oracle": st.sampled_from(["", "", "labels", "stop", "probe"]),
    }
)


@given(
    slots=SLOTS, task=st.sampled_from([FakeTask(digest="fake"), *HEADED, Hard(digest="fake")]), several=st.booleans()
)
@settings(max_examples=150, deadline=None)
def test_no_ground_truth_reaches_a_student_that_does_not_cheat(slots: Any, task: FakeTask, several: bool) -> None:
    weak: Any = Ensemble(members=(SMALL, MEDIUM)) if several else SMALL
    try:
        found = cell(Technique(**slots), tasks=(task,), weak=(weak,))
    except UserError:
        assume(False)
    golds = {step.examples.split for step in walk([found.student_fit]) if isinstance(step, Gold)}
    if slots["oracle"]:
        assert golds & {"transfer", "transfer_validation"}
    else:
        assert golds == {"weak_train", "validation"}
    for step in walk([found.student_fit, *(score.predictions for score in found.targets)]):
        feature_spec = {each.split for each in step.inputs() if isinstance(each, Prepare)}
        assert "test" not in feature_spec or not isinstance(step, Fit | Adapt | Gold | Select)
        assert not isinstance(step, Fit) or "test" not in {
            each.split for each in walk([step]) if isinstance(each, Prepare)
        }
    assert fitted(found.ceiling).examples == setup(found).part(0)
    assert fitted(found.ceiling).loss == CrossEntropy()
    assert fitted(found.ceiling).start is None


def setup(found: Cell) -> Any:
    from outgrow.experiment.grid import cell_setup

    return cell_setup(BASE, found.task, found.seed)


# ---- what is refused


@pytest.mark.parametrize(
    ("slots", "message"),
    [
        ({"chain_data": "same"}, "give chain"),
        ({"chain": (MEDIUM, MEDIUM)}, "twice"),
        ({"rules": (Harden(), Mean())}, "comes first"),
        ({"oracle": "labels", "chain": (MEDIUM,)}, "remove chain and rules"),
        ({"oracle": "labels", "rules": (Harden(),)}, "remove chain and rules"),
    ],
)
def test_combinations_that_make_no_sense_are_refused_by_name(slots: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Technique(**slots)


@pytest.mark.parametrize(("slots", "message"), [({"oracle": "probe"}, "finetuned")])
@pytest.mark.parametrize("by", ["method", "recipe"])
def test_what_a_probe_cannot_do_is_refused_before_anything_runs(slots: dict[str, Any], message: str, by: str) -> None:
    probed = Technique(fit=Head(), **slots) if by == "method" else Technique(**slots)
    recipes = BASE.recipes if by == "method" else {**BASE.recipes, ("fakes", "fakes/large"): Head()}
    with pytest.raises(UserError, match=message):
        cell(probed, tasks=HEADED, recipes=recipes)


@pytest.mark.parametrize("slots", [{"fit": Head()}, {"oracle": "probe"}])
def test_a_probe_is_refused_where_examples_do_not_share_their_choices(slots: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="share their choices: fakes"):
        cell(Technique(**slots))
