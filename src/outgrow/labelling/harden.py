"""Harden: one-hot labels of the most probable choice (Burns et al. 2023, section 4.2: chess)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule
from outgrow.types import Labels


@dataclass(frozen=True, kw_only=True)
class Harden(Rule):
    """Probability 1 on the most probable choice of each example, the first one in case of ties."""

    kind: ClassVar[str] = "rule/harden"
    rescales: ClassVar[bool] = True

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        (weak,) = labels
        return weak.hardened()
