"""Keep the confident: the student learns only from the labels that the supervisor is surest of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.labelling.base import Rule
from outgrow.types import Doubles, Labels, UserError


@dataclass(frozen=True, kw_only=True)
class KeepConfident(Rule):
    """The `share` of the examples whose most probable choice is most probable; at least one, of equals the lower id.

    per_class: the share is taken of each predicted class, so that an answer that is easy to be sure of does not crowd
    the others out.
    """

    selects: ClassVar[bool] = True

    share: float = 0.5
    per_class: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UserError(f"share is {self.share}: give a part above 0, up to 1")

    def apply(self, said: Sequence[Labels], features: Doubles | None = None) -> Labels:
        (labels,) = said
        rows = labels.rows()
        chosen = labels.hard() if self.per_class else np.zeros(len(labels), dtype=np.int64)
        kept: list[int] = []
        for each in np.unique(chosen):
            alike = sorted(np.flatnonzero(chosen == each).tolist(), key=lambda i: (-rows[i].max(), labels.ids[i]))
            kept += alike[: math.ceil(self.share * len(alike))]
        kept.sort()
        return Labels.from_rows([labels.ids[i] for i in kept], [rows[i] for i in kept])
