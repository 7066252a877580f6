"""The classes of a table of labels: those that the user lists, or those that occur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from outgrow.practice.roles import MOST_CLASSES, Roles
from outgrow.text import tables
from outgrow.text.label_cells import finder, is_distribution, may_be_numbered, unpacked
from outgrow.text.normal import caseless
from outgrow.types import UserError

MADE_UP = " (made up)"  # ends the name of a column that the file does not have
ASK = "list them in the order of the numbers (--classes bad,good)"


def classes_of(
    path: Path, table: tables.Table, roles: Roles, given: tuple[str, ...], abstain: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes, and what `LabelFormat.classes` must be: the same where numbers stand for them, else ().

    Raises UserError for fewer than two classes, for too many, and where labels and ground truth have none in common.
    """
    refuse_classes(given)
    if roles.replies:
        names = given or (("first", "second") if roles.weak[0].endswith(MADE_UP) else roles.replies)
        _refuse_other_replies(path, names, _names(path, table, roles.weak, abstain))
        return names, ()
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
    _refuse_count(path, roles, names, len(table.rows), _without(path, table, roles.weak, abstain))
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
    spelled = {folded(name): name for name in given}
    for name in gold:
        if name not in given and (other := spelled.get(folded(name))):
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


def folded(name: str) -> str:
    """A name of a class without case and spaces, in which two spellings of one class are equal."""
    return caseless(name).replace(" ", "")


def _names(path: Path, table: tables.Table, columns: Iterable[str], abstain: str) -> Counter[str]:
    """How often each name of a class occurs in columns; lists and objects have none."""
    found: Counter[str] = Counter()
    for column in columns:
        found += _cells(path, table, column)
    for nothing in ("", abstain):
        found.pop(nothing, None)
    return found


def _cells(path: Path, table: tables.Table, column: str) -> Counter[str]:
    """How often each cell of a column occurs, without lists and objects."""
    found: Counter[str] = Counter()
    for number, row in table.rows:
        value = row.get(column)
        if is_distribution(value):
            continue
        try:
            found[tables.name(value)] += 1
        except TypeError as error:
            raise UserError(f"{path}, row {number}: {column!r} {error}: name another column") from None
    return found


def abstentions(path: Path, table: tables.Table, roles: Roles, abstain: str) -> tuple[str, ...]:
    """How many cells stand for no label without being empty, in a note; () where there are none."""
    if roles.form == "scores" or not (found := _without(path, table, roles.weak, abstain)):
        return ()
    return (f"{found:,} cells of {', '.join(roles.weak)} are {abstain!r}, which stands for no label (--abstain)",)


def _without(path: Path, table: tables.Table, columns: Iterable[str], abstain: str) -> int:
    """How many cells of columns are the one that stands for no label."""
    found: Counter[str] = Counter()
    for column in columns:
        found += _cells(path, table, column)
    return found[abstain] if abstain else 0


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


def _refuse_other_replies(path: Path, replies: Sequence[str], found: Iterable[str]) -> None:
    """Raise UserError for preferences that call the replies otherwise."""
    known = {caseless(name) for name in replies}
    if other := [name for name in _sorted(found) if caseless(name) not in known]:
        raise UserError(
            f"{path}: a preference is {tables.listed(other)}, and the replies are {tables.listed(replies)}: list what "
            "stands for the first and the second (--classes A,B), and name what stands for neither (--abstain tie)"
        )


def _refuse_count(path: Path, roles: Roles, names: Sequence[str], rows: int, abstaining: int) -> None:
    columns = ", ".join(roles.weak)
    if len(names) < 2:
        problem = f"is always {names[0]!r}" if names else "has no label"
        if abstaining:
            problem += f" but for {abstaining:,} cells that stand for no label (--abstain names what does)"
        raise UserError(f"{path}: {columns} {problem}: an answer needs two classes (--classes bad,good lists them)")
    if len(names) > max(MOST_CLASSES, rows // 10) and "weak" in roles.guessed:
        raise UserError(
            f"{path}: {columns}, taken for labels, has {len(names)} different values: name the column of the labels "
            "(--weak llm), also if it is this one"
        )
