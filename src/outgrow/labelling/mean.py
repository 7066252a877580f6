"""Mean: the average of the labels of several supervisors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.annotations import Annotations
from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule
from outgrow.types import Labels


@dataclass(frozen=True, kw_only=True)
class Mean(Rule):
    """The mean of the probabilities of the supervisors that labelled an example, with equal weights."""

    kind: ClassVar[str] = "rule/mean"
    aggregates: ClassVar[bool] = True

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        annotations = Annotations.from_labels(labels)
        counts = np.repeat(annotations.given.sum(0), np.diff(annotations.offsets))
        mean = annotations.probs.sum(0) / counts
        return Labels(ids=annotations.ids, probs=mean.astype(np.float32), offsets=annotations.offsets)
