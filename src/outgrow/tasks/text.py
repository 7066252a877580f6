"""Text classification from any table: a prompt template over columns, and a label column."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Any, ClassVar, NamedTuple, Self

from outgrow.graph import not_hashed
from outgrow.ranges import SHARE, check_ranges, whole
from outgrow.tasks._parsed import parsed
from outgrow.tasks.base import Row, Source, Task
from outgrow.text import tables
from outgrow.text.near import Similarity
from outgrow.text.normal import caseless as normal
from outgrow.text.normal import normal_form, readable, well_formed
from outgrow.text.opening import digest_of_files, refuse_changed
from outgrow.types import Example, UserError

DATA = "$OUTGROW_DATA/"
LABELS = 10_000  # values of a column, of which more are not compared with the labels


@dataclass(frozen=True, kw_only=True)
class Text(Task):
    """Text: classify the rows of a CSV, TSV, JSONL, JSON or Parquet file, also compressed (.gz, .zst).

    path: the file, relative to the working directory; `~/` and a leading `$OUTGROW_DATA/` are expanded. prompt: a
    template over columns, such as `{title}: {body}`. label: the column with the answer; 1, 1.0 and "1" are the same
    label, and so are true and "True". classes: the labels in order. Labels match classes regardless of case, whitespace
    and Unicode form. Default: the values of the column, sorted; then labels that differ only in these are an error.
    group: a column whose equal values stay in one split; default, the prompt. id: a column with unique row ids;
    default, a hash of the prompt. max_chars: rows with longer prompts are left out, for every model. near_share: a row
    is removed from its split if it shares this fraction of its word trigrams with a row of an earlier split
    (`outgrow.text.near`; the order is test, validation, transfer_validation, weak_train, transfer); 0 turns this off.

    Prompts, groups and ids are compared in normal form (`outgrow.text.normal`), prompts and groups ignoring case. Rows
    with equal prompts are merged. If their labels differ, all of them are left out: the truth is unknown, and with a
    soft answer every prediction would count as right.
    """

    kind: ClassVar[str] = "task/text"
    version: ClassVar[int] = 4  # 4: texts have one normal form, and every split is decontaminated

    path: str = not_hashed()
    digest: str = ""
    prompt: str
    label: str
    classes: tuple[str, ...] = ()
    group: str = ""
    id: str = ""
    max_chars: int = 2000
    near_share: float = 0.5

    def __post_init__(self) -> None:
        columns = _columns(self.prompt)
        for field, names in (("prompt", columns), ("group", [self.group]), ("id", [self.id])):
            if self.label in names:
                raise UserError(f"the {field} names the label column {self.label!r}, which would give the answer away")
        if not columns:
            raise UserError(f"the prompt {self.prompt!r} names no column: write one in braces, such as '{{text}}'")
        check_ranges(self, near_share=SHARE, max_chars=whole(1))
        _refuse_duplicates(self.classes)
        if well_formed(self.prompt) != self.prompt:
            raise UserError(f"the prompt {self.prompt!r} holds a lone surrogate, half of a character: leave it out")

    @property
    def short_name(self) -> str:
        """Its name in tables: `text/reviews` for reviews.csv.gz."""
        return f"text/{self.location.name.partition('.')[0]}"

    @property
    def location(self) -> Path:
        return Path(self.path)

    @property
    def file(self) -> Path:
        """The absolute path of the file."""
        return on_this_machine(self.path)

    def pinned(self) -> Self:
        return replace(self, digest=digest_of_files([self.file]))

    def load(self) -> Source:
        return _load(self if self.digest else self.pinned())

    @property
    def similarity(self) -> Similarity | None:
        return Similarity(share=self.near_share, template=self.prompt) if self.near_share else None


def on_this_machine(path: str) -> Path:
    """The absolute path for a path in a field: `~/` and a leading `$OUTGROW_DATA/` are expanded.

    Raises UserError if there is no home folder, or if the environment variable is not set.
    """
    if not path.startswith(DATA):
        try:
            return Path(path).expanduser().absolute()
        except RuntimeError:
            raise UserError(f"{path}: there is no such home folder: write the path in full") from None
    if not (folder := os.environ.get("OUTGROW_DATA")):
        raise UserError(f"{path} needs the environment variable OUTGROW_DATA: set it to your data folder")
    return Path(folder).expanduser().absolute() / path.removeprefix(DATA)


@lru_cache(maxsize=4)
def _load(task: Text) -> Source:
    """The rows of a pinned task. Raises UserError if its file has changed since."""
    refuse_changed([task.file], task.digest)
    return parsed(task, [task.file], lambda: source(task, tables.some_rows(task.file)))


def source(task: Text, numbered: Iterable[tuple[int, dict[str, Any]]]) -> Source:
    """The usable rows of a table, without duplicates, with their answers. Raises UserError for bad columns or cells."""
    table, dropped = tables.Streamed(iter(numbered)), Counter[str]()
    try:
        unique = list(_unique(_usable(task, table, dropped), dropped))
    except UserError:  # what is wrong with the whole table comes before what is wrong with a row
        _refuse_missing(task, table)
        raise
    _refuse_missing(task, table)
    _refuse_classes(task, unique)
    classes = _classes(task, unique)
    _refuse_label_columns(task, unique, classes)
    answers = {name: tuple(float(name == other) for other in classes) for name in classes}
    rows: list[Row] = []
    unique.reverse()
    while unique:  # taken from its end, so that not all rows are there twice
        raw = unique.pop()
        example = Example(id=raw.id, group=raw.group, prompt=raw.prompt, choices=classes)
        rows.append(Row(example=example, answer=answers[raw.label]))
    return Source(rows, dropped)


class _Raw(NamedTuple):
    """A row of the file. normal_prompt: the prompt itself where it has that form. values: of the columns that may be
    the label under another name."""

    number: int
    values: tuple[str | None, ...]
    prompt: str
    normal_prompt: str
    label: str
    group: str
    id: str


class _FewValues:
    """The values of columns that have few, each kept once. A column with more than `LABELS` is no label: None."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._known: dict[str, dict[str, str] | None] = {name: {} for name in columns}

    def of(self, cells: dict[str, str]) -> tuple[str | None, ...]:
        return tuple(self._once(name, cells[name]) for name in self._known)

    def _once(self, name: str, value: str) -> str | None:
        if (known := self._known[name]) is None:
            return None
        if len(known) >= LABELS:
            self._known[name] = None
            return None
        return known.setdefault(value, value)


