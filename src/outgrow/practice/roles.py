"""What each column of a table with cheap labels is for: guessed from names and cells where the user does not say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Any

from outgrow.text import tables
from outgrow.text.label_cells import Form, by_name, is_distribution
from outgrow.types import UserError

TEXT = ("text", "sentence", "prompt", "review", "body", "content", "question", "title", "headline", "message", "tweet")
ID = ("id", "item", "item_id", "example_id", "task", "task_id", "uid", "key", "idx")
ANNOTATOR = ("annotator", "annotator_id", "worker", "worker_id", "rater", "labeler", "labeller")
GOLD = ("gold", "gold_label", "truth", "ground_truth", "true_label", "audited", "audited_label", "y_true")
WEAK = ("label", "weak", "weak_label", "weak_labels", "llm", "pred_probs", "probs", "probabilities", "logprobs",
        "scores", "logits", "preferred", "preference")  # fmt: skip
WEAK_BEGINS = ("weak_", "lf", "annotator", "rater", "llm_", "gpt")
REPLIES = (("chosen", "rejected"), ("reply_a", "reply_b"), ("response_a", "response_b"), ("answer_a", "answer_b"))
WORDS = 5  # the most in the name of a column
LOOK = 1000  # rows that are looked at to guess
MOST_CLASSES = 20  # different values of a column that is taken for labels without being named; more in large tables


@dataclass(frozen=True, kw_only=True)
class Roles:
    """The columns of a table, by role; "" or () for a role that no column has.

    text: a column, or a template over several (`{title}: {body}`). weak: columns with labels; with `spread`, the
    columns of one annotator's numbers, one for each class. annotator: the column of the annotator's name, in a table
    with a row for each annotator and item. replies: the columns of two replies, of which a label prefers one. guessed:
    the roles that the user has not given. unread: the columns without a role.
    """

    text: str = ""
    id: str = ""
    weak: tuple[str, ...] = ()
    gold: str = ""
    annotator: str = ""
    replies: tuple[str, ...] = ()
    spread: bool = False
    form: Form = "auto"
    guessed: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """One line for each role that a column has, `text: body (guessed; --text names another)`, and one for the
        columns that are not read, where roles are guessed."""
        found = {"text": self.text, "id": self.id, "weak": ",".join(self.weak), "gold": self.gold,
                 "annotator": self.annotator, "replies": ",".join(self.replies), "form": self.form}  # fmt: skip
        shown = {name: value for name, value in found.items() if value and (name, value) != ("form", "auto")}
        also = {name: f" (guessed; --{name} names another)" for name in self.guessed}
        left_out = f"not read: {tables.listed(self.unread)} (--weak, --gold, --text or --id read a column)"
        return (
            *(f"{name}: {value}{also.get(name, '')}" for name, value in shown.items()),
            *([left_out] if self.guessed and self.unread else []),
        )


def columns_of(template: str) -> list[str]:
    """The columns that a text names: those in braces, or the text itself. Raises UserError for a broken template."""
    return [name for _, name in _parts(template) if name]


def filled(template: str, cells: Mapping[str, str]) -> str:
    """The text of a row whose `cells` are those of `columns_of`."""
    return "".join(literal + (cells[name] if name else "") for literal, name in _parts(template))


@lru_cache(maxsize=16)
def _parts(template: str) -> tuple[tuple[str, str], ...]:
    """What a text is made of: literal texts, each with the column that follows, or ""."""
    if "{" not in template:
        return (("", template),)
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise UserError(f"the text {template!r} is not a template ({error}): write '{{title}}: {{body}}'") from None
    names = [name for _, name, *_ in parts if name is not None]
    if not names or "" in names:
        raise UserError(f"the text {template!r} names no column: write one in braces, such as '{{title}}: {{body}}'")
    if any(form or conversion for _, _, form, conversion in parts):
        raise UserError(f"the text {template!r} may hold plain names of columns in braces: '{{title}}: {{body}}'")
    return tuple((literal, name or "") for literal, name, *_ in parts)


def assigned(path: Path, table: tables.Table, given: Roles) -> Roles:
    """The roles of a table's columns: those that are given, and guesses for the others.

    Raises UserError for a column that is not there, one with two roles, and where no column looks like labels.
    """
    columns, rows = table.columns, [row for _, row in table.rows[:LOOK]]
    refuse_unseparated(path, columns)
    _refuse_wrong(path, columns, given)
    taken = {*_named(given)}
    guessed: list[str] = []

    def guess(role: str, now: Any, find: Callable[[list[str]], Any]) -> Any:
        if now:
            return now
        if found := find([name for name in columns if name not in taken]):
            guessed.append(role)
            taken.update([found] if isinstance(found, str) else found)
        return found

    replies = guess("replies", given.replies, lambda free: _replies(free))
    annotator = guess("annotator", given.annotator, lambda free: _first(free, ANNOTATOR))
    gold = guess("gold", given.gold, lambda free: _first(free, GOLD))
    id_column = guess("id", given.id, lambda free: _first(free, ID))
    by_name = () if given.weak or replies == ("chosen", "rejected") else _weak_by_name(columns, taken, bool(annotator))
    taken.update(by_name)
    text = guess("text", given.text, lambda free: _first(free, TEXT) or _longest(rows, free))
    implied = replies == REPLIES[0]
    weak = given.weak or by_name or (() if implied else _weak_by_cells(rows, [c for c in columns if c not in taken]))
    if not weak and not implied:
        listed = tables.listed(columns)
        hint = " Its first line must be a header, such as text,label" if any(map(_is_odd_name, columns)) else ""
        raise UserError(
            f"{path}: no column looks like labels: it has {listed}: say which holds them (--weak a,b){hint}"
        )
    if not given.weak and weak:
        guessed.append("weak")
    _refuse_headless(path, rows, [name for name in (text, *weak) if name not in _named(given)])
    spread, form = _numbers(rows, weak, given.form)
    if form != given.form:
        guessed.append("form")
    return Roles(
        text=text, id=id_column, weak=weak, gold=gold, annotator=annotator, replies=replies, spread=spread, form=form,
        guessed=tuple(guessed), unread=_unread(columns, [text, id_column, *weak, gold, annotator, *replies]),
    )  # fmt: skip


def _named(roles: Roles) -> list[str]:
    texts = columns_of(roles.text) if roles.text else []
    return [name for name in (*texts, roles.id, *roles.weak, roles.gold, roles.annotator, *roles.replies) if name]


def _refuse_wrong(path: Path, columns: Sequence[str], given: Roles) -> None:
    names = _named(given)
    for name in names:
        if name not in columns:
            raise UserError(f"{path} has no column {name!r}: it has {tables.listed(columns)}")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"the column {twice!r} has two roles: name another for one of them")
    if given.replies and len(given.replies) != 2:
        raise UserError(f"replies are two columns, and {len(given.replies)} are named: --replies reply_a,reply_b")


def _unread(columns: Sequence[str], used: Sequence[str]) -> tuple[str, ...]:
    read = {part for name in used if name for part in columns_of(name)}
    return tuple(name for name in columns if name not in read)


def refuse_unseparated(path: Path, columns: Sequence[str]) -> None:
    """Raise UserError for a table of one column whose name is a header with another separator."""
    separator = next((each for each in ";\t|" if len(columns) == 1 and each in columns[0]), "")
    if separator:
        shown = {"\t": "tabs: call it .tsv"}.get(separator, f"{separator!r}: save it with commas")
        raise UserError(f"{path} has one column, {columns[0]!r:.60}: its cells seem to be separated by {shown}")


def _is_odd_name(name: str) -> bool:
    """Whether a name is rather a cell: empty, a number, or a sentence."""
    return not name or name.replace(".", "").isdigit() or len(name.split()) > WORDS


def _refuse_headless(path: Path, rows: Sequence[dict[str, Any]], guessed: Sequence[str]) -> None:
    """Raise UserError where a column that is taken for text or labels is called like one of its own cells."""
    for name in guessed:
        same = name and any(_name(row.get(name)) == _name(name) for row in rows)
        if same or len(name.split()) > WORDS:
            raise UserError(
                f"{path}: the first line must be a header, and it seems to be a row, since a column is called "
                f"{name!r:.60}: put a header above it, such as text,label, or name the columns (--text, --weak)"
            )


def _first(free: Sequence[str], names: Sequence[str]) -> str:
    """The first of the columns, in the order of `names`, whatever their case."""
    lower = {name.lower(): name for name in reversed(free)}
    return next((lower[name] for name in names if name in lower), "")


def _replies(free: Sequence[str]) -> tuple[str, ...]:
    return next((pair for pair in REPLIES if set(pair) <= set(free)), ())


def _weak_by_name(columns: Sequence[str], taken: set[str], is_long: bool) -> tuple[str, ...]:
    """The free columns with a name that says labels. `label` alone, unless there are others that say weak labels."""
    free = [name for name in columns if name not in taken]
    found = [name for name in free if name.lower() in WEAK or name.lower().startswith(WEAK_BEGINS)]
    others = [name for name in found if name.lower() != "label"]
    return tuple(others if others and not is_long else found[:1] if is_long else found)


def _longest(rows: Sequence[dict[str, Any]], free: Sequence[str]) -> str:
    """The column of text with the longest cells, if it has several words on average."""
    words = {name: [len(v.split()) for row in rows if isinstance(v := row.get(name), str)] for name in free}
    means = {name: sum(counts) / len(rows) for name, counts in words.items() if counts}
    best = max(means, key=lambda name: means[name], default="")
    return best if best and means[best] > 2 else ""


def _weak_by_cells(rows: Sequence[dict[str, Any]], free: Sequence[str]) -> tuple[str, ...]:
    """The columns that hold lists, or numbers that sum to 1 over the columns, or few different values."""
    if lists := [name for name in free if any(is_distribution(row.get(name)) for row in rows)]:
        return tuple(lists)
    numeric = [name for name in free if _numeric(rows, name)]
    if len(numeric) > 1 and not all(_whole(rows, name) for name in numeric):
        return tuple(numeric)
    most = max(MOST_CLASSES, len(rows) // 10)
    values = {name: {_name(row.get(name)) for row in rows} - {"", "-1"} for name in free}
    few = [name for name in free if 0 < len(values[name]) <= min(most, max(2, len(rows) // 2))]
    return tuple(name for name in few if name not in numeric or _whole(rows, name))


def _name(value: Any) -> str:
    try:
        return tables.name(value)
    except TypeError:
        return repr(value)


def _floats(rows: Sequence[dict[str, Any]], name: str) -> list[float] | None:
    """The numbers of a column; None if a cell is none."""
    try:
        return [float(text) for row in rows if (text := tables.cell(row.get(name)))]
    except (TypeError, ValueError):
        return None


def _numeric(rows: Sequence[dict[str, Any]], name: str) -> bool:
    return bool(_floats(rows, name))


def _whole(rows: Sequence[dict[str, Any]], name: str) -> bool:
    return all(value.is_integer() for value in _floats(rows, name) or [])


def _numbers(rows: Sequence[dict[str, Any]], weak: tuple[str, ...], form: Form) -> tuple[bool, Form]:
    """Whether the weak columns are one annotator's numbers for the classes, and the form of the labels.

    Columns of numbers that are not all whole are one annotator's. Where a number is negative they are scores.
    """
    if form == "classes" or not weak:
        return False, form
    columns = [_floats(rows, name) for name in weak]
    numeric = all(columns) and not all(_whole(rows, name) for name in weak)
    spread = len(weak) > 1 and (numeric or (form != "auto" and all(each is not None for each in columns)))
    if form != "auto":
        return spread, form
    flat = [value for each in columns for value in each or []] if numeric else _inner(rows, weak)
    if not flat:
        return spread, form
    return spread, "scores" if min(flat) < 0 else "probabilities"


def _inner(rows: Sequence[dict[str, Any]], weak: tuple[str, ...]) -> list[float]:
    """The numbers inside of the lists and objects of columns; none if a column has none of them."""
    import json

    flat: list[float] = []
    for row in rows:
        for name in weak:
            value = row.get(name)
            try:
                value = by_name(json.loads(value) if isinstance(value, str) and is_distribution(value) else value)
                cells = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
                flat += [float(each) for each in cells if each is not None]
            except (TypeError, ValueError, RecursionError):
                return []
    return flat
