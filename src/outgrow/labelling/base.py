"""What a labelling rule is: a pure function from what supervisors say to what a student learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from outgrow.types import Doubles, Labels, UserError


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Subclass it, add fields, write `apply`. It sees no ground truth and no example's text."""

    version: ClassVar[int] = 1
    aggregates: ClassVar[bool] = False  # whether it takes several supervisors' labels at once
    selects: ClassVar[bool] = False  # whether it may return fewer examples than it was given
    needs_features: ClassVar[bool] = False  # whether it reads the student's frozen features

    def apply(self, said: Sequence[Labels], features: Doubles | None = None) -> Labels:
        """Better labels.

        said: the labels of each supervisor, for the same examples; one alone unless `aggregates`. features: the
        student's, float64 [n, width], in the order of the first labels' ids; None unless `needs_features`.
        """
        raise NotImplementedError


def classes_of(labels: Labels, rule: str) -> Doubles:
    """Labels over the same k choices as one array, float64 [n, k]. Rows of other lengths are a UserError."""
    import numpy as np

    counts = np.diff(labels.offsets)
    if len(counts) and (counts != counts[0]).any():
        raise UserError(f"{rule} needs a task whose examples share their choices: these have different numbers of them")
    return labels.probs.reshape(len(labels), -1).astype(np.float64)
