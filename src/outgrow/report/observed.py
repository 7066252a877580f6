"""What a number alone hides, in a sentence for each: one answer for everything, a floor at chance, rare classes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from outgrow.report.row import Estimate, Row
from outgrow.types import Doubles

NEARLY_ALL = 0.95  # of the answers of a student are one class
RARE = 0.05  # the share of a class below which accuracy hardly depends on it


def observed(row: Row, estimates: Mapping[str, Estimate]) -> tuple[str, ...]:
    """Sentences about a row, each beginning with the role that it is about."""
    return (*_one_answer(row), *_at_chance(row, estimates), *_rare(row))


def _one_answer(row: Row) -> tuple[str, ...]:
    """A student that gives one answer for nearly everything, unless nearly everything is of one class."""
    answers = [hard for cell in row.complete if (hard := row.stored.hard(cell.student)) is not None]
    shares = class_shares(row)
    if not answers or shares is None or shares.max() >= NEARLY_ALL:
        return ()
    given = np.bincount(np.concatenate(answers), minlength=len(shares)) / sum(map(len, answers))
    if given.max() < NEARLY_ALL:
        return ()
    name = _class(row, int(given.argmax()))
    return (f"student, all seeds: {100 * given.max():.0f} % of its test answers are the class {name!r}",)


def _at_chance(row: Row, estimates: Mapping[str, Estimate]) -> tuple[str, ...]:
    """A floor whose interval covers the score of the majority class, or of a random choice where there is none."""
    floor = estimates.get("floor")
    name = "majority" if "majority" in estimates else "chance"
    level = estimates.get(name)
    if floor is None or level is None or floor.low is None or floor.high is None:
        return ()
    better = floor.low > level.value if row.metric.higher_is_better else floor.high < level.value
    what = "the majority class" if name == "majority" else "a random choice"
    return () if better else (f"floor, all seeds: the supervisor is not clearly better than {what}",)


def _rare(row: Row) -> tuple[str, ...]:
    """A class that is rare on test, where the metric is accuracy."""
    shares = class_shares(row)
    if row.metric.detailed or shares is None or shares.min() >= RARE:
        return ()
    name, share = _class(row, int(shares.argmin())), f"{100 * shares.min():.2g} %"
    return (
        f"classes: {name!r} is {share} of the test examples, which accuracy hardly depends on: "
        'say metric = "balanced-accuracy"',
    )


def class_shares(row: Row) -> Doubles | None:
    """The share of each class on test; None for tasks whose examples do not share their choices."""
    majority = row.cells[0].majority
    details = row.stored.details(majority) if majority else None
    if details is None or not len(details[1]):
        return None
    probs, truth = details
    shares: Doubles = np.bincount(truth, minlength=probs.shape[1]) / len(truth)
    return shares


def _class(row: Row, index: int) -> str:
    classes = row.stored.classes(row.cells[0].test)
    return classes[index] if index < len(classes) else str(index)
