"""Which of several effects are certain, and how small an effect would have been seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outgrow.measures.crossed import Groups, Interval, crossed
from outgrow.measures.holm import holm
from outgrow.types import Doubles

LEVEL = 0.95
POWER = 1.43  # half widths: an effect of that size is seen in four of five draws, (1.96 + 0.84) / 1.96


@dataclass(frozen=True, kw_only=True)
class Effect:
    """An effect with its 95 % interval.

    p: the p-value that it is zero, corrected for the number of effects (Holm). smallest: the size of an effect that
    would have been found certain in four of five draws, after a correction for the number of effects (Bonferroni).
    """

    interval: Interval
    p: float
    smallest: float

    @property
    def certain(self) -> bool:
        """Whether the effect differs from zero, by the corrected p-value."""
        return self.p < 1 - LEVEL

    @property
    def sign(self) -> int:
        """1 or −1 where the effect is certain, else 0."""
        return int(np.sign(self.interval.mean)) if self.certain else 0


def effects(values: Sequence[Doubles], groups: Sequence[Groups]) -> list[Effect]:
    """The effect of each table of influence values [S, N], whose groups are [N].

    The probability that any of them is called certain where all are zero is at most 5 %. Raises ValueError as `crossed`
    does.
    """
    parts = [crossed(np.asarray(each)[None], own) for each, own in zip(values, groups, strict=True)]
    only, strict = np.ones(1), 1 - (1 - LEVEL) / max(len(parts), 1)
    corrected = holm([part.p_value(only) for part in parts])
    return [
        Effect(
            interval=Interval(
                mean=float(part.mean[0]),
                low=float(part.mean[0]) - part.half_width(only, LEVEL),
                high=float(part.mean[0]) + part.half_width(only, LEVEL),
                seed_noise=part.seeds > 1,
            ),
            p=p,
            smallest=POWER * part.half_width(only, strict),
        )
        for part, p in zip(parts, corrected, strict=True)
    ]


def mean_effects(values: Sequence[Sequence[Doubles]], groups: Sequence[Groups]) -> list[Effect]:
    """Effects in the mean over several sets of examples, each of which counts as much as another, however large.

    values: of each effect a table of influence values [S, N_c] for each set, with the same seeds. groups: those of each
    set, [N_c]; a name that occurs in two sets is one group. Corrected as by `effects`.
    """
    sizes = [len(own) for own in groups]
    weights = np.repeat([sum(sizes) / (len(sizes) * size) for size in sizes], sizes)
    every = np.concatenate([np.asarray(own) for own in groups])
    return effects([np.concatenate(tables, axis=1) * weights for tables in values], [every] * len(values))
