"""Labels from Python values: a vector, a matrix, several annotators with gaps, probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.annotations import Annotations
from outgrow.practice.classes import refuse_classes, refuse_spellings
from outgrow.practice.odd import odd_labels
from outgrow.text import tables
from outgrow.text.label_cells import Form, distribution
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
    own_ids = tuple(str(i) for i in range(len(array))) if len(ids) == 0 else tuple(tables.name(id) for id in ids)
    for what, values in (("texts", texts), ("gold", gold), ("ids", own_ids)):
        if values is not None and len(values) not in ((0, len(array)) if what == "texts" else (len(array),)):
            raise UserError(f"{len(array):,} items have labels and there are {len(values):,} {what}: give one for each")
    if len(set(own_ids)) < len(own_ids):
        twice = next(id for id in own_ids if own_ids.count(id) > 1)
        raise UserError(f"the id {twice!r} occurs twice: give each item an id of its own")
    gold_names = None if gold is None else _named(list(gold))
    if gold_names is not None and gold_names.ndim != 1:
        raise UserError(f"gold has the shape {gold_names.shape}: give one class for each item")
    if _form(array, form) == "classes":
        votes = _named(array.reshape(len(array), -1))
        if gold_names is not None and not names:
            refuse_spellings(HERE, votes.reshape(-1).tolist(), gold_names.tolist(), "gold")
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
    """The labels as an array of one, two or three axes. Raises UserError for rows of different lengths."""
    try:
        array = np.asarray(weak.to_list() if hasattr(weak, "to_list") else weak)
    except ValueError:
        raise UserError("the rows of labels have different lengths: fill gaps with None, NaN or -1") from None
    if array.dtype == object and any(isinstance(each, list | tuple | np.ndarray) for each in array.reshape(-1)):
        raise UserError("the rows of labels have different lengths: fill gaps with None, NaN or -1")
    if not 1 <= array.ndim <= 3 or not array.size:
        raise UserError(f"labels of shape {array.shape} cannot be read: give [n], [n, annotators] or [n, classes]")
    return array


def _form(array: Names, form: Form) -> Form:
    """The form of the labels. Floats that are not all whole are probabilities; rows of 0 and a 1 might be both."""
    if form != "auto":
        return form
    if array.ndim == 3:
        return "probabilities"
    if array.ndim < 2 or array.dtype.kind != "f":
        return "classes"
    known = array[np.isfinite(array)]
    if not np.array_equal(known, np.round(known)):
        return "probabilities"
    if (
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
    return tuple(sorted(found, key=int) if all(name.isdigit() and len(name) < 20 for name in found) else sorted(found))


def _indices(votes: Names, classes: Sequence[str]) -> Ints:
    """The index of each class, -1 for an abstention. Numbers stand for classes by their place where none is so called.

    Raises UserError for a class that is not listed.
    """
    place = {name: i for i, name in enumerate(classes)} | {"": -1}
    found = {*votes.reshape(-1).tolist()}
    if any(name not in place for name in found) and all(name.isdigit() or not name for name in found):
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
