"""Labelling rules as a slot: in which order they are applied, to what, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeMethod, chance
from slots import BASE, HEADED, LARGE, MEDIUM, SMALL, Hard, cell, done, rules, teacher

from outgrow.experiment.grid import cells
from outgrow.experiment.steps import Features, Predict, Relabel, Select
from outgrow.experiment.technique import Technique
from outgrow.graph import Settings, load
from outgrow.labelling.base import Rule
from outgrow.labelling.dawid_skene import DawidSkene
from outgrow.labelling.harden import Harden
from outgrow.labelling.keep_confident import KeepConfident
from outgrow.labelling.keep_random import KeepRandom
from outgrow.labelling.knn import KNN
from outgrow.labelling.mean import Mean
from outgrow.labelling.sharpen import Sharpen
from outgrow.methods.base import Predictor
from outgrow.store import Store
from outgrow.supervisors.ensemble import Ensemble
from outgrow.tasks.base import Readout
from outgrow.types import Examples, Labels, UserError


@dataclass(frozen=True, kw_only=True)
class Graded(FakeMethod):
    """As sure of each example as its id says."""

    def predict(
        self,
        predictor: Predictor,
        readout: Readout,
        examples: Examples,
        settings: Settings,
        progress: Callable[[float], None],
    ) -> Labels:
        sure = [0.5 + 0.5 * chance("sure", row.id) for row in examples.rows]
        return Labels.from_rows(examples.ids, [(p, 1 - p) for p in sure])


def test_rules_are_applied_in_their_order_to_both_sets_of_weak_labels() -> None:
    sharp = Sharpen(temperature=0.25)
    fit = cell(Technique(rules=(sharp, Harden()))).student_fit
    assert rules(fit.labels) == rules(fit.validation_labels) == [sharp, Harden()]
    assert fit.labels.examples == fit.examples
    assert fit.validation_labels.examples == fit.validation
    assert rules(cell(Technique()).student_fit.labels) == []


def test_a_task_may_be_used_to_hard_labels_and_a_technique_may_not_want_them() -> None:
    tasks = (Hard(digest="fake"),)
    assert rules(cell(Technique(), tasks=tasks).student_fit.labels) == [Harden()]
    assert rules(cell(Technique(rules=()), tasks=tasks).student_fit.labels) == []
    assert rules(cell(Technique(chain=(MEDIUM,)), tasks=tasks).student_fit.labels) == [Harden()]


def test_a_rule_that_selects_leaves_fewer_examples_and_the_stopping_slice_whole(tmp_path: Path) -> None:
    found = cell(Technique(rules=(KeepConfident(share=0.5), Harden())))
    fit = found.student_fit
    assert isinstance(fit.examples, Select)
    assert rules(fit.labels) == [KeepConfident(share=0.5), Harden()]
    assert rules(fit.validation_labels) == [Harden()]
    assert found.ceiling == cell(Technique()).ceiling
    assert not done(found, tmp_path).failures
    store = Store(str(tmp_path))
    kept, every = load(fit.examples, store), load(fit.examples.examples, store)
    assert (len(kept), len(every)) == (20, 40)
    assert set(kept.ids) == set(load(fit.labels, store).ids)
    assert [id for id in every.ids if id in set(kept.ids)] == list(kept.ids)


def test_a_rule_that_reads_features_reads_those_of_whoever_learns() -> None:
    fit = cell(Technique(rules=(KNN(),), chain=(MEDIUM,)), tasks=HEADED).student_fit
    for labels, examples in ((fit.labels, fit.examples), (fit.validation_labels, fit.validation)):
        assert isinstance(labels, Relabel)
        assert labels.evidence == (("student/features", Features(source=LARGE, examples=examples)),)
    rung = teacher(fit)
    assert isinstance(rung.labels, Relabel)
    assert rung.labels.evidence == (("student/features", Features(source=MEDIUM, examples=rung.examples)),)


def test_supervisors_of_an_ensemble_label_together(tmp_path: Path) -> None:
    pair = Ensemble(members=(SMALL, MEDIUM))
    (found,) = cells(replace(BASE, weak=(pair,)))
    labels = found.student_fit.labels
    assert isinstance(labels, Relabel)
    assert labels.rule == Mean()
    assert [step.fitted.model for step in labels.labels if isinstance(step, Predict)] == [SMALL, MEDIUM]
    assert found.supervisors == tuple(step.fitted for step in labels.labels if isinstance(step, Predict))
    assert not done(found, tmp_path).failures
    store = Store(str(tmp_path))
    mean = load(labels, store).probs
    assert np.allclose(mean, sum(load(step, store).probs for step in labels.labels) / 2)
    assert len(load(found.floor, store).ids) == 50
    single = cell(Technique())
    assert found.supervisors[0] == single.supervisors[0]
    assert found.ceiling == single.ceiling


def test_how_an_ensemble_is_joined_can_be_chosen_and_means_nothing_for_one_supervisor() -> None:
    technique, three = Technique(rules=(DawidSkene(), Harden())), Ensemble(members=(SMALL, MEDIUM, LARGE))
    (found,) = cells(replace(BASE, tasks=HEADED, weak=(three,), methods=(technique,)))
    assert rules(found.student_fit.labels) == [DawidSkene(), Harden()]
    assert isinstance(found.floor.predictions, Relabel)
    assert found.floor.predictions.rule == Mean()  # one floor for all techniques
    assert rules(cell(technique, tasks=HEADED).student_fit.labels) == [Harden()]


@pytest.mark.parametrize("rule", [KNN(), DawidSkene()], ids=lambda rule: type(rule).__name__)
def test_a_rule_for_classes_is_refused_where_examples_do_not_share_their_choices(rule: Rule) -> None:
    three = (Ensemble(members=(SMALL, MEDIUM, LARGE)),)
    cell(Technique(rules=(rule,)), weak=three, tasks=HEADED)
    with pytest.raises(
        UserError, match=f"{type(rule).__name__} needs a task whose examples share their choices: fakes"
    ):
        cell(Technique(rules=(rule,)), weak=three)


def test_too_few_supervisors_for_a_rule_are_refused_when_the_graph_is_laid() -> None:
    pair = (Ensemble(members=(SMALL, MEDIUM)),)
    with pytest.raises(UserError, match=r"needs 3 supervisors, fakes/small \+ fakes/medium are 2: use mean"):
        cell(Technique(rules=(DawidSkene(),)), weak=pair, tasks=HEADED)
    cell(Technique(rules=(Mean(),)), weak=pair)


@pytest.mark.parametrize(
    ("named", "applied"),
    [
        ((Harden(), KeepConfident()), [KeepConfident(), Harden()]),
        ((Sharpen(), Harden(), KeepConfident()), [KeepConfident(), Sharpen(), Harden()]),
        ((Harden(), KeepConfident(), KeepRandom()), [KeepConfident(), KeepRandom(), Harden()]),
        ((KNN(), KeepConfident(), Harden()), [KNN(), KeepConfident(), Harden()]),
        ((Harden(), KNN(), KeepConfident()), [Harden(), KNN(), KeepConfident()]),
        ((KeepConfident(), KNN(), Harden(), KeepRandom()), [KeepConfident(), KNN(), KeepRandom(), Harden()]),
    ],
)
def test_selections_go_before_what_only_rescales(named: tuple[Rule, ...], applied: list[Rule]) -> None:
    assert rules(cell(Technique(rules=named), tasks=HEADED).student_fit.labels) == applied


def test_the_most_confident_are_kept_although_labels_are_hardened_first(tmp_path: Path) -> None:
    """With a confidence for each example of its own, so that no other choice is as good."""
    found = cell(
        Technique(rules=(Harden(), KeepConfident(share=0.25))),
        recipes={("fakes", "fakes/small"): Graded(), ("fakes", "fakes/large"): FakeMethod()},
    )
    assert not done(found, tmp_path).failures
    store, fit = Store(str(tmp_path)), found.student_fit
    assert isinstance(fit.labels, Relabel)
    labels = load(fit.labels, store)
    given = load(Predict(fitted=found.supervisors[0], examples=fit.labels.examples), store)
    sure = {id: float(row.max()) for id, row in zip(given.ids, given.rows(), strict=True)}
    assert set(labels.ids) == set(sorted(sure, key=lambda id: -sure[id])[:10])
    assert set(labels.probs.tolist()) == {0.0, 1.0}
    assert load(fit, store).notes() == ()


def test_a_selection_among_equals_is_noted_in_the_student(tmp_path: Path) -> None:
    """The fake supervisor is equally sure of everything."""
    found = cell(Technique(rules=(KeepConfident(share=0.25), Harden())))
    assert not done(found, tmp_path).failures
    (note,) = load(found.student_fit, Store(str(tmp_path))).notes()
    assert "10 of the 10 examples kept were drawn at random" in note
    assert load(cell(Technique()).supervisors[0], Store(str(tmp_path))).notes() == ()


@pytest.mark.parametrize(
    ("labels", "applied"),
    [
        (None, [Harden()]),
        ((), []),
        ((KeepConfident(),), [KeepConfident(), Harden()]),
        ((KeepRandom(),), [KeepRandom(), Harden()]),
        ((Mean(), KeepConfident()), [KeepConfident(), Harden()]),
        ((Sharpen(),), [Sharpen()]),
        ((KeepConfident(), Sharpen()), [KeepConfident(), Sharpen()]),
        ((KNN(),), [KNN()]),
    ],
)
def test_a_task_s_own_rules_stay_unless_labels_are_transformed(labels: Any, applied: list[Rule]) -> None:
    found = cell(Technique(rules=labels), tasks=(Hard(digest="fake"),))
    assert rules(found.student_fit.labels) == applied
    assert rules(found.student_fit.validation_labels) == [rule for rule in applied if not rule.selects]


def test_an_ensemble_of_one_model_twice_is_refused() -> None:
    with pytest.raises(UserError, match="lists 'fakes/small' twice"):
        Ensemble(members=(SMALL, SMALL))
