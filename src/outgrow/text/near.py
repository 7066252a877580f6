"""Near-duplicates: texts that share most of their word trigrams.

The measure is n-gram containment (Broder 1997, "On the resemblance and containment of documents"), as in the
decontamination of language-model corpora (Brown et al. 2020, appendix C).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from string import Formatter
from typing import Any
from unicodedata import category

import numpy as np
import numpy.typing as npt

from outgrow.text.normal import caseless
from outgrow.types import Ints

_WORD = re.compile(r"\w+(?:'\w+)?")
# Scripts without blanks between words: Thai, Lao, Burmese, Khmer, kana, Chinese characters.
_UNSPACED = (
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_BITS = 21  # for each word of a trigram's 64 bits; with more than two million distinct words trigrams may collide
_PRODUCTS = 20_000_000  # the largest number of row pairs that a chunk of a query compares, which limits memory

Trigrams = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """The criterion for near-duplicates of a task.

    share: the fraction of the shorter text's distinct trigrams that the other text must contain. template: the prompt
    template of all texts, whose fixed words are ignored.
    """

    share: float
    template: str = ""


def words(text: str) -> list[str]:
    """The words of a text, case-folded and without punctuation; the text itself if it has no words.

    In scripts without blanks between words each character is a word. Combining marks, such as the vowel signs of Hindi,
    belong to the character before them.
    """
    folded = caseless(text)
    return (_WORD if folded.isascii() else _any_word()).findall(folded) or [folded]


@cache
def _any_word() -> re.Pattern[str]:
    """A word of any script. `re` has no class of combining marks, and they are not in its class of letters."""
    marks = "".join(chr(c) for c in range(0x300, 0x1F000) if category(chr(c)).startswith("M"))
    letter = rf"(?![{_UNSPACED}])[\w{marks}]"
    return re.compile(rf"(?:{letter})+(?:'(?:{letter})+)?|(?=\w)[{_UNSPACED}][{marks}]*")


class Near:
    """An index of texts that finds near-duplicates of other texts.

    Two texts are near-duplicates if they have the same words, in any order, or if at least `threshold` (a fraction) of
    the shorter text's distinct word trigrams are in the other text. So a part of a sentence is near the sentence, and
    texts of one or two words are near equal texts only. Trigrams do not span the fixed parts of the `template`.

    The cost is that of a sparse matrix product: comparing 67,000 phrases with each other takes about a second on one
    core.
    """

    def __init__(self, texts: Iterable[str], threshold: float, template: str = "") -> None:
        fixed = sorted((part for part, *_ in Formatter().parse(template) if _WORD.search(part)), key=len, reverse=True)
        self._fixed = re.compile("|".join(map(re.escape, fixed))) if fixed else None
        self._threshold = threshold
        self._numbers: dict[str, int] = {}
        self._bag_of: list[tuple[str, ...]] = []
        self._first: dict[tuple[str, ...], int] = {}  # of the texts with these words
        self._rows: list[Trigrams] = []
        self._matrix: tuple[Trigrams, Any] | None = None
        self.add(texts)

    def add(self, texts: Iterable[str]) -> None:
        """Adds texts to the index."""
        for text in texts:
            bag = tuple(sorted(words(text)))
            self._first.setdefault(bag, len(self._bag_of))
            self._bag_of.append(bag)
            self._rows.append(self._trigrams(text))
        self._matrix = None

    def find(self, texts: Sequence[str]) -> Bools:
        """Whether each text is a near-duplicate of a text in the index, bool [n]."""
        near = np.array([tuple(sorted(words(text))) in self._first for text in texts], dtype=np.bool_)
        rows = [self._trigrams(text) for text in texts]
        vocabulary, index = self._indexed()
        index_sizes = np.array([len(row) for row in self._rows])
        query = _matrix(rows, vocabulary)
        for chunk in _chunks(query @ np.diff(index.indptr)):
            shared = (query[chunk] @ index).tocoo()
            sizes = np.array([len(rows[i]) for i in chunk], dtype=np.int64)
            enough = shared.data >= self._threshold * np.minimum(sizes[shared.row], index_sizes[shared.col])
            near[chunk[shared.row[enough]]] = True
        return near

    def pairs(self) -> Ints:
        """Each pair of near-duplicates in the index by their places, int64 [pairs, 2], the earlier text first."""
        _, index = self._indexed()
        rows, sizes = index.T.tocsr(), np.array([len(row) for row in self._rows])
        found = [np.zeros((0, 2), dtype=np.int64)]
        for chunk in _chunks(rows @ np.diff(index.indptr)):
            shared = (rows[chunk] @ index).tocoo()
            first, second = chunk[shared.row], shared.col.astype(np.int64)
            near = shared.data >= self._threshold * np.minimum(sizes[first], sizes[second])
            near &= first < second
            found.append(np.stack([first[near], second[near]], 1))
        return np.unique(np.concatenate([*found, self._equal()]), axis=0)

    def _equal(self) -> Ints:
        """Each text with the same words as an earlier one, beside the first such text."""
        places = [(self._first[bag], i) for i, bag in enumerate(self._bag_of) if self._first[bag] != i]
        return np.array(places, dtype=np.int64).reshape(-1, 2)

    def __contains__(self, text: str) -> bool:
        return bool(self.find([text])[0])

    def _indexed(self) -> tuple[Trigrams, Any]:
        """The distinct trigrams of the index, sorted, and their incidence matrix, sparse [trigrams, texts]."""
        if self._matrix is None:
            vocabulary = np.unique(np.concatenate([np.zeros(0, np.uint64), *self._rows]))
            self._matrix = vocabulary, _matrix(self._rows, vocabulary).T.tocsr()
        return self._matrix

    def _trigrams(self, text: str) -> Trigrams:
        """The distinct trigrams of a text, each encoded as an integer."""
        numbers, parts = self._numbers, self._fixed.split(text) if self._fixed else [text]
        encoded = [
            np.array([numbers.setdefault(word, len(numbers)) for word in words(part)], np.uint64) for part in parts
        ]
        shift = np.uint64(_BITS)
        trigrams = [(code[:-2] << shift | code[1:-1]) << shift | code[2:] for code in encoded if len(code) > 2]
        return np.unique(np.concatenate([np.zeros(0, np.uint64), *trigrams]))


def _matrix(rows: Sequence[Trigrams], vocabulary: Trigrams) -> Any:
    """The incidence matrix of rows and the trigrams in `vocabulary`, sparse [rows, vocabulary], of ones."""
    from scipy import sparse

    flat = np.concatenate([np.zeros(0, np.uint64), *rows])
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.searchsorted(vocabulary, flat)
    in_vocabulary = columns < len(vocabulary)
    in_vocabulary[in_vocabulary] = vocabulary[columns[in_vocabulary]] == flat[in_vocabulary]
    indptr = np.concatenate([[0], np.cumsum(in_vocabulary)])[ends]
    shape = (len(rows), len(vocabulary))
    return sparse.csr_matrix((np.ones(int(indptr[-1]), np.int64), columns[in_vocabulary], indptr), shape=shape)


def _chunks(costs: Ints) -> Iterator[Ints]:
    """Splits rows into chunks of consecutive rows with a total cost of about `_PRODUCTS` at most. Rows of cost 0 are
    left out."""
    rows = np.flatnonzero(costs)
    chunk = np.cumsum(costs[rows]) // _PRODUCTS
    yield from np.split(rows, np.flatnonzero(np.diff(chunk)) + 1) if len(rows) else ()
