"""Sharpen: rescales labels with a temperature."""

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
    """p ** (1 / temperature), normalised to sum to 1.

    temperature: below 1 sharpens the labels, above 1 smooths them, and towards 0 they become one-hot.
    """

    kind: ClassVar[str] = "rule/sharpen"
    rescales: ClassVar[bool] = True

    temperature: float = 0.5

    def __post_init__(self) -> None:
        check_ranges(self, temperature=above(0))

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        (weak,) = labels
        rows = [(row / row.max()).astype(np.float64) ** (1 / self.temperature) for row in weak.rows()]
        return Labels.from_rows(weak.ids, [row / row.sum() for row in rows])
