"""The classes of a table of labels: those that the user lists, or those that occur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.annotations import Annotations
from outgrow.practice.roles import MOST_CLASSES, Roles
from outgrow.text import tables
from outgrow.text.label_cells import finder, is_distribution, may_be_numbered, unpacked
from outgrow.text.normal import caseless
from outgrow.types import Ints, UserError

MADE_UP = " (made up)"  # ends the name of a column that the file does not have
RARE, LONG = 20, 4  # how much rarer than another class one is that may be its typo, and how long names are then
ASK = "list them in the order of the numbers (--classes bad,good)"


def classes_of(
    path: Path, table: tables.Table, roles: Roles, given: tuple[str, ...], abstain: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes, and what `LabelFormat.classes` must be: the same where numbers stand for them, else ().

    Raises UserError for fewer than two classes, for too many, and where labels and ground truth have none in common.
    """
    refuse_classes(given)
    if roles.replies:
        return (given or (("first", "second") if roles.weak[0].endswith(MADE_UP) else roles.replies)), ()
    gold = _names(path, table, [roles.gold] if roles.gold else [], abstain)
    if roles.spread:
        names = given or roles.weak
        if len(names) != len(roles.weak):
            raise UserError(f"{path}: {len(roles.weak)} columns of numbers for {len(names)} classes: name one for each")
        refuse_apart(path, names, gold, repr(roles.gold))
        return names, ()
    weak = _names(path, table, roles.weak, abstain)
    widths, keys = _inside(path, table, roles.weak)
    if given:
        return given, (given if _are_numbers(weak, given) else ())
    if widths or (roles.form in ("probabilities", "scores") and not keys):
        return _unnamed(path, roles, max(widths or {2}), gold), ()
    names = _sorted({*weak, *keys, *gold})
    refuse_spellings(path, {*weak, *keys}, gold, repr(roles.gold))
    refuse_apart(path, {*weak, *keys}, gold, repr(roles.gold))
    _refuse_count(path, roles, names, len(table.rows))
    return names, ()


def refuse_classes(given: tuple[str, ...]) -> None:
    """Raises UserError for listed classes of which one occurs twice, or that are one alone."""
    if twice := next((name for name in given if given.count(name) > 1), None):
        raise UserError(f"classes lists {twice!r} twice: name each once")
    if len(given) == 1:
        raise UserError(f"classes lists {given[0]!r} alone: an answer needs two classes at least")


def coding_of(path: Path, table: tables.Table, column: str, classes: tuple[str, ...], abstain: str) -> tuple[str, ...]:
    """The classes, where the cells of a column are their numbers; () where they are names."""
    return classes if _are_numbers(_names(path, table, [column], abstain), classes) else ()


def refuse_spellings(where: Path, weak: Iterable[str], gold: Iterable[str], column: str) -> None:
    """Raise UserError where the ground truth writes a class otherwise than the labels do: it would never be right."""
    given = set(weak)
    spelled = {_folded(name): name for name in given}
    for name in gold:
        if name not in given and (other := spelled.get(_folded(name))):
            raise UserError(
                f"{where}: the labels say {other!r} and {column} says {name!r}: write them alike, or list the classes, "
                "whose names then count in any case (--classes bad,good)"
            )


def refuse_apart(where: Path, weak: Iterable[str], gold: Iterable[str], column: str) -> None:
    """Raise UserError where no name of the ground truth is one of the labels', which are compared without case."""
    labels, right = list(weak), list(gold)
    folded = {caseless(name) for name in labels}
    if right and labels and not any(caseless(name) in folded for name in right):
        advice = ASK if all(map(str.isdecimal, labels)) else "write them alike, or name other columns"
        weak_names, gold_names = tables.listed(_sorted(labels)), tables.listed(_sorted(right))
        raise UserError(f"{where}: the labels are {weak_names}, and {column} has {gold_names}: {advice}")


