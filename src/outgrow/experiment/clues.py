"""The step that reads what may say without ground truth how much a student gains over its labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from outgrow.experiment.data import LabelsStep, Prepare
from outgrow.experiment.folds import folds_of
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Features, Fit, Predict, predicted
from outgrow.experiment.technique import Technique
from outgrow.experiment.weak_labels import LabelledExamples, Labeller, out_of_fold, weak_labels
from outgrow.graph import Context, Step
from outgrow.measures.clues import Known, read_clues
from outgrow.types import classes_of

FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class ClueValues:
    """The value of each clue, by its name in `outgrow.measures.clues.CLUES`."""

    values: Mapping[str, float]

    def save(self, folder: Path) -> None:
        """Write the values as JSON."""
        (folder / "clues.json").write_text(json.dumps(dict(self.values), indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the values back."""
        return cls(values=json.loads((folder / "clues.json").read_text()))


@dataclass(frozen=True, kw_only=True)
class ReadClues(Step[ClueValues]):
    """The clues of a student and its weak labels. It reads no ground truth.

    student: the student's predictions of the examples that it learned from. folds: those of a head for each fold, which
    learned from the labels outside it; `seed` drew the folds. features: the frozen ones of the student's model.
    """

    kind: ClassVar[str] = "clues"
    result: ClassVar[type[Any]] = ClueValues

    examples: Prepare
    weak: LabelsStep
    student: Predict
    folds: tuple[Predict, ...]
    features: Features
    seed: int = 0

    @property
    def title(self) -> str:
        return f"clues of {self.student.fitted.model.name} on {self.examples.task.name}"

    def run(self, ctx: Context) -> ClueValues:
        examples, weak = ctx.load(self.examples), ctx.load(self.weak)
        fold = dict(zip(examples.ids, folds_of(examples, len(self.folds), self.seed), strict=True))
        known = Known(
            weak=classes_of(weak),
            student=classes_of(ctx.load(self.student).of(weak.ids)),
            folds=np.array([classes_of(ctx.load(each).of(weak.ids)) for each in self.folds]),
            fold=np.array([fold[id] for id in weak.ids], dtype=np.int64),
            features=self.features.values(ctx.load(self.features), weak.ids, ctx),
        )
        return ClueValues(values=read_clues(known))


def clues(setup: CellSetup, labeller: Labeller, fit: Fit) -> ReadClues:
    """The clues of a student that was fitted to the first part of transfer. The labels are those of its labeller as
    they are, whatever rules the student's technique has.

    Raises UserError where the task has no heads on frozen features.
    """
    part = setup.part(0)
    labels, held_out = weak_labels(setup, labeller, fit.model, part, Technique())
    labelled = LabelledExamples(
        setup=setup,
        labeller=labeller,
        learner=fit.model,
        examples=part,
        labels=(labels,),
        validation_labels=(held_out,),
    )
    validation = out_of_fold(labelled, fit.model, labels, FOLDS)
    features = validation.predictions[0].features
    assert features
    student = predicted(fit, part)
    return ReadClues(
        examples=part,
        weak=labels,
        student=student,
        folds=validation.predictions,
        features=features,
        seed=validation.seed,
    )
