"""Near-duplicates: texts that share most of their word trigrams.

The measure is n-gram containment (Broder 1997, "On the resemblance and containment of documents"), as in the
decontamination of language-model corpora (Brown et al. 2020, appendix C).
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from itertools import islice
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
# In ASCII: capitals become small letters, and what is neither in a word nor an apostrophe becomes a blank.
_PLAIN = {i: chr(i).lower() if chr(i).isalnum() or chr(i) in "_'" else " " for i in range(128)}
_BITS = 21  # for each word of a trigram's 64 bits; with more than two million distinct words trigrams may collide
_PRODUCTS = 20_000_000  # the largest number of row pairs that a chunk of a query compares, which limits memory
_TEXTS = 20_000  # that are read together, which limits memory
_TABLE = 25  # bits of a table of what was seen: 32 MB
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2 ** 64 over the golden ratio, by which products spread

Numbers = npt.NDArray[np.uint64]
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
    if text.isascii():
        plain = text.translate(_PLAIN)
        return (_WORD.findall(plain) if "'" in text else plain.split()) or [caseless(text)]
    folded = caseless(text)
    return (_WORD if folded.isascii() else _any_word()).findall(folded) or [folded]


@cache
def _any_word() -> re.Pattern[str]:
    """A word of any script. `re` has no class of combining marks, and they are not in its class of letters."""
    marks = "".join(chr(c) for c in range(0x300, 0x1F000) if category(chr(c)).startswith("M"))
    letter = rf"(?![{_UNSPACED}])[\w{marks}]"
    return re.compile(rf"(?:{letter})+(?:'(?:{letter})+)?|(?=\w)[{_UNSPACED}][{marks}]*")


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """Texts as numbers. bags: equal where texts have the same words in any order, uint64 [n]. trigrams: the distinct
    ones of each text, text after text, uint64; ends: where those of each text end, after a zero, int64 [n + 1]."""

    bags: Numbers
    trigrams: Numbers
    ends: Ints

    def __len__(self) -> int:
        return len(self.bags)

    def take(self, kept: Bools) -> Encoded:
        """Some of the texts."""
        sizes = np.diff(self.ends)
        ends = np.concatenate([[0], np.cumsum(sizes[kept])])
        return Encoded(bags=self.bags[kept], trigrams=self.trigrams[np.repeat(kept, sizes)], ends=ends)


class _Words(dict[str, int]):
    """The number of each word, which a new one gets when it is asked for. hashes: of the words, by number."""

    def __init__(self) -> None:
        self.hashes = array("Q")

    def __missing__(self, word: str) -> int:
        self.hashes.append(
            int.from_bytes(blake2b(word.encode(errors="surrogatepass"), digest_size=8).digest(), "little")
        )
        return self.setdefault(word, len(self))


class Near:
    """An index of texts that finds near-duplicates of other texts.

    Two texts are near-duplicates if they have the same words, in any order, or if at least `threshold` (a fraction) of
    the shorter text's distinct word trigrams are in the other text. So a part of a sentence is near the sentence, and
    texts of one or two words are near equal texts only. Trigrams do not span the fixed parts of the `template`.

    The cost is that of a sparse matrix product over the trigrams that occur on both sides: comparing 67,000 phrases
    with each other takes about a second on one core.
    """

    def __init__(self, texts: Iterable[str], threshold: float, template: str = "") -> None:
        fixed = sorted((part for part, *_ in Formatter().parse(template) if _WORD.search(part)), key=len, reverse=True)
        self._fixed = re.compile("|".join(map(re.escape, fixed))) if fixed else None
        self._threshold = threshold
        self._numbers = _Words()
        self._index: list[Encoded] = []
        self.add(texts)

    def add(self, texts: Iterable[str]) -> None:
        """Adds texts to the index."""
        self._index += self._read(texts)

    def find(self, texts: Iterable[str]) -> Bools:
        """Whether each text is a near-duplicate of a text in the index, bool [n]."""
        return self._near(self._read(texts))

    def grow(self, texts: Iterable[str], owners: Ints) -> Ints:
        """The owners of which a text is a near-duplicate of one in the index, sorted. The texts of all others are added
        to it, after all were looked for. owners: whose each text is, int64 [n]."""
        found = self._read(texts)
        near = np.unique(owners[self._near(found)])
        kept, start = ~np.isin(owners, near), 0
        for part in found:
            self._index.append(part.take(kept[start : start + len(part)]))
            start += len(part)
        return near

    def _near(self, texts: Sequence[Encoded]) -> Bools:
        near = np.isin(_bags(texts), _bags(self._index))
        vocabulary = _in_both(texts, self._index)
        query, index = _matrix(texts, vocabulary), _matrix(self._index, vocabulary).T.tocsr()
        sizes, index_sizes = _sizes(texts), _sizes(self._index)
        for chunk in _chunks(query @ np.diff(index.indptr)):
            shared = (query[chunk] @ index).tocoo()
            enough = shared.data >= self._threshold * np.minimum(sizes[chunk[shared.row]], index_sizes[shared.col])
            near[chunk[shared.row[enough]]] = True
        return near

    def pairs(self) -> Ints:
        """Each pair of near-duplicates in the index by their places, int64 [pairs, 2], the earlier text first."""
        every = [part.trigrams for part in self._index]
        distinct, counts = np.unique(np.concatenate([np.zeros(0, np.uint64), *every]), return_counts=True)
        rows, sizes = _matrix(self._index, distinct[counts > 1]), _sizes(self._index)
        index = rows.T.tocsr()
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
        _, firsts, which = np.unique(_bags(self._index), return_index=True, return_inverse=True)
        pairs = np.stack([firsts[which], np.arange(len(which))], 1)
        differing: Ints = pairs[pairs[:, 0] != pairs[:, 1]].astype(np.int64)
        return differing

    def __contains__(self, text: str) -> bool:
        return bool(self.find([text])[0])

    def _read(self, texts: Iterable[str]) -> list[Encoded]:
        """Texts in parts, so that none of their arrays is large."""
        rest, parts = iter(texts), list[Encoded]()
        while chunk := list(islice(rest, _TEXTS)):
            parts.append(self._encoded(chunk))
        return parts

    def _encoded(self, texts: Sequence[str]) -> Encoded:
        codes, counts = self._codes(texts)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        bags = np.add.reduceat(np.frombuffer(self._numbers.hashes, np.uint64)[codes], starts)
        owners = np.arange(len(texts))
        if self._fixed:
            parts = [self._fixed.split(text) for text in texts]
            owners = np.repeat(owners, [len(own) for own in parts])
            codes, counts = self._codes([part for own in parts for part in own])
        trigrams, texts_of = _trigrams(codes, np.repeat(np.arange(len(counts)), counts), owners)
        sizes = np.bincount(texts_of, minlength=len(texts))
        return Encoded(bags=bags, trigrams=trigrams, ends=np.concatenate([[0], np.cumsum(sizes)]))

    def _codes(self, texts: Sequence[str]) -> tuple[Numbers, Ints]:
        """The numbers of the words of all texts, and how many words each has, at least one."""
        codes, counts, number_of = array("Q"), array("q"), self._numbers.__getitem__
        for text in texts:
            found = words(text)
            codes.extend(map(number_of, found))
            counts.append(len(found))
        return np.frombuffer(codes, np.uint64), np.frombuffer(counts, np.int64)


def _bags(parts: Sequence[Encoded]) -> Numbers:
    return np.concatenate([np.zeros(0, np.uint64), *(part.bags for part in parts)])


def _sizes(parts: Sequence[Encoded]) -> Ints:
    """How many trigrams each text has."""
    return np.concatenate([np.zeros(0, np.int64), *(np.diff(part.ends) for part in parts)])


def _trigrams(codes: Numbers, parts: Ints, owners: Ints) -> tuple[Numbers, Ints]:
    """The distinct trigrams of each text, each encoded as an integer, and whose they are, text after text. parts: of
    which part each word is, ascending; owners: of which text each part is."""
    shift = np.uint64(_BITS)
    inside = parts[:-2] == parts[2:]
    every = ((codes[:-2] << shift | codes[1:-1]) << shift | codes[2:])[inside]
    texts = owners[parts[:-2][inside]]
    mixed = every ^ (texts.astype(np.uint64) * _ODD)  # few texts repeat a trigram: only these are sorted
    ordered = np.sort(mixed)
    again = np.flatnonzero(np.isin(mixed, ordered[1:][ordered[1:] == ordered[:-1]]))
    again = again[np.lexsort((every[again], texts[again]))]
    same = (every[again[1:]] == every[again[:-1]]) & (texts[again[1:]] == texts[again[:-1]])
    new = np.ones(len(every), dtype=np.bool_)
    new[again[1:][same]] = False
    return every[new], texts[new]


def _in_both(one: Sequence[Encoded], other: Sequence[Encoded]) -> Numbers:
    """The distinct trigrams that occur in both, sorted. A table by a hash leaves most of what occurs once aside."""
    seen = np.zeros(1 << _TABLE, dtype=np.bool_)
    for part in one:
        seen[_places(part.trigrams)] = True
    common = _known(other, seen)
    seen[:] = False
    seen[_places(common)] = True
    return np.intersect1d(common, _known(one, seen), assume_unique=True)


def _known(parts: Sequence[Encoded], seen: Bools) -> Numbers:
    """The distinct trigrams whose place in the table is set, sorted."""
    rest = [part.trigrams[seen[_places(part.trigrams)]] for part in parts]
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *rest]))


def _places(numbers: Numbers) -> Numbers:
    """The place of each number in a table of 2 ** `_TABLE`: the upper bits of a product (Fibonacci hashing)."""
    return (numbers * _ODD) >> np.uint64(64 - _TABLE)


def _matrix(parts: Sequence[Encoded], vocabulary: Numbers) -> Any:
    """The incidence matrix of texts and the trigrams in `vocabulary`, sparse [texts, vocabulary], of ones."""
    from scipy import sparse

    columns, counts = [np.zeros(0, np.int64)], [np.zeros(1, np.int64)]
    for part in parts:
        column = np.searchsorted(vocabulary, part.trigrams)
        known = column < len(vocabulary)
        known[known] = vocabulary[column[known]] == part.trigrams[known]
        columns.append(column[known])
        counts.append(np.diff(np.concatenate([[0], np.cumsum(known)])[part.ends]))
    found, ends = np.concatenate(columns), np.cumsum(np.concatenate(counts))
    return sparse.csr_matrix((np.ones(len(found), np.int64), found, ends), shape=(len(ends) - 1, len(vocabulary)))


def _chunks(costs: Ints) -> Iterator[Ints]:
    """Splits rows into chunks of consecutive rows with a total cost of about `_PRODUCTS` at most. Rows of cost 0 are
    left out."""
    rows = np.flatnonzero(costs)
    chunk = np.cumsum(costs[rows]) // _PRODUCTS
    yield from np.split(rows, np.flatnonzero(np.diff(chunk)) + 1) if len(rows) else ()
