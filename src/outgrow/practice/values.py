"""Labels from Python values: a vector, a matrix, several annotators with gaps, probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.annotations import Annotations
from outgrow.practice.classes import refuse_apart, refuse_classes, refuse_spellings
from outgrow.practice.odd import odd_labels
from outgrow.ranges import one_of
from outgrow.text import tables
from outgrow.text.label_cells import FORMS, Form, distribution, may_be_numbered
from outgrow.types import Doubles, Ints, UserError

HERE = Path("the data")  # in place of a file's name in messages
Names = npt.NDArray[Any]


def read(
    weak: Any,
    texts: Sequence[str],
    classes: Sequence[Any],
    gold: Sequence[Any] | None,
    ids: Sequence[Any],
    annotators: Sequence[str],
    form: Form,
) -> dict[str, Any]:
    """The fields of `PracticeData` that these values give. Raises UserError."""
    array = _array(weak)
    names = tuple(tables.name(name) for name in classes)
    refuse_classes(names)
    _refuse_lengths(array, texts=texts, gold=gold, ids=ids)
    own_ids = tuple(str(i) for i in range(len(array))) if len(ids) == 0 else tuple(tables.name(id) for id in ids)
    if len(set(own_ids)) < len(own_ids):
        twice = next(id for id in own_ids if own_ids.count(id) > 1)
        raise UserError(f"the id {twice!r} occurs twice: give each item an id of its own")
    gold_names = None if gold is None else _named(list(gold))
    if gold_names is not None and gold_names.ndim != 1:
        raise UserError(f"gold has the shape {gold_names.shape}: give one class for each item")
    form = _form(array, form)
    _refuse_annotators(array, form, annotators)
    if form == "classes":
        votes = _named(array.reshape(len(array), -1))
        if gold_names is not None and not names:
            labels, right = ({*each.reshape(-1).tolist()} - {""} for each in (votes, gold_names))
            refuse_spellings(HERE, labels, right, "gold")
            refuse_apart(HERE, labels, right, "gold")
        names = names or _classes(votes, gold_names)
        annotations = Annotations.from_matrix(own_ids, _indices(votes, names), len(names), annotators)
    else:
        probs = _distributions(array, is_score=form == "scores")
        names = names or tuple(map(str, range(probs.shape[2])))
        if len(names) != probs.shape[2]:
            raise UserError(f"{probs.shape[2]} numbers for {len(names)} classes: give one for each")
        annotations = Annotations.from_probabilities(own_ids, probs.transpose(1, 0, 2), annotators)
    if not len(annotations):
        raise UserError("all annotators abstain on all items: give at least one label")
    every = annotations.annotators
    annotations = annotations.speaking()
    silent = [name for name in every if name not in annotations.annotators]
    known = None if gold_names is None else _indices(gold_names[:, None], names)[:, 0]
    return {
        "ids": own_ids,
        "texts": tuple(_text(i, text) for i, text in enumerate(texts)),
        "classes": names,
        "annotations": annotations,
        "gold": known,
        "notes": tuple(f"{name} labels nothing and is left out" for name in silent),
        "odd": odd_labels(names, annotations, known, own_ids),
    }


def _array(weak: Any) -> Names:
    """The labels as an array of one, two or three axes: of floats where all are numbers and some are floats.

    What numpy would make of a list on its own is not taken: of NaN among texts the text "nan", of True among floats 1.
    Raises UserError for rows of different lengths.
    """
    given = weak.to_list() if hasattr(weak, "to_list") else weak
    try:
        array = np.asarray(given) if hasattr(given, "dtype") else np.asarray(given, dtype=object)
    except ValueError:
        raise UserError("the rows of labels have different lengths: fill gaps with None, NaN or -1") from None
    if array.dtype == object and array.ndim:
        kinds = {type(each) for each in array.reshape(-1)} - {type(None)}
        if any(issubclass(kind, list | tuple | np.ndarray) for kind in kinds):
            raise UserError("the rows of labels have different lengths: fill gaps with None, NaN or -1")
        numbers = bool not in kinds and all(issubclass(kind, int | float | np.number) for kind in kinds)
        if numbers and any(issubclass(kind, float | np.floating) for kind in kinds):
            array = array.astype(np.float64)
    if not 1 <= array.ndim <= 3 or not array.size:
        raise UserError(f"labels of shape {array.shape} cannot be read: give [n], [n, annotators] or [n, classes]")
    return array


def _refuse_lengths(array: Names, **columns: Any) -> None:
    """Raise UserError for a column that is none, or has another length than the labels; texts and ids may be empty."""
    for what, values in columns.items():
        if values is None:
            continue
        if not hasattr(values, "__len__"):
            raise UserError(f"{what} is {values!r:.40}: give a list, with one for each item")
        if len(values) != len(array) and (len(values) or what == "gold"):
            raise UserError(f"{len(array):,} items have labels and there are {len(values):,} {what}: give one for each")


def _refuse_annotators(array: Names, form: Form, annotators: Sequence[str]) -> None:
    """Raise UserError for names of annotators that are not as many as there are, or occur twice."""
    several = array.ndim == 3 or (array.ndim == 2 and form == "classes")
    count = array.shape[1] if several else 1
    if len(annotators) not in (0, count):
        raise UserError(f"{count} annotators label and {len(annotators)} are named: name each")
    if twice := next((name for name in annotators if list(annotators).count(name) > 1), None):
        raise UserError(f"annotators lists {twice!r} twice: name each once")


def _form(array: Names, form: Form) -> Form:
    """The form of the labels. Floats that are not all whole are probabilities; rows of 0 and a 1 might be both.

    Raises UserError for these, for a vector of fractions, and for a form that does not exist.
    """
    if form not in FORMS:
        raise UserError(f"form is {form!r:.40}: {one_of(*FORMS).advice(form)}")
    if form != "auto":
        return form
    if array.ndim == 3:
        return "probabilities"
    if array.dtype.kind != "f":
        return "classes"
    known = array[np.isfinite(array)]
    if not np.array_equal(known, np.round(known)):
        if array.ndim == 1:
            raise UserError(
                "the labels are fractions, one an item: give the probability of each class, [n, k], or "
                "form='probabilities' for those of the second class"
            )
        return "probabilities"
    if array.ndim == 2 and (
        np.isfinite(array).all()
        and ((array == 1).sum(1) == 1).all()
        and ((array == 0).sum(1) == array.shape[1] - 1).all()
    ):
        raise UserError("rows of 0 and one 1 are probabilities or classes: set form='probabilities' or form='classes'")
    return "classes"


def _named(values: Any) -> Names:
    """The names of classes, "" for None, NaN and -1. Raises UserError for what is not a name."""
    flat = np.asarray(values, dtype=object)
    try:
        return np.array([_class_name(each) for each in flat.reshape(-1)], dtype=object).reshape(flat.shape)
    except TypeError as error:
        raise UserError(f"a label {error}: give the name or the number of a class") from None


def _class_name(value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and math.isinf(value):
        raise UserError("a label is infinite: give the name or the number of a class")
    if str(value) in ("<NA>", "NaT"):  # pandas
        return ""
    name = tables.name(value)
    return "" if name == "-1" else name


def _classes(votes: Names, gold: Names | None) -> tuple[str, ...]:
    """The classes that occur, sorted. Raises UserError for fewer than two."""
    found = {*votes.reshape(-1).tolist(), *([] if gold is None else gold.tolist())} - {""}
    if len(found) < 2:
        problem = f"all labels are {found.pop()!r}" if found else "all annotators abstain on all items"
        raise UserError(f"{problem}: an answer needs two classes, classes=[...] lists them")
    whole = all(name.isdecimal() and len(name) < 20 for name in found)
    return tuple(sorted(found, key=int) if whole else sorted(found))


def _indices(votes: Names, classes: Sequence[str]) -> Ints:
    """The index of each class, -1 for an abstention. Numbers stand for classes by their place where none is so called.

    Raises UserError for a class that is not listed.
    """
    place = {name: i for i, name in enumerate(classes)} | {"": -1}
    found = {*votes.reshape(-1).tolist()}
    if not found <= place.keys() and all(map(str.isdecimal, found - {""})) and may_be_numbered(classes):
        place = {str(i): i for i in range(len(classes))} | {"": -1}
    if unknown := next((name for name in sorted(found) if name not in place), None):
        raise UserError(f"the label {unknown!r} is not a class: they are {tables.listed(classes)}")
    return np.array([place[name] for name in votes.reshape(-1).tolist()], dtype=np.int64).reshape(votes.shape)


def _distributions(array: Names, *, is_score: bool) -> Doubles:
    """Probabilities [n, a, k], NaN for abstentions. Raises UserError for what is none."""
    if array.ndim == 1:
        try:
            second = np.array([math.nan if each is None else float(each) for each in array])
        except (TypeError, ValueError) as error:
            raise UserError(f"a label is not a number ({error}): give one a row, or form='classes'") from None
        array = np.stack([np.where(np.isnan(second), math.nan, 0.0) if is_score else 1 - second, second], 1)
    cube = array if array.ndim == 3 else array[:, None, :]
    if cube.shape[2] < 2:
        raise UserError(
            "labels have one number for each item in a row of its own: an answer needs two classes at least"
        )
    numbers = tuple(map(str, range(cube.shape[2])))
    empty = (math.nan,) * cube.shape[2]
    rows = [
        distribution(HERE, i + 1, each.tolist(), numbers, is_score=is_score) or empty
        for i, item in enumerate(cube)
        for each in item
    ]
    return np.array(rows, dtype=np.float64).reshape(cube.shape)


def _text(i: int, text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"item {i} has no text ({text!r:.40}): leave it out")
    return text
