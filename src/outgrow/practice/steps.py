"""The labels that a fit to a person's data learns from: those of its sources, and of audited rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from outgrow.experiment.data import LabelsStep
from outgrow.graph import Context
from outgrow.labelling.cross_fitted_product import product
from outgrow.practice.task import Practice
from outgrow.types import Labels, classes_of


@dataclass(frozen=True, kw_only=True)
class Annotated(LabelsStep):
    """The labels of one source, where it gives some."""

    kind: ClassVar[str] = "annotated"

    annotator: str

    @property
    def partial(self) -> bool:
        return True

    @property
    def title(self) -> str:
        return f"labels of {self.annotator}"

    def run(self, ctx: Context) -> Labels:
        assert isinstance(self.examples.task, Practice)
        return _among(_by_annotator(self.examples.task.folder)[self.annotator], ctx.load(self.examples).ids)


@dataclass(frozen=True, kw_only=True)
class Audited(LabelsStep):
    """The ground truth of the examples that have some and are not held out."""

    kind: ClassVar[str] = "audited"

    @property
    def partial(self) -> bool:
        return True

    @property
    def title(self) -> str:
        return "audited rows"

    def run(self, ctx: Context) -> Labels:
        assert isinstance(self.examples.task, Practice)
        return _among(self.examples.task.audited(), ctx.load(self.examples).ids)


@dataclass(frozen=True, kw_only=True)
class TimesAudited(LabelsStep):
    """Weak labels times the predictions of a model that learned from audited rows, normalised; and for audited rows
    their ground truth.

    A model cannot know a class of which it saw no row, and has seen few of any: its predictions are mixed with as many
    rows of no information as there are classes, k / (n + k), with n audited rows (Laplace's rule of succession).
    """

    kind: ClassVar[str] = "times_audited"

    labels: LabelsStep
    predictions: LabelsStep
    audited: Audited  # of the rows that the model learned from

    @property
    def partial(self) -> bool:
        return True

    @property
    def title(self) -> str:
        return "weak labels times what audited rows teach"

    def run(self, ctx: Context) -> Labels:
        weak, gold, ids = ctx.load(self.labels), ctx.load(self.audited), ctx.load(self.examples).ids
        classes = int(weak.widths[0])
        share = classes / (len(gold) + classes)
        answers = classes_of(ctx.load(self.predictions).of(weak.ids))
        mixed = Labels.from_rows(weak.ids, (1 - share) * answers + share / classes)
        rows = dict(zip(weak.ids, product(weak, mixed).rows(), strict=True))
        rows |= dict(zip(gold.ids, gold.rows(), strict=True))
        kept = tuple(id for id in ids if id in rows)
        return Labels.from_rows(kept, [rows[id] for id in kept])


def _among(labels: Labels, ids: tuple[str, ...]) -> Labels:
    wanted = set(ids)
    return labels.take(np.array([i for i, id in enumerate(labels.ids) if id in wanted], dtype=np.int64))


@lru_cache(maxsize=2)
def _by_annotator(folder: str) -> dict[str, Labels]:
    annotations = Practice(folder=folder).annotations()
    return dict(zip(annotations.annotators, annotations.labels(), strict=True))
