"""Bags of words: texts as weighted counts of their words and word n-grams (TF-IDF, Salton and Buckley 1988)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from outgrow.types import Doubles

_WORD = re.compile(r"\b\w\w+\b")


def terms(text: str, ngrams: tuple[int, int]) -> list[str]:
    """The n-grams of a text, from `ngrams[0]` to `ngrams[1]` words. A word has two letters, digits or underscores at
    least, and is compared in lower case."""
    words = _WORD.findall(text.lower())
    least, most = ngrams
    return [" ".join(words[i : i + n]) for n in range(least, most + 1) for i in range(len(words) - n + 1)]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bag:
    """A vocabulary with weights.

    vocabulary: v terms, sorted. idf: float64 [v], ln((1 + n) / (1 + texts with the term)) + 1, for n texts.
    """

    vocabulary: tuple[str, ...]
    idf: Doubles
    ngrams: tuple[int, int]

    @classmethod
    def of(cls, texts: Sequence[str], ngrams: tuple[int, int], least: int) -> Self:
        """The terms of these texts and of no others, without those that fewer than `least` of them have."""
        found = Counter(term for text in texts for term in set(terms(text, ngrams)))
        kept = sorted(term for term, count in found.items() if count >= least)
        idf = [math.log((1 + len(texts)) / (1 + found[term])) + 1 for term in kept]
        return cls(vocabulary=tuple(kept), idf=np.array(idf, dtype=np.float64), ngrams=ngrams)

    def vectors(self, texts: Iterable[str]) -> Any:
        """The vectors of texts, a sparse matrix [n, v]: count times idf, each row of length 1, or 0 without a term."""
        from scipy.sparse import csr_array

        position = {term: i for i, term in enumerate(self.vocabulary)}
        values: list[float] = []
        columns: list[int] = []
        ends = [0]
        for text in texts:
            counts = Counter(position[term] for term in terms(text, self.ngrams) if term in position)
            own = np.array(sorted(counts), dtype=np.int64)
            weights = np.array([counts[i] for i in own.tolist()]) * self.idf[own]
            columns += own.tolist()
            values += (weights / max(float(np.linalg.norm(weights)), 1e-300)).tolist()
            ends.append(len(columns))
        return csr_array((np.array(values), columns, ends), shape=(len(ends) - 1, len(self.vocabulary)))
