"""The cells of a label file: the name or number of a class, or a number for each class."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from outgrow.text import tables
from outgrow.text.normal import caseless
from outgrow.types import TOLERANCE, Example, UserError

Said = int | tuple[float, ...]  # the index of a choice, or a probability for each


class Coding(Protocol):
    """How a file writes classes and abstentions."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def abstain(self) -> str: ...


def chosen(path: Path, number: int, value: Any, coding: Coding, example: Example) -> int | None:
    """The index of the choice that a cell names; None for an abstention. Raises UserError for another class."""
    try:
        name = tables.name(value)
    except TypeError as error:
        raise UserError(f"{path}, row {number}: a label {error}: give the name of a class") from None
    index = numbered(example.choices, coding.classes)
    place = index.get(name, index.get(caseless(name)))
    if place is not None or name in ("", coding.abstain):
        return place
    known = coding.classes or example.choices
    if coding.classes:
        raise UserError(f"{path}, row {number}: the label {name!r} is none of 0 to {len(known) - 1}, the classes")
    close = difflib.get_close_matches(name[:200], known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else f" The classes are {tables.listed(known)}"
    stands = ": say which numbers stand for them (classes = [...])" if name.isdigit() else ""
    raise UserError(f"{path}, row {number}: {name!r} is no class of the task.{hint}{stands}")


@lru_cache(maxsize=10_000)
def numbered(choices: tuple[str, ...], classes: tuple[str, ...] = ()) -> dict[str, int]:
    """The index of each choice by what a file may call it: its name, in any case where that is plain; with `classes`,
    the number of its name among them.

    Raises UserError where `classes` are others than the choices.
    """
    folded = [caseless(tables.name(choice)) for choice in choices]
    counts = Counter(folded)
    index = {name: i for i, name in enumerate(folded) if counts[name] == 1}
    index |= {tables.name(choice): i for i, choice in enumerate(choices)}
    if not classes:
        return index
    places = [index.get(tables.name(name), index.get(caseless(name))) for name in classes]
    if unknown := next((name for name, place in zip(classes, places, strict=True) if place is None), None):
        raise UserError(f"classes lists {unknown!r}, which is no class of the task: it has {tables.listed(choices)}")
    if missing := next((choice for i, choice in enumerate(choices) if i not in places), None):
        raise UserError(f"classes lacks {missing!r}: list every class of the task, in the order of the file's numbers")
    return {str(number): place for number, place in enumerate(places) if place is not None}


def distribution(
    path: Path, number: int, values: Sequence[Any], choices: Sequence[str], *, is_score: bool
) -> tuple[float, ...] | None:
    """The probabilities of a row, from probabilities or from scores; None if all are missing.

    Raises UserError for a row of which a part is missing, for what is no finite number, and for probabilities that are
    negative or do not sum to 1. A score of -inf is the probability 0.
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
        powers = np.exp(np.array(numbers) - max(numbers))
        return tuple((powers / powers.sum()).tolist())
    if min(numbers) < 0 or not abs(sum(numbers) - 1) < TOLERANCE:
        shown = ", ".join(f"{each:.6g}" for each in numbers[:5]) + (", …" if len(numbers) > 5 else "")
        hint = ', or say form = "scores" for logits and log-probabilities'
        raise UserError(
            f"{row}: {shown} (sum {sum(numbers):.6g}) are no probabilities that sum to 1: correct them{hint}"
        )
    return tuple(numbers)


def _number(path: Path, number: int, value: Any, choice: str) -> float:
    """The number of a cell, NaN for an empty one."""
    try:
        text = tables.cell(value)
        return float(text) if text else math.nan
    except (TypeError, ValueError):
        raise UserError(f"{path}, row {number}: {value!r:.60} is no number for the class {choice!r}") from None
