"""Keep random: the control for rules that select. It keeps as many examples, drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule, subset, top_share
from outgrow.ranges import above, check_ranges, whole
from outgrow.types import Labels


@dataclass(frozen=True, kw_only=True)
class KeepRandom(Rule):
    """Keeps a random `share` of the examples: as many as `keep-confident` with the same share.

    share: in (0, 1]; the number of examples is rounded up. per_class: takes the share within each predicted class. The
    draw depends only on `seed` and the ids.
    """

    kind: ClassVar[str] = "rule/keep-random"
    selects: ClassVar[bool] = True

    share: float = 0.5
    per_class: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_ranges(self, share=above(0, 1), seed=whole(0))

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        (weak,) = labels
        kept, _ = top_share(weak, self.share, self.per_class, np.zeros(len(weak)), f"keep-random {self.seed}")
        return subset(weak, kept)
