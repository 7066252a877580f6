"""Near-duplicates: texts that share most of their word trigrams.

The measure is n-gram containment (Broder 1997, "On the resemblance and containment of documents"), which the
decontamination of language-model corpora uses too (Brown et al. 2020, appendix C).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.text.normal import caseless
from outgrow.types import Ints

_WORD = re.compile(r"\w+(?:'\w+)?")
_BITS = 21  # of a word's number in a trigram's 64 bits: beyond two million distinct words trigrams may collide
_PRODUCTS = 20_000_000  # pairs of rows that one chunk of a query compares at the most, which bounds memory

Trigrams = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """When two texts of a task are near-duplicates.

    share: of the shorter text's distinct trigrams, how many the other must have. template: the prompt template of all
    texts, whose fixed words do not count.
    """

    share: float
    template: str = ""


def words(text: str) -> list[str]:
    """The words of a text without case and punctuation; the text itself where it has none."""
    folded = caseless(text)
    return _WORD.findall(folded) or [folded]


class Near:
    """An index of texts, and a query for the near-duplicates of these.

    Two texts are near-duplicates if they have the same words, in any order, or if at least `threshold` of the shorter
    text's distinct word trigrams are in the other text. So a part of a sentence is near the sentence, while texts of
    one or two words are near their equals only. Trigrams do not cross the fixed parts of the `template`.

    The cost is that of a sparse matrix product: 67,000 phrases against each other take about a second of one core.
    """

    def __init__(self, texts: Iterable[str], threshold: float, template: str = "") -> None:
        fixed = sorted((part for part, *_ in Formatter().parse(template) if _WORD.search(part)), key=len, reverse=True)
        self._fixed = re.compile("|".join(map(re.escape, fixed))) if fixed else None
        self._threshold = threshold
        self._numbers: dict[str, int] = {}
        self._bags: set[tuple[str, ...]] = set()
        self._rows: list[Trigrams] = []
        self._matrix: tuple[Trigrams, Any] | None = None
        self.add(texts)

    def add(self, texts: Iterable[str]) -> None:
        """Put more texts into the index."""
        for text in texts:
            self._bags.add(tuple(sorted(words(text))))
            self._rows.append(self._trigrams(text))
        self._matrix = None

    def find(self, texts: Sequence[str]) -> Bools:
        """Whether each text is a near-duplicate of some text in the index, [n]."""
        found = np.array([tuple(sorted(words(text))) in self._bags for text in texts], dtype=np.bool_)
        rows = [self._trigrams(text) for text in texts]
        vocabulary, index = self._indexed()
        sizes = np.array([len(row) for row in self._rows])
        query = _matrix(rows, vocabulary)
        for part in _chunks(query @ np.diff(index.indptr)):
            shared = (query[part] @ index).tocoo()
            own = np.array([len(rows[i]) for i in part], dtype=np.int64)
            enough = shared.data >= self._threshold * np.minimum(own[shared.row], sizes[shared.col])
            found[part[shared.row[enough]]] = True
        return found

    def __contains__(self, text: str) -> bool:
        return bool(self.find([text])[0])

    def _indexed(self) -> tuple[Trigrams, Any]:
        """The distinct trigrams of the index, sorted, and which texts have each: sparse [trigrams, texts]."""
        if self._matrix is None:
            vocabulary = np.unique(np.concatenate([np.zeros(0, np.uint64), *self._rows]))
            self._matrix = vocabulary, _matrix(self._rows, vocabulary).T.tocsr()
        return self._matrix

    def _trigrams(self, text: str) -> Trigrams:
        """The distinct trigrams of a text, each as one number."""
        numbers, parts = self._numbers, self._fixed.split(text) if self._fixed else [text]
        coded = [
            np.array([numbers.setdefault(word, len(numbers)) for word in words(part)], np.uint64) for part in parts
        ]
        shift = np.uint64(_BITS)
        each = [(code[:-2] << shift | code[1:-1]) << shift | code[2:] for code in coded if len(code) > 2]
        return np.unique(np.concatenate([np.zeros(0, np.uint64), *each]))


def _matrix(rows: Sequence[Trigrams], vocabulary: Trigrams) -> Any:
    """Which of the trigrams in `vocabulary` each row has, as a sparse matrix of ones [rows, vocabulary]."""
    from scipy import sparse

    flat = np.concatenate([np.zeros(0, np.uint64), *rows])
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.searchsorted(vocabulary, flat)
    known = columns < len(vocabulary)
    known[known] = vocabulary[columns[known]] == flat[known]
    kept = np.concatenate([[0], np.cumsum(known)])[ends]
    shape = (len(rows), len(vocabulary))
    return sparse.csr_matrix((np.ones(int(kept[-1]), np.int64), columns[known], kept), shape=shape)


def _chunks(costs: Ints) -> Iterator[Ints]:
    """Consecutive rows whose costs together stay below the limit, at least one row a chunk; rows that cost nothing
    are left out."""
    rows = np.flatnonzero(costs)
    chunk = np.cumsum(costs[rows]) // _PRODUCTS
    yield from np.split(rows, np.flatnonzero(np.diff(chunk)) + 1) if len(rows) else ()
