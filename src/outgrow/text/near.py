"""Which texts say nearly what others say: word n-gram containment (Broder 1997, On the resemblance and containment of
documents; the decontamination of language models uses the same idea, Brown et al. 2020, appendix C)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from string import Formatter

from outgrow.text.normal import caseless

LENGTH = 3  # words in an n-gram
_WORD = re.compile(r"\w+(?:'\w+)?")


def words(text: str) -> list[str]:
    """The words of a text without case and punctuation; the text itself where it has none."""
    folded = caseless(text)
    return _WORD.findall(folded) or [folded]


class Near:
    """An index of texts that others are held against.

    A text is near an indexed one if both have the same words, in any order, or if at least `threshold` of the shorter
    one's distinct word triples are in the other. So part of a sentence is near the sentence, while texts of one or two
    words are near their equals only. Triples lie between the fixed parts of the `template` that all texts were made by:
    short texts that end in one question would be near each other.
    """

    def __init__(self, texts: Iterable[str], threshold: float, template: str = "") -> None:
        self._threshold = threshold
        fixed = sorted((part for part, *_ in Formatter().parse(template) if _WORD.search(part)), key=len, reverse=True)
        self._fixed = re.compile("|".join(map(re.escape, fixed))) if fixed else None
        self._bags: set[tuple[str, ...]] = set()
        self._sizes: list[int] = []
        self._holders: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, text in enumerate(texts):
            found = words(text)
            triples = self._triples(text)
            self._bags.add(tuple(sorted(found)))
            self._sizes.append(len(triples))
            for triple in triples:
                self._holders[triple].append(number)

    def __contains__(self, text: str) -> bool:
        found = words(text)
        if tuple(sorted(found)) in self._bags:
            return True
        triples = self._triples(text)
        shared = Counter(number for triple in triples for number in self._holders.get(triple, ()))
        return any(
            count >= self._threshold * min(len(triples), self._sizes[number]) for number, count in shared.items()
        )

    def _triples(self, text: str) -> set[tuple[str, ...]]:
        found: set[tuple[str, ...]] = set()
        for part in self._fixed.split(text) if self._fixed else [text]:
            said = words(part)
            found.update(zip(*(said[start:] for start in range(LENGTH)), strict=False))
        return found
