"""Out-of-fold predictions: nobody has learned from the label that he is asked for, and rounds are steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from slots import BASE, LARGE, Headed, cell
from tiny import TinyModel, checkpoint
from worded import WordedHead

from outgrow.executors.inline import Inline
from outgrow.experiment.folds import OtherFolds, OutOfFold, folds_of
from outgrow.experiment.grid import cells
from outgrow.experiment.leaks import check_no_leaks
from outgrow.experiment.steps import Fit, Predict, Relabel, Select
from outgrow.experiment.technique import Technique
from outgrow.graph import load, run, walk
from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule
from outgrow.labelling.cross_fitted_agreement import CrossFittedAgreement
from outgrow.labelling.cross_fitted_product import CrossFittedProduct
from outgrow.methods.head import Head
from outgrow.store import Store
from outgrow.types import Example, Examples, Labels, UserError

HEADED = (Headed(digest="fake"),)


def rows(n: int, each: int = 2) -> Examples:
    return Examples(
        rows=tuple(Example(id=f"e{i}", group=f"g{i // each}", prompt="", choices=("a", "b")) for i in range(n))
    )


def test_groups_are_never_split_and_folds_are_of_one_size() -> None:
    examples = rows(60)
    found = folds_of(examples, 5, seed=3)
    assert np.bincount(found).tolist() == [12] * 5
    assert all(len(set(found[2 * g : 2 * g + 2])) == 1 for g in range(30))
    assert folds_of(examples, 5, seed=4).tolist() != found.tolist()


def test_the_order_of_the_examples_means_nothing() -> None:
    examples = rows(60)
    back = folds_of(replace(examples, rows=examples.rows[::-1]), 5, seed=3)
    assert back[::-1].tolist() == folds_of(examples, 5, seed=3).tolist()


def test_fewer_groups_than_folds_are_refused() -> None:
    with pytest.raises(UserError, match="4 groups of examples cannot be cut into 5 folds"):
        folds_of(rows(8), 5, seed=0)


@dataclass(frozen=True, kw_only=True)
class Confirm(Rule):
    """The out-of-fold predictions themselves."""

    kind: ClassVar[str] = "rule/test-confirm"
    shared_choices: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("student/folds:3",)

    def apply(self, labels: object, evidence: Evidence = NO_EVIDENCE) -> Labels:
        return evidence.predictions["student/folds:3"]


def out_of_fold(labels: object) -> OutOfFold:
    assert isinstance(labels, Relabel)
    ((_, found),) = labels.evidence
    assert isinstance(found, OutOfFold)
    return found


def test_each_fold_is_a_fit_to_the_other_folds() -> None:
    fit = cell(Technique(rules=(Confirm(),)), tasks=HEADED).student_fit
    found = out_of_fold(fit.labels)
    assert found.seed == 0
    for number, predict in enumerate(found.predictions):
        inner = predict.fitted
        assert (inner.model, inner.method) == (LARGE, Head())
        assert isinstance(inner.labels, OtherFolds)
        assert (inner.labels.fold, inner.labels.folds, inner.labels.seed) == (number, 3, 0)
        assert inner.examples == Select(examples=found.examples, labels=inner.labels)
        assert predict.examples == found.examples == fit.examples


def test_the_validation_slice_is_predicted_by_a_fit_to_all_examples() -> None:
    fit = cell(Technique(rules=(Confirm(),)), tasks=HEADED).student_fit
    assert isinstance(fit.validation_labels, Relabel)
    ((_, found),) = fit.validation_labels.evidence
    assert isinstance(found, Predict)
    assert found.examples == fit.validation
    assert found.fitted.examples == fit.examples
    assert isinstance(fit.labels, Relabel)
    assert found.fitted.labels == fit.labels.labels[0]


def test_rounds_are_shared_and_each_is_taught_by_the_one_before() -> None:
    agreement = cell(Technique(rules=(CrossFittedAgreement(rounds=2),)), tasks=HEADED).student_fit.labels
    product = cell(Technique(rules=(CrossFittedProduct(rounds=2),)), tasks=HEADED).student_fit.labels
    training_labels = out_of_fold(product).predictions[0].fitted.labels
    assert isinstance(training_labels, OtherFolds)
    assert training_labels.labels.key == agreement.key
    inner = out_of_fold(agreement).predictions[0].fitted.labels
    assert isinstance(inner, OtherFolds)
    first = inner.labels
    assert isinstance(first, Relabel)
    assert first.rule == CrossFittedAgreement(rounds=1)
    assert isinstance(agreement, Relabel)
    assert first.labels == agreement.labels  # every round selects from all rows


def test_no_ground_truth_reaches_the_folds() -> None:
    found = cell(Technique(rules=(CrossFittedProduct(),)), tasks=HEADED)
    check_no_leaks([found.student_fit])
    inner = [step for step in walk([found.student_fit]) if isinstance(step, Fit) and step.model == LARGE]
    assert len(inner) > 15
    check_no_leaks(inner)


@pytest.mark.parametrize("need", ["student/folds", "student/folds:1", "student/folds:x", "nobody/folds:5"])
def test_other_spellings_are_refused(need: str) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Wrong(Confirm):
        kind: ClassVar[str] = f"rule/test-{need}"
        needs: ClassVar[tuple[str, ...]] = (need,)

    with pytest.raises(UserError, match=f"Wrong needs '{need}'"):
        cell(Technique(rules=(Wrong(),)), tasks=HEADED)


def test_an_example_s_own_label_does_not_move_its_prediction(tmp_path: Path) -> None:
    """With a real head on a tiny model: what is predicted out of fold is what a head without the fold predicts."""
    model = TinyModel(size="bert", digest="tiny", path=str(checkpoint(tmp_path / "bert", "bert")))
    experiment = replace(
        BASE,
        tasks=(WordedHead(digest="worded"),),
        weak=(model,),
        strong=(model,),
        methods=(Technique(rules=(CrossFittedAgreement(rounds=2),)),),
        sizes={"weak_train": 60, "transfer": 60, "transfer_validation": 12, "validation": 12, "test": 40},
        recipes={("worded", model.name): Head()},
        precision="fp32",
    )
    (found,) = cells(experiment)
    store = Store(str(tmp_path / "store"))
    with Inline() as executor:
        assert not run([found.student_fit], store, executor).failures
    labels = found.student_fit.labels
    assert len(load(labels, store)) == pytest.approx(30, abs=1)
    step = out_of_fold(labels)
    answers, examples = load(step, store), load(step.examples, store)
    fold = folds_of(examples, 5, 0)
    for i in range(5):
        mine = np.flatnonzero(fold == i)
        learned = set(load(step.predictions[i].fitted.labels, store).ids)
        assert learned
        assert not learned & {examples.ids[j] for j in mine}
        own = load(step.predictions[i], store)
        assert np.array_equal(answers.take(mine).probs, own.take(mine).probs)
