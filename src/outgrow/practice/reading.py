"""Reads the items, labels and ground truth of a table whose columns have roles."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.practice.classes import MADE_UP, abstentions, classes_of, coding_of
from outgrow.practice.odd import odd_labels
from outgrow.practice.roles import REPLIES, Roles, columns_of, filled
from outgrow.text import tables
from outgrow.text.label_cells import class_index
from outgrow.text.label_files import LabelFormat, labels_of
from outgrow.text.normal import normal_form, readable
from outgrow.types import Example, Ints, UserError

IMPLIED = "chosen"  # the annotator of a table with the columns chosen and rejected


@dataclass(frozen=True, kw_only=True)
class Items:
    """The items of a table, by id: the number of an item's first row, its text and its replies. The rows that are left
    out are counted in `dropped`."""

    rows: tuple[tuple[int, dict[str, Any]], ...]
    names: tuple[str, ...]  # the id of each row's item
    texts: Mapping[str, str]
    replies: Mapping[str, tuple[str, str]]
    dropped: Mapping[str, int]


def read(
    path: Path, table: tables.Table, roles: Roles, *, classes: tuple[str, ...], abstain: str, normalize: bool
) -> dict[str, Any]:
    """The fields of `PracticeData` that a table has. Raises UserError."""
    items = _items(path, table, roles)
    kept = tables.Table(columns=table.columns, rows=items.rows)
    kept, roles_read = _implied(kept, items, roles)
    ids = tuple(items.texts)
    names, coding = classes_of(path, kept, roles_read, classes, abstain)
    kept, weak = _renamed(kept, roles_read, names)
    layout = LabelFormat(
        form=roles.form,
        annotators=() if roles.spread or roles.annotator else weak,
        label=weak[0] if roles.annotator and not roles.spread else "",
        annotator=roles.annotator,
        classes=coding,
        abstain=abstain,
        normalize=normalize,
    )
    examples = [Example(id=id, group=id, prompt="", choices=names) for id in ids]
    name_of = dict(zip((number for number, _ in items.rows), items.names, strict=True))
    places = {id: i for i, id in enumerate(ids)}
    found = labels_of(path, layout, kept, examples, lambda number, _: name_of[number], places)
    annotations = found.annotations.taken(ids)
    gold = _gold(path, kept, roles_read, name_of, places, examples, abstain) if roles.gold else None
    dropped = [f"{count:,} rows are left out: {why}" for why, count in items.dropped.items()]
    repeated = [f"{found.repeated:,} labels are given twice"] if found.repeated else []
    silent = [name for name in layout.annotators if name not in annotations.annotators]
    return {
        "ids": ids,
        "texts": tuple(items.texts.values()) if roles.text or roles.replies else (),
        "classes": names,
        "annotations": annotations,
        "gold": gold,
        "replies": tuple(items.replies.values()),
        "notes": (
            *roles.lines(),
            *dropped,
            *repeated,
            *abstentions(path, kept, roles_read, abstain),
            *([f"{roles.gold} is empty: no row has ground truth"] if roles.gold and gold is None else []),
            *(f"{name} labels nothing and is left out" for name in silent),
        ),
        "odd": odd_labels(names, annotations, gold, ids),
    }


def _items(path: Path, table: tables.Table, roles: Roles) -> Items:
    """The items that the rows are about. Rows without a text are left out, and so are rows that occur again
    and pairs of equal replies.

    Raises UserError for two rows of one id with different texts, and for one id twice in a table with a row an item.
    """
    texts: dict[str, str] = {}
    replies: dict[str, tuple[str, str]] = {}
    first: dict[str, tuple[int, dict[str, Any]]] = {}
    rows, names, dropped = [], [], Counter[str]()
    for number, row in table.rows:
        text = _text(path, number, row, roles)
        pair = tuple(_cell(path, number, name, row) for name in roles.replies)
        if (roles.text and not text) or not all(pair):
            dropped["a text is empty"] += 1
            continue
        if pair and len(set(pair)) == 1:
            dropped["both replies are the same"] += 1
            continue
        id = _id(path, number, row, roles, text)
        earlier, same = first.setdefault(id, (number, row))
        if earlier != number and not roles.annotator:
            if row == same:
                dropped["the same row again"] += 1
                continue
            message = f"{path}: rows {earlier} and {number} have the same {roles.id} {id!r}"
            raise UserError(f"{message}: give each item an id of its own, or name the annotators' column (--annotator)")
        if earlier != number and (texts[id] != text or (pair and replies[id] != pair)):
            raise UserError(
                f"{path}: rows {earlier} and {number} have the {roles.id} {id!r} and different texts: mend it"
            )
        texts[id] = text
        if len(pair) == 2:
            replies[id] = (pair[0], pair[1])
        rows.append((number, row))
        names.append(id)
    if not rows:
        option = "--replies" if dropped["both replies are the same"] else "--text"
        why = f"all its {len(table.rows):,} rows are left out: {' or '.join(dropped)}"
        raise UserError(f"{path}: {why}: name another column ({option})")
    return Items(rows=tuple(rows), names=tuple(names), texts=texts, replies=replies, dropped=dropped)


def _text(path: Path, number: int, row: dict[str, Any], roles: Roles) -> str:
    """The text of a row; "" where a part is empty, or if there is no role of text."""
    if not roles.text:
        return ""
    cells = {name: _cell(path, number, name, row) for name in columns_of(roles.text)}
    if not all(cells.values()):
        return ""
    return readable(filled(roles.text, cells))


def _cell(path: Path, number: int, name: str, row: dict[str, Any]) -> str:
    try:
        return tables.cell(row.get(name))
    except TypeError as error:
        raise UserError(f"{path}, row {number}: {name!r} {error}: name a column of text (--text)") from None


def _id(path: Path, number: int, row: dict[str, Any], roles: Roles, text: str) -> str:
    """The id of a row's item: its cell; without a column of ids its number, in a long table its text."""
    if not roles.id:
        if roles.annotator and not roles.text:
            raise UserError(f"{path}: a row for each annotator needs the item's id or text: name its column (--id)")
        return normal_form(text) if roles.annotator else str(number)
    try:
        name = normal_form(tables.name(row.get(roles.id)))
    except TypeError as error:
        raise UserError(f"{path}, row {number}: {roles.id!r} {error}: name another column (--id)") from None
    if not name:
        raise UserError(f"{path}, row {number}: {roles.id!r} is empty: fill it in, or name another column (--id)")
    return name


