"""Label files: tables with labels of any source, read as `Annotations` of the examples that their rows name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np

from outgrow.annotations import Annotations
from outgrow.ranges import check_ranges, one_of
from outgrow.text import tables
from outgrow.text.label_cells import FORMS, ClassLabel, Form, class_label, distribution, finder
from outgrow.text.normal import caseless, normal_form
from outgrow.types import Example, Labels, UserError


@dataclass(frozen=True, kw_only=True)
class LabelFormat:
    """Which columns of a table hold what.

    id: the column that names the example by its id. Default: `id`, if there is such a column and no `prompt` is given.
    prompt: a template over columns, such as `{title}: {body}`, which names the example by its text instead, compared
    in normal form and without case. Default: the column `prompt`.

    form: "classes", one cell with the name of a class; "probabilities", a column for each class, called as it, or
    with `label` or `annotators` a cell with a list or an object of them; "scores", the same with logits or
    log-probabilities, of which the softmax is taken; "auto", one of the first two, by the columns and cells. normalize:
    divide probabilities by their sum, which is otherwise an error where it is not 1. label: the column of the label.
    Default: `label`. annotators: columns with a label each, one an annotator. annotator: the column with the
    annotator's name, in a table with a row for each annotator and example. classes: the classes that the numbers 0, 1,
    ... stand for, in this order. Default: the file has the names of the classes. abstain: a cell that stands for no
    label, as an empty one always does, unless a class has this name.
    """

    id: str = ""
    prompt: str = ""
    form: Form = "auto"
    label: str = ""
    annotators: tuple[str, ...] = ()
    annotator: str = ""
    classes: tuple[str, ...] = ()
    abstain: str = "-1"
    normalize: bool = False

    def __post_init__(self) -> None:
        check_ranges(self, form=one_of(*FORMS))
        if self.id and self.prompt:
            raise UserError("id and prompt are given: a row names its example by one of them")
        if self.annotators and (self.label or self.annotator):
            other = "label" if self.label else "annotator"
            raise UserError(f"annotators and {other} are given: choose the one that the file has")
        for name in ("annotators", "classes"):
            values = getattr(self, name)
            if twice := next((value for value in values if values.count(value) > 1), None):
                raise UserError(f"{name} lists {twice!r} twice: name each once")


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelFile:
    """The labels of a table.

    annotations: of the examples that some annotator labels, without annotators that label none; an annotator without a
    name is called "". rows: of the table. unknown: rows that name no example. repeated: labels that an earlier row
    has already given.
    """

    annotations: Annotations
    rows: int
    unknown: int
    repeated: int


def read_labels(path: Path, layout: LabelFormat, examples: Sequence[Example]) -> LabelFile:
    """The labels that a table has for these examples. Raises UserError as `labels_of`, and for missing columns."""
    table = tables.read(path)
    name_of, places = _names(path, layout, table.columns, examples)
    return labels_of(path, layout, table, examples, name_of, places)


def labels_of(
    path: Path,
    layout: LabelFormat,
    table: tables.Table,
    examples: Sequence[Example],
    name_of: Callable[[int, dict[str, Any]], str],
    places: Mapping[str, int],
) -> LabelFile:
    """The labels in a table that is read. name_of: the name of a row's example. places: each example by its name.

    Raises UserError for missing columns, for a class that an example does not have, for probabilities that are none,
    for two rows that contradict each other, and where no row labels an example.
    """
    labels_in = _votes(path, layout, table.columns, examples[0].choices)
    found: dict[str, dict[int, tuple[int, ClassLabel]]] = {}
    unknown: list[str] = []
    repeated = 0
    for number, row in table.rows:
        name = name_of(number, row)
        if (place := places.get(name)) is None:
            unknown.append(name)
            continue
        for annotator, label in labels_in(number, row, examples[place]).items():
            earlier, first = found.setdefault(annotator, {}).setdefault(place, (number, label))
            if first != label:
                raise UserError(
                    f"{path}: rows {earlier} and {number} label example {examples[place].id!r} differently: keep one "
                    "row, or name the column of the annotators (annotator = ...)"
                )
            repeated += earlier != number
    if len(unknown) == len(table.rows):
        known = next(iter(places))
        raise UserError(
            f"{path}: none of its {len(unknown):,} rows names an example: row 1 says {_short(unknown[0])}, an example "
            f"is {_short(known)}: give the column of the ids (id = ...), or the task's prompt (prompt = ...)"
        )
    if not found:
        raise UserError(f"{path} labels no example: all its labels are missing")
    votes = {name: found[name] for name in layout.annotators or sorted(found) if name in found}
    return LabelFile(
        annotations=_annotations(votes, examples),
        rows=len(table.rows),
        unknown=len(unknown),
        repeated=repeated,
    )


def _names(
    path: Path, layout: LabelFormat, columns: Sequence[str], examples: Sequence[Example]
) -> tuple[Callable[[int, dict[str, Any]], str], dict[str, int]]:
    """A function from a row to the name of its example, and the place of each example by its name."""
    if column := layout.id or ("id" if "id" in columns and not layout.prompt else ""):
        _refuse_missing(path, columns, [column])
        return lambda number, row: _name(path, number, column, row), {row.id: i for i, row in enumerate(examples)}
    if not layout.prompt and "prompt" not in columns:
        raise UserError(
            f"{path} has no column 'id' or 'prompt': it has {tables.listed(columns)}: say which names the example, "
            "id = ..., or give the task's prompt, prompt = ..."
        )
    parts = [(literal, name) for literal, name, *_ in Formatter().parse(layout.prompt or "{prompt}")]
    _refuse_missing(path, columns, [name for _, name in parts if name])

    def by_prompt(number: int, row: dict[str, Any]) -> str:
        return caseless("".join(literal + (_cell(path, number, name, row) if name else "") for literal, name in parts))

    places: dict[str, int] = {}
    for i, row in enumerate(examples):
        if (other := places.setdefault(caseless(row.prompt), i)) != i:
            pair = f"{examples[other].id!r} and {row.id!r}"
            raise UserError(f"{path}: the examples {pair} have the same prompt: name examples by id (id = ...)")
    return by_prompt, places


def _name(path: Path, number: int, column: str, row: dict[str, Any]) -> str:
    """The id of an example or the name of an annotator."""
    try:
        name = normal_form(tables.name(row.get(column)))
    except TypeError as error:
        raise UserError(f"{path}, row {number}: {column!r} {error}: name another column") from None
    if not name:
        raise UserError(f"{path}, row {number}: {column!r} is empty: fill it in, or leave the row out")
    return name


def _cell(path: Path, number: int, name: str, row: dict[str, Any]) -> str:
    try:
        return tables.cell(row.get(name))
    except TypeError as error:
        raise UserError(f"{path}, row {number}: {name!r} {error}: name a column of text") from None


def _votes(
    path: Path, layout: LabelFormat, columns: Sequence[str], choices: tuple[str, ...]
) -> Callable[[int, dict[str, Any], Example], dict[str, ClassLabel]]:
    """A function from a row and its example to the label of each annotator that gives one.

    choices: of the first example; they name the columns where all examples share them.
    """
    _refuse_missing(path, columns, [*layout.annotators, *([layout.annotator] if layout.annotator else [])])
    column_of = _columns_of_classes(layout, columns, choices)
    form = _form(path, layout, columns, choices, column_of)

    def annotator_of(number: int, row: dict[str, Any]) -> str:
        return _name(path, number, layout.annotator, row) if layout.annotator else ""

    if form == "classes" or layout.label or layout.annotators:
        cells = [(name, name) for name in layout.annotators] or [("", layout.label or "label")]

        def each_cell(number: int, row: dict[str, Any], example: Example) -> dict[str, ClassLabel]:
            found = [(name, class_label(path, number, row.get(cell), layout, example)) for name, cell in cells]
            return {name or annotator_of(number, row): label for name, label in found if label is not None}

        return each_cell

    if len(of_classes := _class_columns(layout, columns, choices)) > len(column_of):
        listed = tables.listed(name for _, name in of_classes)
        raise UserError(f"{path} has several columns for one class ({listed}): leave all but one of each out")

    def distributions(number: int, row: dict[str, Any], example: Example) -> dict[str, ClassLabel]:
        if example.choices != choices:
            raise UserError(f"{path}: examples have choices of their own: give one label a row, not {form}")
        values = [row.get(column_of[i]) for i in range(len(choices))]
        label = distribution(path, number, values, choices, is_score=form == "scores", normalize=layout.normalize)
        return {} if label is None else {annotator_of(number, row): label}

    return distributions


def _columns_of_classes(layout: LabelFormat, columns: Sequence[str], choices: tuple[str, ...]) -> dict[int, str]:
    """The column of each choice that has one, by the choice's index."""
    return dict(_class_columns(layout, columns, choices))


