"""Texts that occur more than once, exactly or nearly, and whether their labels agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from outgrow.practice.data import PracticeData
from outgrow.text.near import Near
from outgrow.text.normal import caseless
from outgrow.types import Ints

SHARE = 0.8  # of the shorter text's word trigrams
SHOWN = 5
MOST_TEXTS = 200_000  # with more only exact duplicates are looked for


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """exact: rows whose text is that of an earlier row, without case and in normal form. exact_conflicts: those of them
    with another label. near: rows that share most of their word trigrams with an earlier row, beside the exact ones;
    None where there are too many texts to look. near_conflicts: those of them with another label. examples: pairs of
    ids, those with different labels first.
    """

    exact: int
    exact_conflicts: int
    near: int | None
    near_conflicts: int | None
    examples: tuple[tuple[str, str], ...]


def duplicates(data: PracticeData, labels: Ints) -> Duplicates:
    """The duplicates among the rows of the data. labels: of the labelled items, int64 [m]."""
    label = np.full(len(data), -1, dtype=np.int64)
    label[data.labelled] = labels
    first: dict[str, int] = {}
    texts = _texts(data)
    original = np.array([first.setdefault(caseless(text), i) for i, text in enumerate(texts)], dtype=np.int64)
    again = np.flatnonzero(original != np.arange(len(data)))
    exact = np.stack([original[again], again], 1)
    near = _near(texts, np.flatnonzero(original == np.arange(len(data))))
    pairs = np.concatenate([exact, np.zeros((0, 2), dtype=np.int64) if near is None else near])
    differ = _differ(label, pairs)
    order = np.argsort(~differ, kind="stable")[:SHOWN]
    return Duplicates(
        exact=len(exact),
        exact_conflicts=int(_differ(label, exact).sum()),
        near=None if near is None else len(np.unique(near[:, 1])),
        near_conflicts=None if near is None else len(np.unique(near[_differ(label, near), 1])),
        examples=tuple((data.ids[i], data.ids[j]) for i, j in pairs[order].tolist()),
    )


def _texts(data: PracticeData) -> list[str]:
    """What makes a row: its text, and its replies where it has some."""
    replies = data.replies or [()] * len(data)
    return ["\n".join([text, *pair]) for text, pair in zip(data.texts, replies, strict=True)]


def _near(texts: list[str], places: Ints) -> Ints | None:
    """Pairs of near-duplicates among different texts, int64 [pairs, 2]."""
    if len(places) > MOST_TEXTS:
        return None
    found = Near([texts[i] for i in places.tolist()], SHARE).pairs()
    return np.asarray(places[found], dtype=np.int64)


def _differ(label: Ints, pairs: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether both rows of each pair have labels, and different ones."""
    first, second = label[pairs[:, 0]], label[pairs[:, 1]]
    return np.asarray((first >= 0) & (second >= 0) & (first != second))