def _implied(table: tables.Table, items: Items, roles: Roles) -> tuple[tables.Table, Roles]:
    """A table of chosen and rejected replies with a column that says which of both is the chosen one, after their
    order is made one that says nothing: by a hash of both."""
    if roles.replies != REPLIES[0] or roles.weak:
        return table, roles
    pairs: Any = items.replies
    rows = []
    for (number, row), id in zip(table.rows, items.names, strict=True):
        better, worse = pairs[id]
        swapped = _hash(better) > _hash(worse)
        pairs[id] = (worse, better) if swapped else (better, worse)
        rows.append((number, {**row, IMPLIED + MADE_UP: "second" if swapped else "first"}))
    made = tables.Table(columns=(*table.columns, IMPLIED + MADE_UP), rows=tuple(rows))
    return made, Roles(text=roles.text, replies=roles.replies, weak=(IMPLIED + MADE_UP,), gold=roles.gold)


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def _renamed(table: tables.Table, roles: Roles, classes: Sequence[str]) -> tuple[tables.Table, tuple[str, ...]]:
    """The table with the columns of numbers called as the classes that they stand for."""
    if not roles.spread or set(roles.weak) == set(classes):
        return table, roles.weak
    new = dict(zip(roles.weak, classes, strict=True))
    rows = tuple((number, {new[c]: row.get(c) for c in roles.weak} | _rest(row, roles)) for number, row in table.rows)
    return tables.Table(columns=(*classes, *_rest(dict.fromkeys(table.columns), roles)), rows=rows), tuple(classes)


def _rest(row: Mapping[str, Any], roles: Roles) -> dict[str, Any]:
    """The cells of the columns with the roles of ground truth and annotators."""
    return {name: row[name] for name in (roles.gold, roles.annotator) if name and name in row}


def _gold(
    path: Path,
    table: tables.Table,
    roles: Roles,
    name_of: Mapping[int, str],
    places: Mapping[str, int],
    examples: Sequence[Example],
    abstain: str,
) -> Ints | None:
    """The class of each item, -1 where there is none; None where the column is empty and nobody has named it.

    Raises UserError for two rows that differ, and for an empty column that the user has named."""
    gold, first_row = np.full(len(places), -1, dtype=np.int64), dict[int, int]()
    coding = LabelFormat(abstain=abstain, classes=coding_of(path, table, roles.gold, examples[0].choices, abstain))
    for number, row in table.rows:
        place = places[name_of[number]]
        label = class_index(path, number, row.get(roles.gold), coding, examples[place])
        if label is None:
            continue
        earlier = first_row.setdefault(place, number)
        if gold[place] not in (-1, label):
            raise UserError(f"{path}: rows {earlier} and {number} have different {roles.gold!r} of one item: keep one")
        gold[place] = label
    if first_row:
        return gold
    if "gold" in roles.guessed:
        return None
    raise UserError(f"{path}: the column {roles.gold!r} is empty: name another one (--gold), or audit some rows")
