"""What a labelling rule is: a pure function from what supervisors say to what a student learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.types import Doubles, Labels, Shape, UserError


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Subclass it, add fields, write `apply`. It sees no ground truth and no example's text."""

    version: ClassVar[int] = 1
    aggregates: ClassVar[bool] = False  # whether it takes several supervisors' labels at once
    selects: ClassVar[bool] = False  # whether it may return fewer examples than it was given
    needs_features: ClassVar[bool] = False  # whether it reads the student's frozen features

    def check(self, shape: Shape) -> None:
        """Raise a UserError where the rule cannot treat labels of a task of this shape. Default: never."""

    def apply(self, said: Sequence[Labels], features: Doubles | None = None) -> Labels:
        """Better labels.

        said: the labels of each supervisor, for the same examples; one alone unless `aggregates`. features: the
        student's, float64 [n, width], in the order of the first labels' ids; None unless `needs_features`.
        """
        raise NotImplementedError


def classes_of(labels: Labels) -> Doubles:
    """Labels over the same k choices as one array, float64 [n, k]. Rows of different lengths are a UserError."""
    counts = np.diff(labels.offsets)
    if len(set(counts.tolist())) > 1:
        raise UserError("this labelling rule needs examples that share their choices: their number differs here")
    return labels.probs.reshape(len(labels), -1).astype(np.float64)


def joined(said: Sequence[Labels]) -> list[Labels]:
    """The labels of all supervisors in the first one's order, by id. Other examples or choices are a UserError."""
    first = said[0]
    found = [first]
    for other in said[1:]:
        where = {id: i for i, id in enumerate(other.ids)}
        if where.keys() != set(first.ids):
            raise UserError("the supervisors labelled different examples: let each label the same ones")
        found.append(Labels.from_rows(first.ids, [other.row(where[id]) for id in first.ids]))
        if not np.array_equal(found[-1].offsets, first.offsets):
            raise UserError("the supervisors saw different choices: let each label the same examples")
    return found
