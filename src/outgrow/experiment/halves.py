"""Labels of a half of the examples: the easy ones, the hard ones, or as many of all kinds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from outgrow.experiment.data import LabelsStep, PartOfLabels, Prepare
from outgrow.experiment.facets import FacetNumbers
from outgrow.experiment.steps import Fit, Select
from outgrow.graph import Context
from outgrow.types import Doubles, Ints

Kind = Literal["easy", "mixed", "hard"]
HALVES: tuple[Kind, ...] = ("easy", "mixed", "hard")


@dataclass(frozen=True, kw_only=True)
class Half(PartOfLabels):
    """The labels of a half of those examples that have a difficulty.

    harder: 1 where larger numbers are harder, −1 where smaller ones are. seed: draws the mixed half.
    """

    kind: ClassVar[str] = "half"

    difficulty: FacetNumbers
    half: Kind
    harder: int = 1
    seed: int = 0

    @property
    def title(self) -> str:
        return f"labels of the {self.half} half of {self.examples.task.name} {self.examples.split}"

    def places(self, ids: tuple[str, ...], ctx: Context) -> Ints:
        return half_of(self.harder * ctx.load(self.difficulty).of(ids), self.half, self.seed)


def half_of(difficulty: Doubles, half: Kind, seed: int = 0) -> Ints:
    """The places of a half of the examples with a difficulty, in their order. Equally hard ones come in their order;
    of an odd number the middle one is in no half."""
    known = np.flatnonzero(~np.isnan(difficulty))
    count = len(known) // 2
    if half == "mixed":
        return np.sort(np.random.default_rng(seed).permutation(known)[:count])
    ordered = known[np.argsort(difficulty[known], kind="stable")]
    return np.sort(ordered[:count] if half == "easy" else ordered[len(known) - count :])


def on_half(fit: Fit, half: Kind, facet: str, harder: int) -> Fit:
    """The same fit, which learns from a half of its labels and stops by a half of its validation labels."""

    def of(labels: LabelsStep) -> Half:
        difficulty = FacetNumbers(examples=labels.examples, facet=facet)
        return Half(
            examples=labels.examples, labels=labels, difficulty=difficulty, half=half, harder=harder, seed=fit.seed
        )

    labels, held_out = of(fit.labels), of(fit.validation_labels)
    return replace(
        fit,
        labels=labels,
        examples=_selected(fit.examples, labels),
        validation_labels=held_out,
        validation=_selected(fit.validation, held_out),
    )


def _selected(examples: Prepare | Select, labels: LabelsStep) -> Select:
    return Select(examples=examples.examples if isinstance(examples, Select) else examples, labels=labels)
