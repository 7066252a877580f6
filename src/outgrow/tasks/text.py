"""Text classification from any table: a prompt made of columns, and the column that holds the answer."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Any, ClassVar, Self

from outgrow.graph import not_hashed
from outgrow.ranges import SHARE, check_ranges, whole
from outgrow.tasks.base import Row, Source, Task
from outgrow.text import tables
from outgrow.text.near import Similarity
from outgrow.text.normal import caseless as normal
from outgrow.text.normal import normal_form, readable, well_formed
from outgrow.text.opening import digest_of_files, refuse_changed
from outgrow.types import Example, UserError

DATA = "$OUTGROW_DATA/"


@dataclass(frozen=True, kw_only=True)
class Text(Task):
    """Text: classify the rows of a CSV, TSV, JSONL, JSON or Parquet file, also compressed (.gz, .zst).

    path: the file, relative to the working directory; `~/` and a leading `$OUTGROW_DATA/` are expanded. prompt: a
    template over columns, such as `{title}: {body}`. label: the column with the answer; 1, 1.0 and "1" are one answer,
    and so are true and "True". classes: the answers in their order; a label counts as a class whatever its case, blanks
    and Unicode form. Where none are given they are what the column holds, sorted, and labels that differ in nothing
    else are refused. group: a column naming what belongs together; the prompt itself where none is given. id: a column
    that names rows; a hash of the prompt where none is given. max_chars: longer prompts are left out, the same for
    every model. near_share: a row leaves its split if it shares this part of its word trigrams with a row of an earlier
    split (test, validation, transfer_validation, weak_train, transfer: `outgrow.text.near`); 0 lets all stay.

    Prompts, groups and ids are compared in their normal form (`outgrow.text.normal`), prompts and groups without case.
    Rows that ask the same become one. Where their labels differ none stays: the truth is not known, and a soft answer
    would count any prediction as right.
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
        for what, named in (("prompt", columns), ("group", [self.group]), ("id", [self.id])):
            if self.label in named:
                raise UserError(f"the {what} names the label column {self.label!r}, which would give the answer away")
        if not columns:
            raise UserError(f"the prompt {self.prompt!r} names no column: write one in braces, such as '{{text}}'")
        check_ranges(self, near_share=SHARE, max_chars=whole(1))
        _refuse_twice(self.classes)
        if well_formed(self.prompt) != self.prompt:
            raise UserError(f"the prompt {self.prompt!r} holds a lone surrogate, half of a character: leave it out")

    @property
    def short(self) -> str:
        """`text/reviews` for reviews.csv.gz."""
        return f"text/{self.location.name.partition('.')[0]}"

    @property
    def location(self) -> Path:
        return Path(self.path)

    @property
    def file(self) -> Path:
        """Where the file lies on this machine."""
        return on_this_machine(self.path)

    def pinned(self) -> Self:
        return replace(self, digest=digest_of_files([self.file]))

    def load(self) -> Source:
        return _load(self if self.digest else self.pinned())

    @property
    def similarity(self) -> Similarity | None:
        return Similarity(share=self.near_share, template=self.prompt) if self.near_share else None


def on_this_machine(path: str) -> Path:
    """A path as fields give it: relative to the working directory; `~/` and a leading `$OUTGROW_DATA/` are expanded."""
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
    """The rows of a pinned task; a file that has changed since is a UserError."""
    refuse_changed([task.file], task.digest)
    return source(task, tables.read(task.file))


def source(task: Text, table: tables.Table) -> Source:
    """The rows of a table that can be used, each once, with their answers."""
    _refuse_missing(task, table.columns)
    dropped: Counter[str] = Counter()
    usable = list(_usable(task, table, dropped))
    _refuse_classes(task, usable)
    read = list(_unique(usable, dropped))
    classes = _classes(task, read)
    _refuse_giveaways(task, read, classes)
    rows = []
    for raw in read:
        example = Example(id=raw.id, group=raw.group, prompt=raw.prompt, choices=classes)
        rows.append(Row(example=example, answer=tuple(float(name == raw.label) for name in classes)))
    return Source(rows, dropped)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Raw:
    number: int
    cells: dict[str, str]
    prompt: str
    same: str  # the prompt's normal form
    label: str
    group: str
    id: str