def _class_columns(layout: LabelFormat, columns: Sequence[str], choices: tuple[str, ...]) -> list[tuple[int, str]]:
    """The columns that are called as a choice, each after the choice's index."""
    find = finder(choices, layout.classes)
    own = {layout.id, layout.label, layout.annotator, *layout.annotators}
    places = ((find(tables.name(name)), name) for name in columns if name not in own)
    return [(place, name) for place, name in places if place is not None]


def _form(
    path: Path, layout: LabelFormat, columns: Sequence[str], choices: tuple[str, ...], column_of: dict[int, str]
) -> Form:
    """The form of a table, "auto" decided. Raises UserError for one that its columns do not have."""
    label = layout.label or "label"
    is_labelled, is_spread = bool(layout.annotators) or label in columns, len(column_of) == len(choices)
    form = layout.form
    if form == "auto":
        if is_labelled and is_spread and not (layout.label or layout.annotators):
            both = f"{path} has a column {label!r} and one for each class"
            raise UserError(f'{both}: set form = "classes", "probabilities" or "scores"')
        form = "classes" if is_labelled or layout.label or not column_of else "probabilities"
    in_cells = form == "classes" or bool(layout.label or layout.annotators)
    if in_cells and not is_labelled:
        listed = tables.listed(columns)
        raise UserError(f"{path} has no column {label!r}, and none for each class: it has {listed}: set label = ...")
    if not in_cells and not is_spread:
        missing = next(choice for i, choice in enumerate(choices) if i not in column_of)
        raise UserError(f"{path} has no column for the class {missing!r}: it has {tables.listed(columns)}")
    return form


def _refuse_missing(path: Path, columns: Sequence[str], needed: Sequence[str]) -> None:
    for name in needed:
        if name not in columns:
            raise UserError(f"{path} has no column {name!r}: it has {tables.listed(columns)}")


def _annotations(found: dict[str, dict[int, tuple[int, ClassLabel]]], examples: Sequence[Example]) -> Annotations:
    labels = []
    for votes in found.values():
        ids = [examples[place].id for place in votes]
        rows = [_probabilities(label, len(examples[place].choices)) for place, (_, label) in votes.items()]
        labels.append(Labels.from_rows(ids, rows))
    return Annotations.from_labels(labels, tuple(found))


def _probabilities(label: ClassLabel, choices: int) -> tuple[float, ...]:
    return label if isinstance(label, tuple) else tuple(np.eye(choices)[label].tolist())


def _short(name: str) -> str:
    return repr(name if len(name) <= 60 else f"{name[:59]}…")
