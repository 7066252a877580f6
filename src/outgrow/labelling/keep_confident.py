"""Keep the confident: the student learns only from the labels that the supervisor is surest of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule, best, subset
from outgrow.ranges import above, check_ranges
from outgrow.types import Labels


@dataclass(frozen=True, kw_only=True)
class KeepConfident(Rule):
    """The `share` of the examples whose most probable choice is most probable, rounded up.

    per_class: the share is taken of each predicted class, so that an answer that is easy to be sure of does not crowd
    the others out. Where the cut falls among examples of equal confidence, as with hard labels, a hash of the id draws
    from them, and a note says so. `keep-random` is the control.
    """

    kind: ClassVar[str] = "rule/keep-confident"
    version: ClassVar[int] = 2  # 2: of equals a hash decides; 10 % of 30 are 3
    selects: ClassVar[bool] = True

    share: float = 0.5
    per_class: bool = False

    def __post_init__(self) -> None:
        check_ranges(self, share=above(0, 1))

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        (own,) = labels
        confidence = np.array([row.max() for row in own.rows()], dtype=np.float64)
        rows, drawn = best(own, self.share, self.per_class, confidence, "keep-confident")
        note = f"keep-confident: {drawn} of the {len(rows)} examples kept were drawn at random from equally sure ones."
        return subset(own, rows, (note,) if drawn else ())