def odd_classes(classes: Sequence[str], annotations: Annotations, gold: Ints | None) -> tuple[str, ...]:
    """What a person should know about the classes, one line each: spellings, likely typos, constant annotators, unused
    classes."""
    alike = Counter(map(_folded, classes))
    pairs = [[name for name in classes if _folded(name) == key] for key, n in alike.items() if n > 1]
    notes = [
        f"{' and '.join(map(repr, names))} count as different classes: write them alike if they are one"
        for names in pairs
    ]
    probs = annotations.classes()
    top = probs.argmax(2)
    notes += _typos(classes, np.bincount(top[annotations.given], minlength=len(classes)).tolist())
    for name, given, own in zip(annotations.annotators, annotations.given, top, strict=True):
        seen = np.unique(own[given])
        if len(seen) == 1 and len(own) > 1:
            notes.append(f"{name or 'the only annotator'} always says {classes[seen[0]]!r}")
    used = {int(i) for i in np.unique(top[annotations.given])}
    known = set() if gold is None else {int(i) for i in np.unique(gold[gold >= 0])}
    notes += [f"no label ever says {classes[i]!r}, which the ground truth has" for i in sorted(known - used)]
    notes += [f"no label ever says {classes[i]!r}" for i in range(len(classes)) if i not in used | known]
    return tuple(notes)


def _folded(name: str) -> str:
    return caseless(name).replace(" ", "")


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


def _names(path: Path, table: tables.Table, columns: Iterable[str], abstain: str) -> Counter[str]:
    """How often each name of a class occurs in columns; lists and objects have none."""
    found: Counter[str] = Counter()
    for column in columns:
        for number, row in table.rows:
            value = row.get(column)
            if is_distribution(value):
                continue
            try:
                found[tables.name(value)] += 1
            except TypeError as error:
                raise UserError(f"{path}, row {number}: {column!r} {error}: name another column") from None
    for nothing in ("", abstain):
        found.pop(nothing, None)
    return found


def _inside(path: Path, table: tables.Table, columns: Iterable[str]) -> tuple[set[int], set[str]]:
    """The lengths of the lists in columns, and the names in their objects."""
    widths, keys = set[int](), set[str]()
    for column in columns:
        for number, row in table.rows:
            value: Any = row.get(column)
            if is_distribution(value):
                inner = unpacked(path, number, value)
                if isinstance(inner, dict):
                    keys |= {tables.name(name) for name in inner}
                else:
                    widths.add(len(inner))
    if len(widths) > 1:
        raise UserError(
            f"{path}: the lists of labels have {tables.listed(map(str, sorted(widths)))} numbers: one a class"
        )
    return widths, keys


def _are_numbers(found: Iterable[str], classes: tuple[str, ...]) -> bool:
    """Whether the names are all whole numbers that stand for the classes, and not all of them classes."""
    names = list(found)
    own, whole = finder(classes), bool(names) and all(map(str.isdecimal, names))
    return whole and any(own(name) is None for name in names) and may_be_numbered(classes)


def _unnamed(path: Path, roles: Roles, count: int, gold: Counter[str]) -> tuple[str, ...]:
    """The names of classes that are numbers in a list: 0, 1, ... unless the ground truth has names."""
    numbers = tuple(map(str, range(count)))
    if not set(gold) <= set(numbers):
        named = tables.listed(_sorted(gold))
        raise UserError(f"{path}: which of {named} do the {count} numbers of {roles.weak[0]!r} stand for: {ASK}")
    if count < 2:
        raise UserError(f"{path}: {roles.weak[0]!r} has one number a row: an answer needs two classes at least")
    return numbers


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    """Names in order: of whole numbers theirs."""
    each = list(names)
    return tuple(sorted(each, key=int) if all(name.isdecimal() and len(name) < 20 for name in each) else sorted(each))


def _refuse_count(path: Path, roles: Roles, names: Sequence[str], rows: int) -> None:
    columns = ", ".join(roles.weak)
    if len(names) < 2:
        problem = f"is always {names[0]!r}" if names else "has no label"
        raise UserError(f"{path}: {columns} {problem}: an answer needs two classes (--classes bad,good lists them)")
    if len(names) > max(MOST_CLASSES, rows // 10) and "weak" in roles.guessed:
        raise UserError(f"{path}: {columns} has {len(names)} different values: say so if they are classes (--weak a,b)")
