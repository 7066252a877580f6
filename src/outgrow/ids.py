"""Ids of rows: where each is, which is doubled, and the numbers of groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]


def first_duplicate(ids: Sequence[str]) -> str | None:
    """The first id that repeats an earlier one; None if all are distinct."""
    if len(set(ids)) == len(ids):
        return None
    seen: set[str] = set()
    for id in ids:
        if id in seen:
            return id
        seen.add(id)
    return None


def numbered(groups: Iterable[str]) -> Places:
    """The number of each group in order of first appearance, from 0, int64 [n]."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)
