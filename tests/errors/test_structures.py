"""Each structure of errors, on examples that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import FakeTask
from ninety import N, seen
from slots import HEADED, SMALL

from outgrow.errors.difficulty import Difficulty
from outgrow.errors.linear import Linear
from outgrow.errors.model import OfModel
from outgrow.errors.one_class import OneClass
from outgrow.errors.slice import Slice
from outgrow.errors.uniform import Uniform
from outgrow.supervisors.simulated import corrupted
from outgrow.types import Ints, UserError


def wrong(errors, accuracy: float, found=None) -> tuple[Ints, Ints]:  # type: ignore[no-untyped-def]
    """Where the labels are wrong, and what they say there."""
    found = found or seen()
    labels = corrupted(found, errors, accuracy).hard()
    places = np.flatnonzero(labels != found.right())
    return places, labels[places]


def test_uniform_errors_differ_between_seeds_and_are_everywhere() -> None:
    first, second = (set(wrong(Uniform(), 0.5, seen(seed))[0].tolist()) for seed in (0, 1))
    assert first != second
    assert 10 < len(first & set(range(45))) < 35
    _, labels = wrong(Uniform(), 0.0)
    assert set(labels.tolist()) == {0, 1, 2}


def test_of_one_class_all_go_wrong_to_the_next() -> None:
    found = seen()
    members = int((found.right() == 1).sum())
    places, labels = wrong(OneClass(of="b"), 1 - members / N)
    assert (found.right()[places] == 1).all()
    assert set(labels.tolist()) == {2}
    spilled, _ = wrong(OneClass(of="b"), 1 - (members + 5) / N)
    assert (found.right()[spilled] != 1).sum() == 5
    with pytest.raises(UserError, match="has no class 'maybe': choose no or yes"):
        OneClass(of="maybe").check(HEADED[0])


def test_the_hardest_go_wrong() -> None:
    places, _ = wrong(Difficulty(facet="number"), 0.8)
    assert places.tolist() == list(range(72, 90))
    places, _ = wrong(Difficulty(facet="number", easy=True), 0.8)
    assert places.tolist() == list(range(18))
    found = seen()
    without = {id: value for id, value in found.facets["number"].items() if id != "q89"}
    places, _ = wrong(Difficulty(facet="number"), 0.8, replace(found, facets={"number": without}))
    assert places.tolist() == list(range(71, 89))
    with pytest.raises(UserError, match=r"the facet 'rating', which task fakes lacks \(it has number, parity\)"):
        Difficulty(facet="rating").check(FakeTask())


def test_a_slice_goes_wrong_before_the_others() -> None:
    places, _ = wrong(Slice(facet="theme", value="t1"), 0.8)
    assert all(place % 4 == 1 for place in places)
    places, _ = wrong(Slice(facet="theme", value="t1"), 0.5)
    assert set(range(1, N, 4)) <= set(places.tolist())


def test_linear_errors_lie_beyond_a_plane_and_are_of_one_class() -> None:
    """A linear model of the features tells the examples of other classes that are wrong from those that are right."""
    found = seen()
    places, labels = wrong(Linear(model=SMALL), 0.75)
    assert set(labels.tolist()) == {0}
    others = np.flatnonzero(found.right() != 0)
    assert found.features is not None
    scaled = (found.features - found.features.mean(0)) / found.features.std(0)
    target = np.isin(others, places).astype(float)
    weights, *_ = np.linalg.lstsq(np.c_[scaled[others], np.ones(len(others))], target, rcond=None)
    fitted = np.c_[scaled[others], np.ones(len(others))] @ weights
    assert fitted[target == 1].min() > fitted[target == 0].mean()
    from sklearn.linear_model import LogisticRegression

    assert LogisticRegression(C=1e4, max_iter=5000).fit(scaled[others], target).score(scaled[others], target) == 1
    assert set(places.tolist()) != set(wrong(Linear(model=SMALL), 0.75, seen(1))[0].tolist())


def test_a_models_errors_are_thinned_and_thickened() -> None:
    found = seen()
    assert found.predictions is not None
    labels = found.predictions.hard()
    own = set(np.flatnonzero(labels != found.right()).tolist())
    thinned, answers = wrong(OfModel(model=SMALL), 1 - (len(own) - 6) / N)
    assert set(thinned.tolist()) < own
    assert (answers == labels[thinned]).all()
    thickened, _ = wrong(OfModel(model=SMALL), 1 - (len(own) + 6) / N)
    assert own < set(thickened.tolist())
    confidence = found.predictions.confidence()
    added = sorted(set(thickened.tolist()) - own)
    assert confidence[added].mean() < np.delete(confidence, list(own)).mean()