def _usable(task: Text, table: Iterable[tuple[int, dict[str, Any]]], dropped: Counter[str]) -> Iterator[_Raw]:
    """The rows that have a prompt and a label and are not too long. The others are counted in `dropped`."""
    prompt_columns, key_columns = _columns(task.prompt), [name for name in (task.group, task.id) if name]
    template, class_of = [(literal, name) for literal, name, *_ in Formatter().parse(task.prompt)], _class_of(task)
    few = _FewValues(_label_columns(task))
    for number, record in table:
        cells = {name: _cell(task, number, name, record.get(name), tables.name) for name in [task.label, *key_columns]}
        cells |= {name: _cell(task, number, name, record.get(name), tables.cell) for name in prompt_columns}
        if not all(cells[name] for name in prompt_columns):
            dropped["empty prompt"] += 1
            continue
        if not cells[task.label]:
            dropped["no label"] += 1
            continue
        if empty := next((name for name in key_columns if not cells[name]), None):
            raise UserError(f"{task.file}, row {number}: {empty!r} is empty: fill it in, or leave the column out")
        prompt = readable("".join(literal + (cells[name] if name else "") for literal, name in template))
        if len(prompt) > task.max_chars:
            dropped[f"longer than {task.max_chars} characters"] += 1
            continue
        if not (label := class_of(cells[task.label])):
            classes, value = ", ".join(task.classes), cells[task.label]
            raise UserError(f"{task.file}, row {number}: the label {value!r} is none of {classes}: add it to classes")
        key = normal(prompt)
        yield _Raw(
            number=number,
            values=few.of(cells),
            prompt=prompt,
            normal_prompt=key if key != prompt else prompt,
            label=label,
            group=normal(cells[task.group]) if task.group else key if key != prompt else prompt,
            id=normal_form(cells[task.id]) if task.id else hashlib.blake2b(key.encode(), digest_size=8).hexdigest(),
        )


def _unique(raws: Iterable[_Raw], dropped: Counter[str]) -> Iterator[_Raw]:
    """The first row of each prompt, regardless of group, so that no prompt is in two splits."""
    first: dict[str, _Raw] = {}
    again: Counter[str] = Counter()
    conflicting: set[str] = set()
    for raw in raws:
        known = first.setdefault(raw.normal_prompt, raw)
        if known is not raw:
            again[known.normal_prompt] += 1
            if known.label != raw.label:
                conflicting.add(known.normal_prompt)
    for key, raw in first.items():
        if key in conflicting:
            dropped["same prompt, different labels"] += 1 + again[key]
            continue
        yield raw
        if key in again:
            dropped["same prompt again"] += again[key]


