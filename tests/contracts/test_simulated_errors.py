"""What every structure of errors keeps to. A new file in outgrow/errors is tested by itself, once it has a sample."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
from ninety import N, seen
from samples import ERRORS
from slots import LARGE, SMALL

from outgrow.errors.base import Errors
from outgrow.graph import identity
from outgrow.plugins import find, names
from outgrow.supervisors.simulated import corrupted
from outgrow.types import Labels, UserError


@pytest.fixture(params=names("errors"))
def errors(request: pytest.FixtureRequest) -> Errors:
    if request.param not in ERRORS:
        pytest.fail(f"the errors {request.param!r} have no sample: add one to ERRORS in samples.py")
    return ERRORS[request.param]()


def test_no_sample_is_left_over() -> None:
    assert set(ERRORS) == set(names("errors"))


def test_it_is_one_documented_frozen_record_with_a_name(errors: Errors) -> None:
    assert type(errors).__doc__
    assert dataclasses.is_dataclass(errors)
    assert identity(errors)["@kind"].startswith("errors/")
    assert errors.name


@pytest.mark.parametrize("accuracy", [0.0, 0.4, 0.7, 0.95, 1.0])
def test_the_accuracy_is_met_and_wrong_answers_are_wrong(errors: Errors, accuracy: float) -> None:
    found = seen()
    labels = corrupted(found, errors, accuracy)
    assert labels.ids == found.examples.ids
    right = found.truth.probability_of(labels.hard()) > 0
    assert right.sum() == round(accuracy * N)
    assert labels.confidence().min() == 1


def test_a_lower_accuracy_keeps_the_errors_of_a_higher_one(errors: Errors) -> None:
    found = seen()
    few, many = (corrupted(found, errors, accuracy).hard() != found.right() for accuracy in (0.8, 0.5))
    assert (many | ~few).all()


def test_equal_seeds_give_equal_errors(errors: Errors) -> None:
    one, again = (corrupted(seen(3), errors, 0.6) for _ in range(2))
    assert (one.hard() == again.hard()).all()


def test_it_follows_a_change_of_its_model(errors: Errors) -> None:
    changed = errors.map_models(lambda model: LARGE if model == SMALL else model)
    assert changed.models == tuple(LARGE for _ in errors.models)
    assert (changed == errors) == (not errors.models)
    assert errors.needs in ("", "features", "predictions")
    assert bool(errors.needs) == bool(errors.models)


def test_what_cannot_be_wrong_is_an_error(errors: Errors) -> None:
    found = replace(seen(), truth=Labels.from_rows(seen().examples.ids, np.full((N, 3), 1 / 3)))
    with pytest.raises(UserError, match="45 labels should be wrong and 0 can be: give a higher accuracy"):
        corrupted(found, errors, 0.5)


def test_a_class_that_is_found_by_its_name_is_that_of_the_sample(errors: Errors) -> None:
    assert any(find("errors", name) is type(errors) for name in names("errors"))
