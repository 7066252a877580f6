"""The fits of a technique: chain, student, ceiling, the student before training, and the student without weak labels.

Chains, adaptation, features and rules become steps, so whatever two techniques share is computed once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from outgrow.experiment.data import Gold, LabelsStep, Prepare
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Fit, predicted
from outgrow.experiment.technique import Technique
from outgrow.experiment.weak_labels import Labeller, weak_labels
from outgrow.methods.base import FeatureMethod
from outgrow.methods.head import Head
from outgrow.models.base import Model
from outgrow.training.language_model import Generative
from outgrow.types import UserError


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
        labels = weak_labels(setup, labeller, rung, own, technique)
        labeller = Labeller.of_fit(setup.fit(rung, own, validation, labels=labels))
    weak, weak_validation = weak_labels(setup, labeller, model, part, technique)
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
    labels = weak_labels(setup, supervisor, model, setup.part(0), Technique())
    probe = setup.fit(model, setup.part(0), setup.validation, labels=labels, method=Head())
    return predicted(probe, examples)
