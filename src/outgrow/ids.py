"""Ids of rows: where each is, which is doubled, and the numbers of groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

LONGEST = 24  # bytes of an id that is sorted as numbers
_MIX = np.uint64(0x9E3779B97F4A7C15)  # odd: no two last words are mixed alike with equal words before them


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


def places(ids: Sequence[str], wanted: Sequence[str]) -> Places:
    """The index in `ids` of each wanted id, int64 [wanted], -1 where it is not there; of the first where it is doubled.

    pyarrow looks them up in a third of the time of a dict.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    there, wanted_ids = pa.array(ids, pa.string()), pa.array(wanted, pa.string())
    if len(there) == len(wanted_ids) and (found := permutation(there, wanted_ids)) is not None:
        return found
    return np.asarray(pc.fill_null(pc.index_in(wanted_ids, value_set=there), -1).to_numpy(), dtype=np.int64)


def permutation(ids: Any, wanted: Any) -> Places | None:
    """The index in `ids` of each wanted id, int64 [n], where both have the same distinct ids in different orders.

    None where they have not, and where ids are long: a lookup decides then. ids, wanted: pyarrow arrays of strings.

    Each id is up to three words of 8 bytes. Sorting a mix of these takes half of the time of a hash table of strings.
    The words are compared too, so that no two ids are taken for one.
    """
    n = len(ids)
    first, second = _words(ids), _words(wanted)
    if not n or first is None or second is None or first.shape != second.shape:
        return None
    one, other = _mixed(first), _mixed(second)
    order, wanted_order = one.argsort(), other.argsort()
    ascending = one[order]
    if (ascending[1:] == ascending[:-1]).any() or not np.array_equal(ascending, other[wanted_order]):
        return None
    for column in range(first.shape[1] - 1):  # equal mixes of words of which all but the last are equal
        if not np.array_equal(first[:, column][order], second[:, column][wanted_order]):
            return None
    found = np.empty(n, dtype=np.int64)
    found[wanted_order] = order
    return found


def _words(ids: Any) -> Words | None:
    """Ids as words, uint64 [n, words], with zeros behind short ones; None where some are long or contain zeros."""
    buffers = ids.buffers()
    if not len(ids) or buffers[2] is None:
        return None
    ends = np.frombuffer(buffers[1], np.int32, len(ids) + 1)
    lengths, content = np.diff(ends), np.frombuffer(buffers[2], np.uint8, int(ends[-1]))
    width = (int(lengths.max()) + 7) // 8 * 8
    if not 0 < width <= LONGEST or not content.all():
        return None
    if (lengths == width).all():
        return content.view(np.uint64).reshape(len(ids), -1)
    padded = np.zeros((len(ids), width), dtype=np.uint8)
    padded[np.arange(width) < lengths[:, None]] = content
    return padded.view(np.uint64)


def _mixed(words: Words) -> Words:
    """One number for each row of words."""
    mixed = words[:, 0].copy()
    for column in range(1, words.shape[1]):
        mixed = mixed * _MIX + words[:, column]
    return mixed