def _usable(task: Text, table: tables.Table, dropped: Counter[str]) -> Iterator[_Raw]:
    """The rows with a prompt and a label, not too long; the others are counted."""
    asked, named = _columns(task.prompt), [name for name in (task.group, task.id) if name]
    template, class_of = [(literal, name) for literal, name, *_ in Formatter().parse(task.prompt)], _class_of(task)
    for number, record in table.rows:
        cells = {name: _cell(task, number, name, record.get(name), tables.name) for name in [task.label, *named]}
        cells |= {name: _cell(task, number, name, record.get(name), tables.cell) for name in asked}
        if not all(cells[name] for name in asked):
            dropped["empty prompt"] += 1
            continue
        if not cells[task.label]:
            dropped["no label"] += 1
            continue
        if empty := next((name for name in named if not cells[name]), None):
            raise UserError(f"{task.file}, row {number}: {empty!r} is empty: fill it in, or leave the column out")
        prompt = readable("".join(literal + (cells[name] if name else "") for literal, name in template))
        if len(prompt) > task.max_chars:
            dropped[f"longer than {task.max_chars} characters"] += 1
            continue
        if not (label := class_of(cells[task.label])):
            known = ", ".join(task.classes)
            wrong = cells[task.label]
            raise UserError(f"{task.file}, row {number}: the label {wrong!r} is none of {known}: add it to classes")
        same = normal(prompt)
        yield _Raw(
            number=number,
            cells=cells,
            prompt=prompt,
            same=same,
            label=label,
            group=normal(cells[task.group]) if task.group else same,
            id=normal_form(cells[task.id]) if task.id else hashlib.blake2b(same.encode(), digest_size=8).hexdigest(),
        )


def _unique(raws: Iterable[_Raw], dropped: Counter[str]) -> Iterator[_Raw]:
    """The first of the rows that ask the same, in whatever group, so that none is in two splits."""
    alike: dict[str, list[_Raw]] = {}
    for raw in raws:
        alike.setdefault(raw.same, []).append(raw)
    for same in alike.values():
        if len({raw.label for raw in same}) > 1:
            dropped["same prompt, different labels"] += len(same)
            continue
        yield same[0]
        if len(same) > 1:
            dropped["same prompt again"] += len(same) - 1


def _class_of(task: Text) -> Callable[[str], str]:
    """From a label to its class: of those listed the one that it is a spelling of, or nothing; else the label."""
    listed = {normal(tables.name(each)): each for each in task.classes}
    return lru_cache(maxsize=10_000)(lambda label: listed.get(normal(label), "")) if listed else str


def _classes(task: Text, raws: Sequence[_Raw]) -> tuple[str, ...]:
    found = task.classes or tuple(sorted({raw.label for raw in raws}))
    if not raws:
        raise UserError(f"{task.file}: no row can be used: look at {task.label!r}, the prompt's columns and max_chars")
    if len(found) < 2:
        raise UserError(f"{task.file}: {task.label!r} is always {found[0]!r}: an answer needs at least two classes")
    return found


def _refuse_twice(classes: Sequence[str]) -> None:
    """Classes of which two are one."""
    seen: dict[str, str] = {}
    for each in classes:
        other = seen.setdefault(normal(tables.name(each)), each)
        if other != each:
            raise UserError(f"classes lists {other!r} and {each!r}, which are one class: keep one spelling")
    if twice := next((name for name in classes if classes.count(name) > 1), None):
        raise UserError(f"classes lists {twice!r} twice: name each once")


def _refuse_classes(task: Text, raws: Sequence[_Raw]) -> None:
    """Labels as found that are too many to be classes, or of which two look like one."""
    if task.classes:
        return
    rows = {raw.label: raw.number for raw in reversed(raws)}
    if len(rows) > max(20, len(raws) / 10):
        many = f"{len(rows)} different values in {len(raws)} rows"
        raise UserError(f"{task.file}: {task.label!r} has {many}: list them as classes if it is the answer")
    seen: dict[str, str] = {}
    for label in sorted(rows, key=lambda label: rows[label]):
        other = seen.setdefault(normal(label).replace(" ", ""), label)
        if other != label:
            raise UserError(
                f"{task.file}: the labels {other!r} (row {rows[other]}) and {label!r} (row {rows[label]}) differ in"
                f" case, blanks or Unicode form alone: write them alike, or list the classes: each counts in every form"
            )


def _refuse_missing(task: Text, columns: Sequence[str]) -> None:
    for name in [*_columns(task.prompt), task.label, task.group, task.id]:
        if name and name not in columns:
            raise UserError(f"{task.file} has no column {name!r}: it has {tables.listed(columns)}")


def _refuse_giveaways(task: Text, raws: Sequence[_Raw], classes: Sequence[str]) -> None:
    """A column that is the label under another name: few values, each with one label throughout."""
    if len(raws) <= 2 * len(classes):
        return  # too few to tell
    for name in {*_columns(task.prompt), task.group} - {""}:
        pairs = {(raw.cells[name], raw.label) for raw in raws}
        if len(pairs) == len({value for value, _ in pairs}) <= len(classes):
            raise UserError(f"{task.file}: the column {name!r} is the label in other words: leave it out")


def _columns(template: str) -> list[str]:
    """The columns a template names. Only plain names in braces: no formats, conversions or attributes."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise UserError(f"the prompt {template!r} is no template ({error}): write '{{text}}'") from None
    for _, name, form, conversion in parts:
        if name is not None and (not name or form or conversion):
            raise UserError(f"the prompt {template!r} may hold plain column names in braces: '{{text}}'")
    return [name for _, name, _, _ in parts if name]


def _cell(task: Text, number: int, name: str, value: Any, read: Callable[[Any], str]) -> str:
    try:
        return read(value)
    except TypeError as error:
        raise UserError(f"{task.file}, row {number}: {name!r} {error}: name a column of text") from None
