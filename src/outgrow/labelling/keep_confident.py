"""Keep confident: the student is trained only on the examples on which the supervisor is most confident."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule, subset, top_share
from outgrow.ranges import above, check_ranges
from outgrow.types import Labels


@dataclass(frozen=True, kw_only=True)
class KeepConfident(Rule):
    """Keeps the `share` of the examples with the highest confidence, the largest probability of an example.

    share: in (0, 1]; the number of examples is rounded up. per_class: takes the share within each predicted class, so
    that a class with confident predictions does not displace the others. If the cut falls between examples of equal
    confidence, as with hard labels, a hash of the id decides which are kept, and a note says so. The control for this
    rule is `keep-random`.
    """

    kind: ClassVar[str] = "rule/keep-confident"
    version: ClassVar[int] = 2  # 2: a hash decides between ties; 10 % of 30 are 3
    selects: ClassVar[bool] = True

    share: float = 0.5
    per_class: bool = False

    def __post_init__(self) -> None:
        check_ranges(self, share=above(0, 1))

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        (weak,) = labels
        kept, tied = top_share(weak, self.share, self.per_class, weak.confidence().astype(np.float64), "keep-confident")
        note = f"keep-confident: {tied} of the {len(kept)} examples kept were drawn at random from equally sure ones."
        return subset(weak, kept, (note,) if tied else ())
