"""The last steps of an experiment: the majority class, and the score of predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from outgrow.experiment.data import Gold, LabelsStep, Prepare
from outgrow.experiment.steps import Select
from outgrow.graph import Context, Step
from outgrow.types import Examples, Labels, Scores, classes_of


@dataclass(frozen=True, kw_only=True)
class Majority(LabelsStep):
    """The class shares of ground truth as the answer to every example: its most probable choice is the majority class.

    It is the classifier that knows the labels of its examples and not their texts (scikit-learn's `DummyClassifier`
    with strategy "prior").
    """

    kind: ClassVar[str] = "majority"

    gold: Gold

    @property
    def title(self) -> str:
        return f"majority class of {self.examples.task.name} {self.gold.examples.split}"

    def run(self, ctx: Context) -> Labels:
        ids = ctx.load(self.examples).ids
        shares = classes_of(ctx.load(self.gold)).mean(axis=0)
        return Labels.from_rows(ids, np.broadcast_to(shares, (len(ids), len(shares))))


@dataclass(frozen=True, kw_only=True)
class Score(Step[Scores]):
    """The correctness of predictions, or of the labels that a student learns from. Beside `Played` it is the only step
    that reads the ground truth of test, or that of transfer to score weak labels. It reads no weights, and no fit reads
    it.

    detailed: whether predicted probabilities and right choices are stored as well, from which any metric is computed.
    """

    kind: ClassVar[str] = "score"
    result: ClassVar[type[Any]] = Scores

    predictions: LabelsStep
    examples: Prepare | Select
    gold: Gold
    detailed: bool = False

    @property
    def title(self) -> str:
        return f"score {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Scores:
        examples, gold, predictions = ctx.load(self.examples), ctx.load(self.gold), ctx.load(self.predictions)
        if self.predictions.partial:
            return self._of_answered(examples, gold, predictions)
        return self._scores(examples, gold, predictions)

    def _scores(self, examples: Examples, gold: Labels, predictions: Labels) -> Scores:
        scores = self.examples.task.score(predictions, examples, gold)
        if not self.detailed:
            return scores
        probs = classes_of(predictions.aligned(examples)).astype(np.float32)
        return replace(scores, probs=probs, truth=gold.aligned(examples).hard())

    def _of_answered(self, examples: Examples, gold: Labels, predictions: Labels) -> Scores:
        """The scores with NaN for examples without a prediction."""
        answered = set(predictions.ids)
        at = np.array([id in answered for id in examples.ids], dtype=bool)
        correct, truth = np.full(len(examples), np.nan), gold.aligned(examples)
        probs = np.full((len(examples), len(examples.rows[0].choices)), np.nan, dtype=np.float32)
        if at.any():
            some = replace(examples, rows=tuple(row for row in examples.rows if row.id in answered))
            scores = self._scores(some, gold, predictions)
            correct[at] = scores.correct
            if scores.probs is not None:
                probs[at] = scores.probs
        whole = Scores(ids=examples.ids, groups=examples.groups, correct=correct)
        return replace(whole, probs=probs, truth=truth.hard()) if self.detailed else whole
