"""Checks against leaks: of ground truth to students, and of test examples to any fit.

A simulated supervisor is made of ground truth: `Corrupt` is the one step that may read that of what it labels. A
corpus leaks test examples on purpose: `Contaminate` is the one step through which these may reach a fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from outgrow.experiment.data import Gold, Prepare
from outgrow.experiment.pretrained import Contaminate
from outgrow.experiment.steps import Fit
from outgrow.graph import Step, topological_order
from outgrow.supervisors.simulated import Corrupt
from outgrow.types import UserError


def check_no_leaks(students: Iterable[Fit]) -> None:
    """Raise UserError if ground truth reaches a student other than through its supervisor, which reads only that of
    weak_train and validation, or if test examples reach a fit, whatever their labels."""
    unique = _unique(students)
    truth = _first_below(unique, _forbidden_truth)
    for fit in unique:
        if any(isinstance(step, Gold) for step in fit.inputs()):
            raise UserError(f"{fit.title} would learn from ground truth: a student learns from predictions alone")
        if split := truth[id(fit)]:
            raise UserError(f"{fit.title} would read the ground truth of {split}: not a student")
    check_test_unused(unique)


def check_test_unused(fits: Iterable[Fit]) -> None:
    """Raise UserError if a fit reads test examples, or what is computed from them."""
    unique = _unique(fits)
    test = _first_below(unique, _test_read)
    for fit in unique:
        if test[id(fit)]:
            raise UserError(f"{fit.title} would learn from the test examples: use another split")


def _unique(fits: Iterable[Fit]) -> tuple[Fit, ...]:
    return tuple({id(fit): fit for fit in fits}.values())


def _first_below(fits: Iterable[Fit], reason_of: Callable[[Step[Any]], str]) -> dict[int, str]:
    """The first non-empty `reason_of` a step and its ancestors, for each step by its id()."""
    reasons: dict[int, str] = {}
    for step in topological_order(tuple(fits)):
        reasons[id(step)] = reason_of(step) or next(filter(None, (reasons[id(each)] for each in _read_by(step))), "")
    return reasons


def _read_by(step: Step[Any]) -> Sequence[Step[Any]]:
    """The inputs whose ground truth and test examples reach the readers of a step: of simulated labels, not what they
    are made of; of a leak that is made on purpose, not what it leaks."""
    if isinstance(step, Contaminate):
        return (step.ordinary, step.validation)
    if isinstance(step, Corrupt):
        return [each for each in (step.examples, step.features, step.predictions) if each is not None]
    return step.inputs()


def _forbidden_truth(step: Step[Any]) -> str:
    split = step.examples.split if isinstance(step, Gold) else ""
    return "" if split in ("weak_train", "validation") else split


def _test_read(step: Step[Any]) -> str:
    read = _read_by(step) if isinstance(step, Contaminate) else step.inputs()
    tests = any(isinstance(each, Prepare) and each.split == "test" for each in read)
    return "test" if tests else ""
