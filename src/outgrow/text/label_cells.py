"""The cells of labels: the name or number of a class, or a number for each class."""

from __future__ import annotations

import difflib
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np

from outgrow.text import tables
from outgrow.text.normal import caseless
from outgrow.types import TOLERANCE, Example, UserError

ClassLabel = int | tuple[float, ...]  # the index of a choice, or a probability for each
Form = Literal["auto", "classes", "probabilities", "scores"]
FORMS = get_args(Form)

NAMED = (("label", "score"), ("token", "logprob"))  # of transformers' pipelines, and of language-model APIs


class Coding(Protocol):
    """How a file writes labels and abstentions."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def abstain(self) -> str: ...
    @property
    def form(self) -> Form: ...
    @property
    def normalize(self) -> bool: ...


def class_label(path: Path, number: int, value: Any, coding: Coding, example: Example) -> ClassLabel | None:
    """What a cell says: a class, or, in a list or an object, a number for each class; None for an abstention.

    A list has the order of the classes; the names of an object are classes. Where the form is "probabilities" or
    "scores" and there are two classes, a number alone is that of the second one, the first being its complement or 0.
    Raises UserError for another class, and as `distribution`.
    """
    named = finder(example.choices, coding.classes)
    if coding.form in ("probabilities", "scores") or (is_distribution(value) and _plain(value, named) is None):
        return _distribution_in(path, number, value, coding, example)
    return class_index(path, number, value, coding, example)


def is_distribution(value: Any) -> bool:
    """Whether a cell is a list or an object, or the JSON text of one."""
    return isinstance(value, list | dict) or (isinstance(value, str) and value.lstrip()[:1] in ("[", "{"))


def _plain(value: Any, named: Callable[[str], int | None]) -> int | None:
    """The class that a text in brackets is the name of."""
    return named(tables.name(value)) if isinstance(value, str) else None


def unpacked(path: Path, number: int, value: Any) -> Any:
    """The list or object of a cell, by name where it is a list of named numbers; other cells as they are. Raises
    UserError for text that is not JSON."""
    if not (isinstance(value, str) and is_distribution(value)):
        return by_name(value)
    try:
        return by_name(json.loads(value))
    except (ValueError, RecursionError):
        raise UserError(
            f"{path}, row {number}: {value!r:.60} is not a list or object in JSON: write [0.1, 0.9]"
        ) from None


def by_name(value: Any) -> Any:
    """An object of names and numbers for a list of objects with a name and a number each, as transformers' pipelines
    and language-model APIs return them; other values as they are."""
    for name, number in NAMED:
        if (
            isinstance(value, list)
            and value
            and all(isinstance(each, dict) and {name, number} <= each.keys() for each in value)
            and len(found := {str(each[name]): each[number] for each in value}) == len(value)
        ):
            return found
    return value


def _distribution_in(path: Path, number: int, value: Any, coding: Coding, example: Example) -> ClassLabel | None:
    """The probabilities of a cell with a number for each class, in the order of the example's choices."""
    inner, choices = unpacked(path, number, value), coding.classes or example.choices
    k, is_score = len(choices), coding.form == "scores"
    match inner:
        case dict():
            place_of = finder(choices)
            numbers = {str(j): j for j in range(k)} if coding.classes else {}
            values: list[Any] = [None] * k
            for key, each in inner.items():
                name = tables.name(key)
                place = numbers.get(name) if (found := place_of(name)) is None else found
                if place is None:
                    raise UserError(
                        f"{path}, row {number}: {key!r:.60} is not a class: they are {tables.listed(choices)}"
                    )
                if values[place] is not None:
                    raise UserError(f"{path}, row {number}: {key!r:.60} is a class that is there twice: give it once")
                values[place] = each
        case list():
            values = inner
        case _ if tables.cell(inner) in ("", coding.abstain) and not (is_score and tables.cell(inner)):
            return None
        case _ if k == 2:
            single = _number(path, number, inner, choices[1])
            if not is_score and not 0 <= single <= 1:
                raise UserError(
                    f"{path}, row {number}: {single:g} is not a probability of {choices[1]!r}: say what such numbers "
                    "are (--form classes or scores)"
                )
            values = [0.0 if is_score else 1.0 - single, single]
        case _:
            raise UserError(f"{path}, row {number}: {inner!r:.60} is one number for {k} classes: give a list of {k}")
    if len(values) != k:
        names = tables.listed(choices)
        raise UserError(f"{path}, row {number}: {len(values)} numbers for {k} classes ({names}): give one for each")
    probs = distribution(path, number, values, choices, is_score=is_score, normalize=coding.normalize)
    if probs is None or not coding.classes:
        return probs
    order = [finder(example.choices, coding.classes)(str(j)) for j in range(k)]
    return tuple(probs[order.index(i)] for i in range(k))


