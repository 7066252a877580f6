"""Sharpen: labels as if they had been given at a lower temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule
from outgrow.ranges import above, check_ranges
from outgrow.types import Labels


@dataclass(frozen=True, kw_only=True)
class Sharpen(Rule):
    """p ** (1 / temperature), made to sum to 1: below 1 it sharpens, above 1 it softens, towards 0 it hardens."""

    kind: ClassVar[str] = "rule/sharpen"
    rescales: ClassVar[bool] = True

    temperature: float = 0.5

    def __post_init__(self) -> None:
        check_ranges(self, temperature=above(0))

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        (own,) = labels
        rows = [(row / row.max()).astype(np.float64) ** (1 / self.temperature) for row in own.rows()]
        return Labels.from_rows(own.ids, [row / row.sum() for row in rows])
