"""Mean: what several supervisors say on average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.labelling.base import Rule, joined
from outgrow.types import Doubles, Labels


@dataclass(frozen=True, kw_only=True)
class Mean(Rule):
    """The mean of their probabilities, every supervisor counting the same."""

    aggregates: ClassVar[bool] = True

    def apply(self, said: Sequence[Labels], features: Doubles | None = None) -> Labels:
        together = joined(said)
        mean = np.stack([labels.probs for labels in together]).astype(np.float64).mean(0)
        return Labels(ids=together[0].ids, probs=mean.astype(np.float32), offsets=together[0].offsets)