def class_index(path: Path, number: int, value: Any, coding: Coding, example: Example) -> int | None:
    """The index of the choice that a cell names; None for an abstention. Raises UserError for another class."""
    try:
        name = tables.name(value)
    except TypeError as error:
        raise UserError(f"{path}, row {number}: a label {error}: give the name of a class") from None
    place = finder(example.choices, coding.classes)(name)
    if place is not None or name in ("", coding.abstain):
        return place
    known = coding.classes or example.choices
    if coding.classes:
        raise UserError(f"{path}, row {number}: the label {name!r} is none of 0 to {len(known) - 1}, the classes")
    close = difflib.get_close_matches(name[:200], known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else f" The classes are {tables.listed(known)}"
    numbered = name.isdecimal() and may_be_numbered(known)
    stands = ": say which numbers stand for them (classes = [...])" if numbered else ""
    raise UserError(f"{path}, row {number}: {name!r} is not a class of the task.{hint}{stands}")


def may_be_numbered(classes: Sequence[str]) -> bool:
    """Whether the numbers 0, 1, ... can stand for the classes in this order: none of them is the name of another."""
    place = {tables.name(name): i for i, name in enumerate(classes)}
    return all(place.get(str(i), i) == i for i in range(len(classes)))


@lru_cache(maxsize=10_000)
def finder(choices: tuple[str, ...], classes: tuple[str, ...] = ()) -> Callable[[str], int | None]:
    """A function from what a file calls a choice to the choice's index, or to None: from its name, in any case unless
    two choices differ in case alone; with `classes`, from the number of its name among them.

    Raises UserError where `classes` are others than the choices.
    """
    exact = {tables.name(choice): i for i, choice in enumerate(choices)}
    counts = Counter(map(caseless, exact))
    folded = {caseless(name): i for name, i in exact.items() if counts[caseless(name)] == 1}

    def named(name: str) -> int | None:
        return exact.get(name, folded.get(caseless(name)))

    if not classes:
        return named
    places = [named(tables.name(name)) for name in classes]
    if None in places:
        unknown = classes[places.index(None)]
        raise UserError(f"classes lists {unknown!r}, which is not a class of the task: it has {tables.listed(choices)}")
    if missing := next((choice for i, choice in enumerate(choices) if i not in places), None):
        raise UserError(f"classes lacks {missing!r}: list every class of the task, in the order of the file's numbers")
    return {str(number): place for number, place in enumerate(places)}.get


def distribution(
    path: Path, number: int, values: Sequence[Any], choices: Sequence[str], *, is_score: bool, normalize: bool = False
) -> tuple[float, ...] | None:
    """The probabilities of a row, from probabilities or from scores; None if all are missing.

    Raises UserError for a row with a missing part, for what is not a finite number, and for probabilities that are
    negative or do not sum to 1; normalize: divide them by their sum instead. A score of -inf is the probability 0.
    """
    numbers = [_number(path, number, value, choice) for value, choice in zip(values, choices, strict=True)]
    if all(map(math.isnan, numbers)):
        return None
    row = f"{path}, row {number}"
    if missing := next((choice for each, choice in zip(numbers, choices, strict=True) if math.isnan(each)), None):
        raise UserError(f"{row} has no value for the class {missing!r}: give all, or none for an abstention")
    if is_score:
        if max(numbers) in (math.inf, -math.inf):
            raise UserError(f"{row}: the scores are not finite: give logits or log-probabilities")
        with np.errstate(over="ignore"):  # scores of opposite signs, whose difference is infinite: a probability of 0
            powers = np.exp(np.array(numbers) - max(numbers))
        return tuple((powers / powers.sum()).tolist())
    if normalize and min(numbers) >= 0 and 0 < sum(numbers) < math.inf:
        return tuple(each / sum(numbers) for each in numbers)
    if min(numbers) < 0 or not abs(sum(numbers) - 1) < TOLERANCE:
        shown = ", ".join(f"{each:.6g}" for each in numbers[:5]) + (", …" if len(numbers) > 5 else "")
        hint = ', set normalize = true (--normalize), or form = "scores" (--form scores) for logits'
        raise UserError(
            f"{row}: {shown} (sum {sum(numbers):.6g}) are not probabilities that sum to 1: correct them{hint}"
        )
    return tuple(numbers)


def _number(path: Path, number: int, value: Any, choice: str) -> float:
    """The number of a cell, NaN for an empty one."""
    try:
        text = tables.cell(value)
        return float(text) if text else math.nan
    except (TypeError, ValueError):
        raise UserError(f"{path}, row {number}: {value!r:.60} is not a number for the class {choice!r}") from None
