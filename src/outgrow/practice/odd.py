"""What may be wrong with labels, in notes for a person."""

from __future__ import annotations

import hashlib
import shlex
from collections import Counter
from collections.abc import Sequence

import numpy as np

from outgrow.annotations import Annotations
from outgrow.practice.classes import folded
from outgrow.text import tables
from outgrow.text.normal import caseless
from outgrow.types import Ints

RARE, LONG = 20, 4  # how much rarer than another class one is that may be its typo, and how long names are then
MANY = 50  # labels that do not agree by chance
NO_LABEL = ("nan", "none", "null", "n/a", "na", "<na>", "-", "?", "unknown", "abstain", "missing", "error")


def odd_labels(
    classes: Sequence[str], annotations: Annotations, gold: Ints | None, ids: Sequence[str]
) -> tuple[str, ...]:
    """What a person should know about the labels, one line each: spellings, likely typos, names that may stand for no
    label, unused classes, constant annotators, copies of an annotator or of the ground truth. gold: of the items
    `ids`."""
    alike = Counter(map(folded, classes))
    pairs = [[name for name in classes if folded(name) == key] for key, n in alike.items() if n > 1]
    notes = [
        f"{' and '.join(map(repr, names))} count as different classes: write them alike if they are one"
        for names in pairs
    ]
    probs = annotations.classes()
    top = probs.argmax(2)
    notes += [
        f"{name!r} counts as a class: if it stands for no label, say so (--abstain {shlex.quote(name)})"
        for name in classes
        if caseless(name) in NO_LABEL
    ]
    notes += _typos(classes, np.bincount(top[annotations.given], minlength=len(classes)).tolist())
    for name, given, own in zip(annotations.annotators, annotations.given, top, strict=True):
        seen = np.unique(own[given])
        if len(seen) == 1 and len(own) > 1:
            notes.append(f"{name or 'the only annotator'} always says {classes[seen[0]]!r}")
    used = {int(i) for i in np.unique(top[annotations.given])}
    known = set() if gold is None else {int(i) for i in np.unique(gold[gold >= 0])}
    notes += [f"no label ever says {classes[i]!r}, which the ground truth has" for i in sorted(known - used)]
    notes += [f"no label ever says {classes[i]!r}" for i in range(len(classes)) if i not in used | known]
    return (*notes, *_copies(annotations), *_of_truth(classes, annotations, gold, ids))


def _copies(annotations: Annotations) -> list[str]:
    """A note on annotators that give the same labels to the same items."""
    alike: dict[bytes, list[str]] = {}
    for name, given, probs in zip(annotations.annotators, annotations.given, annotations.probs, strict=True):
        if given.sum() >= MANY:
            alike.setdefault(hashlib.sha256(given.tobytes() + probs.tobytes()).digest(), []).append(name)
    found = [tables.listed(names) for names in alike.values() if len(names) > 1]
    return [f"{names} give the same labels: leave copies out, since agreement is taken for accuracy" for names in found]


def _of_truth(classes: Sequence[str], annotations: Annotations, gold: Ints | None, ids: Sequence[str]) -> list[str]:
    """Notes on ground truth of one class alone, and on annotators that it never contradicts."""
    if gold is None:
        return []
    there, known = gold[gold >= 0], dict(zip(ids, gold.tolist(), strict=True))
    truth, found = np.array([known[id] for id in annotations.ids]), []
    if len(there) >= MANY and (there == there[0]).all():
        name = classes[there[0]]
        found.append(f"the ground truth is always {name!r}: of rows chosen by their class no accuracy holds for others")
    for name, votes in zip(annotations.annotators, annotations.matrix().T, strict=True):
        both = (truth >= 0) & (votes >= 0)
        if both.sum() >= MANY and (truth[both] == votes[both]).all():
            source = name or "the only annotator"
            found.append(f"{source} is right on all {both.sum():,} rows with ground truth: is one a copy of the other?")
    return found


def _typos(classes: Sequence[str], counts: Sequence[int]) -> list[str]:
    """A note on each rare class whose name is one letter away from that of a frequent one."""
    found = []
    for rare, few in zip(classes, counts, strict=True):
        for common, many in zip(classes, counts, strict=True):
            if 0 < few * RARE <= many and min(len(rare), len(common)) >= LONG and _one_letter_apart(rare, common):
                found.append(f"{rare!r} ({few:,} labels) may be a typo of {common!r} ({many:,}): mend it if it is one")
    return found


def _one_letter_apart(one: str, other: str) -> bool:
    """Whether one letter is changed, added, missing, or swapped with the next one; of digits none is."""
    one, other = sorted((caseless(one), caseless(other)), key=len)
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if one == other or any(letter.isdigit() for letter in (one[at : at + 1], other[at : at + 1])):
        return False
    swapped = one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
    return swapped or one[at + (len(one) == len(other)) :] == other[at + 1 :]
