"""The fits of a technique: chain, student, ceiling, the student before training, and the student without weak labels.

Chains, adaptation, features and rules become steps, so whatever two techniques share is computed once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from outgrow.experiment.data import Gold, LabelsStep, Prepare
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Features, Fit, Relabel, predicted
from outgrow.experiment.technique import Technique
from outgrow.labelling.base import Rule
from outgrow.labelling.harden import Harden
from outgrow.labelling.mean import Mean
from outgrow.methods.base import FeatureMethod
from outgrow.methods.head import Head
from outgrow.models.base import Model
from outgrow.tasks.base import Task
from outgrow.training.continuing import Generative
from outgrow.training.features import FeatureSpec
from outgrow.types import UserError


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


def student(setup: CellSetup, model: Model, technique: Technique, supervisor: Labeller) -> Fit:
    """The strong model on the weak labels of a supervisor, or of the last rung of a chain that it starts.

    The student learns from the first part of transfer, as every student and ceiling does; the rungs learn from later
    parts, each by its recipe. Raises UserError for slots that do not fit together.
    """
    part, validation = setup.part(0), setup.validation
    slots: dict[str, Any] = {"method": technique.fit, "loss": technique.loss, "adapt": technique.adapt}
    if technique.oracle == "labels":
        return setup.fit(model, part, validation, **slots)
    labeller = supervisor
    for number, rung in enumerate(technique.chain, start=1):
        own = setup.part(number if technique.chain_data == "fresh" else 0)
        labels = _weak_labels(setup, labeller, rung, own, technique)
        labeller = Labeller.of_fit(setup.fit(rung, own, validation, labels=labels))
    weak, weak_validation = _weak_labels(setup, labeller, model, part, technique)
    if technique.oracle == "stop":
        learned = setup.fit(model, part, validation, labels=(weak, Gold(examples=validation)), **slots)
        is_monitored = not (learned.features or weak_validation.partial)  # the ground truth has the whole slice
        return replace(learned, monitored=weak_validation) if is_monitored else learned
    learned = setup.fit(model, part, validation, labels=(weak, weak_validation), **slots)
    if technique.oracle == "probe":
        if learned.features:
            raise UserError(
                f'oracle = "probe" probes what was finetuned, and {model.name} is a probe: '
                'use finetune, or oracle = "labels"'
            )
        return setup.fit(model, part, validation, method=Head(), source=learned)
    return learned


def ceiling(setup: CellSetup, model: Model, technique: Technique, adapt: Generative | None = None) -> Fit:
    """A student with ground truth for labels and plain cross-entropy: the same examples, updates and stopping rule.
    Where a student is a probe, its ceiling is still finetuned (Burns et al. 2023, appendix D.1)."""
    method = None if isinstance(technique.fit, FeatureMethod) else technique.fit
    return setup.fit(model, setup.part(0), setup.validation, method=method, adapt=adapt)


def direct(setup: CellSetup, model: Model, technique: Technique) -> Fit:
    """The student model on its supervisor's own ground-truth examples, weak_train, with plain cross-entropy.

    A student that is no better than this has gained nothing from the weak labels: its supervisor's examples would have
    been enough (what semi-supervised learning calls the supervised baseline, Oliver et al. 2018, section 4).
    """
    return setup.fit(model, setup.splits["weak_train"], setup.splits["validation"], method=technique.fit)


def before_training(setup: CellSetup, model: Model, supervisor: Labeller, examples: Prepare) -> LabelsStep:
    """The student's answers before training: zero-shot where the task is answered by next tokens; elsewhere a head
    starts at random, and a linear probe on frozen features that learned the weak labels stands for it."""
    if setup.task.readout == "tokens":
        return setup.zero_shot(model, examples)
    labels = _weak_labels(setup, supervisor, model, setup.part(0), Technique())
    probe = setup.fit(model, setup.part(0), setup.validation, labels=labels, method=Head())
    return predicted(probe, examples)


def _weak_labels(
    setup: CellSetup, labeller: Labeller, learner: Model, examples: Prepare, technique: Technique
) -> tuple[LabelsStep, LabelsStep]:
    """The labels to train on, and those of the validation slice, to which selecting rules are not applied."""
    rules = _rules(technique, setup.task)
    whole = tuple(rule for rule in rules if not rule.selects)
    return (
        _apply_rules(rules, setup, labeller, learner, examples),
        _apply_rules(whole, setup, labeller, learner, setup.validation),
    )


def _rules(technique: Technique, task: Task) -> tuple[Rule, ...]:
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


def _apply_rules(
    rules: tuple[Rule, ...], setup: CellSetup, labeller: Labeller, learner: Model, examples: Prepare
) -> LabelsStep:
    """The labels of examples after all rules: several annotators are joined first, by the mean unless a rule does."""
    labels = labeller.labels(examples)
    if len(labels) == 1:
        rules = tuple(rule for rule in rules if not rule.aggregates)
    elif not (rules and rules[0].aggregates):
        rules = (Mean(), *rules)
    elif len(labels) < rules[0].min_supervisors:
        name, needed = type(rules[0]).__name__, rules[0].min_supervisors
        raise UserError(f"{name} needs {needed} supervisors, {labeller.name} are {len(labels)}: use mean, or name more")
    for rule in rules:
        if rule.shared_choices and setup.task.readout == "tokens":
            raise UserError(
                f"{type(rule).__name__} needs a task whose examples share their choices: {setup.task.name} has none"
            )
        evidence = tuple((need, _evidence(need, rule, setup, labeller, learner, examples)) for need in rule.needs)
        seed = setup.seed if rule.needs else 0
        labels = (Relabel(rule=rule, labels=labels, examples=examples, evidence=evidence, seed=seed),)
    return labels[0]


def _evidence(
    need: str, rule: Rule, setup: CellSetup, labeller: Labeller, learner: Model, examples: Prepare
) -> Features | LabelsStep:
    """The step for what a rule needs, such as `student/features@-2`. Raises UserError if there is none."""
    who, _, what = need.partition("/")
    what, _, layer = what.partition("@")
    models = {"student": (learner,), "supervisor": labeller.models}.get(who, ())
    is_known = (what == "features" and re.fullmatch(r"(-?\d{1,3})?", layer)) or need.endswith("/zero_shot")
    if not (is_known and models):
        raise UserError(f"{type(rule).__name__} needs {need!r}, which {labeller.name} does not have: remove the rule")
    if what == "features":
        spec = FeatureSpec(layer=int(layer or -1), precision=setup.precision)
        return Features(source=models[0], examples=examples, spec=spec)
    if setup.task.readout != "tokens":
        raise UserError(f"{type(rule).__name__} needs zero-shot answers: {setup.task.name} has none, remove it")
    return setup.zero_shot(models[0], examples)
