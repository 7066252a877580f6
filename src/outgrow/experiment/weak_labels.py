"""The labels that a student learns from: those of its labeller, changed by the rules of a technique.

Rules and what they need become steps, so whatever two techniques share is computed once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from outgrow.annotations import Bools
from outgrow.cache import cached
from outgrow.content import digest_of_code
from outgrow.experiment.data import LabelsStep, Prepare
from outgrow.experiment.folds import OtherFolds, OutOfFold
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Features, Fit, Relabel, predicted
from outgrow.experiment.technique import Technique
from outgrow.graph import identity
from outgrow.labelling.base import Rule
from outgrow.labelling.dawid_skene import votes_of
from outgrow.labelling.harden import Harden
from outgrow.labelling.mean import Mean
from outgrow.methods.head import Head
from outgrow.models.base import Model
from outgrow.tasks.base import Task
from outgrow.training.features import FeatureSpec
from outgrow.types import UserError, classes_of

_NEED = re.compile(
    r"(?P<who>student|supervisor)/(features(@(?P<layer>(-?\d{1,3})?))?|folds:(?P<folds>[2-9]|[1-9]\d)|zero_shot)"
)


@dataclass(frozen=True, kw_only=True)
class Labeller:
    """The source of weak labels: a supervisor, or the last rung of a chain. labels: gives the steps that label
    examples, one for each annotator."""

    name: str
    models: tuple[Model, ...]
    labels: Callable[[Prepare], tuple[LabelsStep, ...]]

    @classmethod
    def of_fit(cls, fit: Fit) -> Labeller:
        return cls(name=fit.model.name, models=(fit.model,), labels=lambda examples: (predicted(fit, examples),))


def ensemble_labels(labeller: Labeller, examples: Prepare) -> LabelsStep:
    """The labels of examples: the mean over annotators, where there are several."""
    labels = labeller.labels(examples)
    return Relabel(rule=Mean(), labels=labels, examples=examples) if len(labels) > 1 else labels[0]


@dataclass(frozen=True, kw_only=True)
class LabelledExamples:
    """What a learner is trained on: labels of its examples, and of the validation slice. Several annotators until a
    rule has joined them."""

    setup: CellSetup
    labeller: Labeller
    learner: Model
    examples: Prepare
    labels: tuple[LabelsStep, ...]
    validation_labels: tuple[LabelsStep, ...]

    @property
    def validation(self) -> Prepare:
        return self.setup.validation

    def fit(self, model: Model, labels: LabelsStep) -> Fit:
        """A linear head on the frozen features of a model, which learns from these labels of the examples."""
        both = labels, self.validation_labels[0]
        return self.setup.fit(model, self.examples, self.validation, labels=both, method=Head())


def weak_labels(
    setup: CellSetup, labeller: Labeller, learner: Model, examples: Prepare, technique: Technique
) -> tuple[LabelsStep, LabelsStep]:
    """The labels to train on, and those of the validation slice, to which selecting rules are not applied.

    Raises UserError for rules that do not fit the task or the labeller.
    """
    labels, held_out = labeller.labels(examples), labeller.labels(setup.validation)
    for rule in _joined(rules_of(technique, setup.task), labeller, len(labels)):
        if rule.shared_choices and setup.task.readout == "tokens":
            raise UserError(
                f"{type(rule).__name__} needs a task whose examples share their choices: {setup.task.name} has none"
            )
        for each in (labels, held_out):
            _check_votes(rule, each)
        labelled = LabelledExamples(
            setup=setup,
            labeller=labeller,
            learner=learner,
            examples=examples,
            labels=labels,
            validation_labels=held_out,
        )
        labels = (_relabelled(labelled, rule),)
        held_out = held_out if rule.selects else (_relabelled(labelled, rule, on_validation=True),)
    return labels[0], held_out[0]


def rules_of(technique: Technique, task: Task) -> tuple[Rule, ...]:
    """The rules of a technique and its task, in the order in which they are applied."""
    usual = () if task.soft_labels else (Harden(),)
    named = usual if technique.rules is None else technique.rules
    if technique.rules and not any(rule.transforms for rule in technique.rules):
        named = (*technique.rules, *usual)
    ordered: list[Rule] = []
    for rule in named:
        at = len(ordered)
        while rule.selects and at and ordered[at - 1].rescales:
            at -= 1
        ordered.insert(at, rule)
    return tuple(ordered)


def _joined(rules: tuple[Rule, ...], labeller: Labeller, annotators: int) -> tuple[Rule, ...]:
    """The rules for so many annotators: several are joined first, by the mean unless a rule does."""
    if annotators == 1:
        return tuple(rule for rule in rules if not rule.aggregates)
    if not (rules and rules[0].aggregates):
        return (Mean(), *rules)
    if annotators < rules[0].min_supervisors:
        name, needed = type(rules[0]).__name__, rules[0].min_supervisors
        raise UserError(f"{name} needs {needed} supervisors, {labeller.name} are {annotators}: use mean, or name more")
    return rules


def _check_votes(rule: Rule, labels: tuple[LabelsStep, ...]) -> None:
    """Raises UserError for votes that are too few for an aggregating rule, as far as they are known before a run."""
    if not (rule.aggregates and len(labels) > 1 and any(step.known for step in labels)):
        return

    def problem() -> str | None:
        try:
            rule.check_votes(_cast(labels))
        except UserError as error:
            return str(error)
        return None

    key = [identity(rule), [step.key for step in labels], digest_of_code("labelling")]
    if message := cached("votes", key, problem):
        raise UserError(f"task {labels[0].examples.task.name}, {labels[0].examples.split}: {message}")


def _cast(labels: tuple[LabelsStep, ...]) -> Bools:
    """Whether each annotator votes on each example, bool [annotators, n]; those that are not known vote on all."""
    place = {id: i for i, id in enumerate(labels[0].examples.read().ids)}
    cast = np.ones((len(labels), len(place)), dtype=np.bool_)
    for row, step in zip(cast, labels, strict=True):
        if step.known:
            row[:] = False
            if len(found := step.read()):
                row[[place[id] for id in found.ids]] = votes_of(classes_of(found)[None])[0].any(1)
    return cast


def _relabelled(labelled: LabelledExamples, rule: Rule, on_validation: bool = False) -> Relabel:
    """The labels of the examples, or those of the validation slice, as a rule changes them."""
    examples = labelled.validation if on_validation else labelled.examples
    labels = labelled.validation_labels if on_validation else labelled.labels
    evidence = tuple((need, _evidence(need, labelled, rule, examples)) for need in rule.needs)
    seed = labelled.setup.seed if rule.needs else 0
    return Relabel(rule=rule, labels=labels, examples=examples, evidence=evidence, seed=seed)


def _evidence(need: str, labelled: LabelledExamples, rule: Rule, examples: Prepare) -> Features | LabelsStep:
    """The step for what a rule needs, such as `student/features@-2`. Raises UserError if there is none."""
    setup, match = labelled.setup, _NEED.fullmatch(need)
    models = () if not match else (labelled.learner,) if match["who"] == "student" else labelled.labeller.models
    if not (match and models):
        name = labelled.labeller.name
        raise UserError(f"{type(rule).__name__} needs {need!r}, which {name} does not have: remove the rule")
    if match["folds"]:
        return _out_of_fold(labelled, rule, models[0], int(match["folds"]), examples)
    if "features" in need:
        spec = FeatureSpec(layer=int(match["layer"] or -1), precision=setup.precision)
        return Features(source=models[0], examples=examples, spec=spec)
    if setup.task.readout != "tokens":
        raise UserError(f"{type(rule).__name__} needs zero-shot answers: {setup.task.name} has none, remove it")
    return setup.zero_shot(models[0], examples)


def _out_of_fold(labelled: LabelledExamples, rule: Rule, model: Model, folds: int, examples: Prepare) -> LabelsStep:
    """Predictions by heads that have not learned from the label of the example: of the other folds; for the validation
    slice, of all examples, since none of them is in it."""
    labels = labelled.labels[0] if rule.training_rule is None else _relabelled(labelled, rule.training_rule)
    if examples is labelled.validation:
        return predicted(labelled.fit(model, labels), examples)
    return out_of_fold(labelled, model, labels, folds)


def out_of_fold(labelled: LabelledExamples, model: Model, labels: LabelsStep, folds: int) -> OutOfFold:
    """Predictions of the examples by linear heads on the frozen features of a model, each of which learned from these
    labels of the other folds."""
    examples, seed = labelled.examples, labelled.setup.seed
    others = (OtherFolds(examples=examples, labels=labels, fold=fold, folds=folds, seed=seed) for fold in range(folds))
    predictions = tuple(predicted(labelled.fit(model, each), examples) for each in others)
    return OutOfFold(examples=examples, predictions=predictions, seed=seed)
