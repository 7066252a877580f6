"""Keep at random: the control of a rule that selects, as many examples but whichever a seed draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule, best, subset
from outgrow.ranges import above, check_ranges, whole
from outgrow.types import Labels


@dataclass(frozen=True, kw_only=True)
class KeepRandom(Rule):
    """A random `share` of the examples, as many as `keep-confident` keeps.

    per_class: the share is taken of each predicted class. The draw depends on `seed` and the example's id alone.
    """

    kind: ClassVar[str] = "rule/keep-random"
    selects: ClassVar[bool] = True

    share: float = 0.5
    per_class: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_ranges(self, share=above(0, 1), seed=whole(0))

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        (own,) = labels
        rows, _ = best(own, self.share, self.per_class, np.zeros(len(own)), f"keep-random {self.seed}")
        return subset(own, rows)