def _class_of(task: Text) -> Callable[[str], str]:
    """A function from a label to its class, or to "" if it matches none. Without `classes` it returns the label."""
    classes = {normal(tables.name(name)): name for name in task.classes}
    if classes:
        return lru_cache(maxsize=10_000)(lambda label: classes.get(normal(label), ""))
    return lru_cache(maxsize=10_000)(str)  # equal labels are one object


def _classes(task: Text, raws: Sequence[_Raw]) -> tuple[str, ...]:
    """The classes of the task. Raises UserError for no rows and for fewer than two classes."""
    classes = task.classes or tuple(sorted({raw.label for raw in raws}))
    if not raws:
        raise UserError(f"{task.file}: no row can be used: look at {task.label!r}, the prompt's columns and max_chars")
    if len(classes) < 2:
        raise UserError(f"{task.file}: {task.label!r} is always {classes[0]!r}: an answer needs at least two classes")
    return classes


def _refuse_duplicates(classes: Sequence[str]) -> None:
    """Raises UserError if two classes are equal, or are spellings of the same class."""
    seen: dict[str, str] = {}
    for name in classes:
        other = seen.setdefault(normal(tables.name(name)), name)
        if other != name:
            raise UserError(f"classes lists {other!r} and {name!r}, which are one class: keep one spelling")
    if duplicate := next((name for name in classes if classes.count(name) > 1), None):
        raise UserError(f"classes lists {duplicate!r} twice: name each once")


def _refuse_classes(task: Text, raws: Sequence[_Raw]) -> None:
    """Raises UserError if the values of the label column are too many to be classes, or two differ only in spelling."""
    if task.classes:
        return
    rows = {raw.label: raw.number for raw in reversed(raws)}
    if len(rows) > max(20, len(raws) / 10):
        counts = f"{len(rows)} different values in {len(raws)} rows"
        raise UserError(f"{task.file}: {task.label!r} has {counts}: list them as classes if it is the answer")
    seen: dict[str, str] = {}
    for label in sorted(rows, key=lambda label: rows[label]):
        other = seen.setdefault(normal(label).replace(" ", ""), label)
        if other != label:
            raise UserError(
                f"{task.file}: the labels {other!r} (row {rows[other]}) and {label!r} (row {rows[label]}) differ in"
                f" case, blanks or Unicode form alone: write them alike, or list the classes: each counts in every form"
            )


def _refuse_missing(task: Text, table: tables.Streamed) -> None:
    """Raises UserError for a column that no row has, after reading the rows that are left."""
    for _ in table:
        pass
    for name in [*_columns(task.prompt), task.label, task.group, task.id]:
        if table.whole and name and name not in table.columns:
            raise UserError(f"{task.file} has no column {name!r}: it has {tables.listed(table.columns)}")


def _refuse_label_columns(task: Text, raws: Sequence[_Raw], classes: Sequence[str]) -> None:
    """Raises UserError for a column that is the label under another name: no more values than classes, each value
    always with the same label."""
    if len(raws) <= 2 * len(classes):
        return  # too few to tell
    for i, name in enumerate(_label_columns(task)):
        pairs = {(raw.values[i], raw.label) for raw in raws}
        values = {value for value, _ in pairs}
        if None not in values and len(pairs) == len(values) <= len(classes):
            raise UserError(f"{task.file}: the column {name!r} is the label in other words: leave it out")


def _label_columns(task: Text) -> list[str]:
    """The columns that may be the label under another name."""
    return sorted({*_columns(task.prompt), task.group} - {""})


def _columns(template: str) -> list[str]:
    """The columns that a template names. Raises UserError for format specifications and conversions."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise UserError(f"the prompt {template!r} is not a template ({error}): write '{{text}}'") from None
    for _, name, form, conversion in parts:
        if name is not None and (not name or form or conversion):
            raise UserError(f"the prompt {template!r} may hold plain column names in braces: '{{text}}'")
    return [name for _, name, _, _ in parts if name]


def _cell(task: Text, number: int, name: str, value: Any, read: Callable[[Any], str]) -> str:
    try:
        return read(value)
    except TypeError as error:
        raise UserError(f"{task.file}, row {number}: {name!r} {error}: name a column of text") from None
