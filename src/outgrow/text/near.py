"""Near-duplicates: texts that share most of their word trigrams.

The measure is n-gram containment (Broder 1997, "On the resemblance and containment of documents"), as in the
decontamination of language-model corpora (Brown et al. 2020, appendix C).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, pairwise
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
    found = _WORD.findall(text.lower()) if text.isascii() else _any_word().findall(caseless(text))
    return found or [caseless(text)]


@cache
def _any_word() -> re.Pattern[str]:
    """A word of any script. `re` has no class of combining marks, and they are not in its class of letters."""
    marks = "".join(chr(c) for c in range(0x300, 0x1F000) if category(chr(c)).startswith("M"))
    letter = rf"(?![{_UNSPACED}])[\w{marks}]"
    return re.compile(rf"(?:{letter})+(?:'(?:{letter})+)?|(?=\w)[{_UNSPACED}][{marks}]*")


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """What is compared of n texts: the words of each as a key, and its distinct trigrams, ascending, flat.

    ends: int64 [n + 1]; the trigrams of text i are trigrams[ends[i]:ends[i + 1]].
    """

    bags: list[bytes]
    trigrams: Trigrams
    ends: Ints

    @property
    def sizes(self) -> Ints:
        """The number of distinct trigrams of each text, int64 [n]."""
        return np.diff(self.ends)

    def take(self, places: Ints) -> Read:
        """These texts, in this order."""
        sizes = self.sizes[places]
        ends = np.concatenate([[0], np.cumsum(sizes)])
        at = np.arange(ends[-1]) + np.repeat(self.ends[:-1][places] - ends[:-1], sizes)
        return Read(bags=[self.bags[i] for i in places.tolist()], trigrams=self.trigrams[at], ends=ends)


class Near:
    """An index of texts that finds near-duplicates of other texts.

    Two texts are near-duplicates if they have the same words, in any order, or if at least `threshold` (a fraction) of
    the shorter text's distinct word trigrams are in the other text. So a part of a sentence is near the sentence, and
    texts of one or two words are near equal texts only. Trigrams do not span the fixed parts of the `template`.

    Texts that are looked up and then added are read once (`read`). The cost is that of a sparse matrix product:
    comparing 67,000 phrases with each other takes about a second on one core.
    """

    def __init__(self, texts: Iterable[str], threshold: float, template: str = "") -> None:
        fixed = sorted((part for part, *_ in Formatter().parse(template) if _WORD.search(part)), key=len, reverse=True)
        self._fixed = re.compile("|".join(map(re.escape, fixed))) if fixed else None
        self._threshold = threshold
        self._numbers: dict[str, int] = {}
        self._first: dict[bytes, int] = {}  # of the texts with these words
        self._texts = [self.read(())]
        self._matrix: tuple[Trigrams, Any] | None = None
        self.add(self.read(texts))

    def read(self, texts: Iterable[str]) -> Read:
        """Texts in the form that `find` and `add` take."""
        numbers, whole, parts, owners = self._numbers, list[list[int]](), list[list[int]](), list[int]()
        for i, text in enumerate(texts):
            codes = [numbers.setdefault(word, len(numbers)) for word in words(text)]
            whole.append(codes)
            for part in self._fixed.split(text) if self._fixed else ():
                parts.append([numbers.setdefault(word, len(numbers)) for word in words(part)])
                owners.append(i)
        trigrams, rows = _trigrams(parts) if self._fixed else _trigrams(whole)
        rows = np.array(owners, dtype=np.int64)[rows] if self._fixed else rows
        trigrams, ends = _distinct(trigrams, rows, len(whole))
        return Read(bags=_bags(whole), trigrams=trigrams, ends=ends)

    def add(self, texts: Read) -> None:
        """Adds texts to the index."""
        before = len(self)
        for i, bag in enumerate(texts.bags):
            self._first.setdefault(bag, before + i)
        self._texts.append(texts)
        self._matrix = None

    def __len__(self) -> int:
        return sum(len(each.bags) for each in self._texts)

    def find(self, texts: Read) -> Bools:
        """Whether each text is a near-duplicate of a text in the index, bool [n]."""
        near = np.array([bag in self._first for bag in texts.bags], dtype=np.bool_)
        vocabulary, index = self._indexed()
        sizes, index_sizes = texts.sizes, self._sizes()
        query = _matrix(texts.trigrams, texts.ends, vocabulary)
        for chunk in _chunks(query @ np.diff(index.indptr)):
            shared = (query[chunk] @ index).tocoo()
            enough = shared.data >= self._threshold * np.minimum(sizes[chunk[shared.row]], index_sizes[shared.col])
            near[chunk[shared.row[enough]]] = True
        return near

    def pairs(self) -> Ints:
        """Each pair of near-duplicates in the index by their places, int64 [pairs, 2], the earlier text first."""
        _, index = self._indexed()
        rows, sizes = index.T.tocsr(), self._sizes()
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
        bags = (bag for each in self._texts for bag in each.bags)
        places = [(self._first[bag], i) for i, bag in enumerate(bags) if self._first[bag] != i]
        return np.array(places, dtype=np.int64).reshape(-1, 2)

    def __contains__(self, text: str) -> bool:
        return bool(self.find(self.read([text]))[0])

    def _sizes(self) -> Ints:
        return np.concatenate([each.sizes for each in self._texts])

    def _indexed(self) -> tuple[Trigrams, Any]:
        """The distinct trigrams of the index, sorted, and their incidence matrix, sparse [trigrams, texts]."""
        if self._matrix is None:
            flat, ends = np.concatenate([each.trigrams for each in self._texts]), np.cumsum([0, *self._sizes()])
            vocabulary = np.unique(flat)
            self._matrix = vocabulary, _matrix(flat, ends, vocabulary).T.tocsr()
        return self._matrix


def _trigrams(rows: list[list[int]]) -> tuple[Trigrams, Ints]:
    """The trigrams of rows of word numbers, each encoded as an integer, and the row of each."""
    codes, row = _flat(rows)
    codes = codes.astype(np.uint64)
    within = row[:-2] == row[2:]
    shift = np.uint64(_BITS)
    return ((codes[:-2] << shift | codes[1:-1]) << shift | codes[2:])[within], row[:-2][within]


def _distinct(trigrams: Trigrams, rows: Ints, count: int) -> tuple[Trigrams, Ints]:
    """The distinct trigrams of each of `count` rows, ascending, and where each row ends."""
    order = np.lexsort((trigrams, rows))
    trigrams, rows = trigrams[order], rows[order]
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = (trigrams[1:] != trigrams[:-1]) | (rows[1:] != rows[:-1])
    return trigrams[first], np.concatenate([[0], np.cumsum(np.bincount(rows[first], minlength=count))])


def _bags(rows: list[list[int]]) -> list[bytes]:
    """The numbers of each row in ascending order, as a key."""
    codes, row = _flat(rows)
    flat = codes[np.lexsort((codes, row))].tobytes()
    ends = np.cumsum([0, *map(len, rows)]) * codes.itemsize
    return [flat[start:end] for start, end in pairwise(ends.tolist())]


def _flat(rows: list[list[int]]) -> tuple[Ints, Ints]:
    """All numbers of all rows, and the row of each."""
    sizes = np.fromiter(map(len, rows), np.int64, len(rows))
    codes = np.fromiter(chain.from_iterable(rows), np.int64, int(sizes.sum()))
    return codes, np.repeat(np.arange(len(rows)), sizes)


def _matrix(flat: Trigrams, ends: Ints, vocabulary: Trigrams) -> Any:
    """The incidence matrix of rows and the trigrams in `vocabulary`, sparse [rows, vocabulary], of ones.

    flat: the trigrams of all rows. ends: int64 [rows + 1], as in `Read`.
    """
    from scipy import sparse

    columns = np.searchsorted(vocabulary, flat)
    in_vocabulary = columns < len(vocabulary)
    in_vocabulary[in_vocabulary] = vocabulary[columns[in_vocabulary]] == flat[in_vocabulary]
    indptr = np.concatenate([[0], np.cumsum(in_vocabulary)])[ends]
    shape = (len(ends) - 1, len(vocabulary))
    return sparse.csr_matrix((np.ones(int(indptr[-1]), np.int64), columns[in_vocabulary], indptr), shape=shape)


def _chunks(costs: Ints) -> Iterator[Ints]:
    """Splits rows into chunks of consecutive rows with a total cost of about `_PRODUCTS` at most. Rows of cost 0 are
    left out."""
    rows = np.flatnonzero(costs)
    chunk = np.cumsum(costs[rows]) // _PRODUCTS
    yield from np.split(rows, np.flatnonzero(np.diff(chunk)) + 1) if len(rows) else ()
