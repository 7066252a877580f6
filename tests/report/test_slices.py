"""Numbers by what a task knows of its test examples, against numbers worked by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented import BETTER, Riddles, computed, experiment

from outgrow.experiment.definition import Experiment
from outgrow.experiment.technique import Technique
from outgrow.report.results import read
from outgrow.report.slices import read_by, sliced
from outgrow.store import Store
from outgrow.tasks.base import Facet
from outgrow.types import Examples, UserError


@dataclass(frozen=True, kw_only=True)
class Known(Riddles):
    """Riddles whose task knows their number, whether it is even, and the ways that they are special."""

    def facets(self, examples: Examples) -> Mapping[str, Mapping[str, Facet]]:
        numbers = {id: int(id[1:]) for id in examples.ids}
        return {
            "number": numbers,
            "even": {id: "yes" if i % 2 == 0 else "no" for id, i in numbers.items()},
            "special": {id: tuple(f"by{n}" for n in (2, 3) if i % n == 0) for id, i in numbers.items()},
            "rating": {},
        }


@pytest.fixture(scope="module")
def known() -> Experiment:
    return experiment(tasks=(Known(), Riddles(topic="dogs")), methods=(Technique(), BETTER))


@pytest.fixture(scope="module")
def store(known: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("sliced")))
    assert not computed(known, store).failures
    return store


def close(value: float) -> object:
    return pytest.approx(value, abs=1e-6)


def test_a_slice_by_hand(known: Experiment, store: Store) -> None:
    """Of the 20 even numbers below 40, 8 lie below 16 (floor), 16 below 32 (ceiling), 6 below 12 (zero-shot), and 11,
    12 and 13 below 22, 24 and 26 (students): 0.4, 0.8, 0.3, 0.6; PGR (12 - 8) / (16 - 8) = 0.5."""
    found = read_by(known, store, "even").records
    assert [(r.task, r.method, r.slice, r.seed) for r in found] == [
        ("riddles-cats", method, half, None) for method in ("naive", "better") for half in ("no", "yes")
    ]
    even = found[1]
    assert (even.value("floor"), even.value("student"), even.value("ceiling"), even.value("zero_shot")) == (
        close(0.4),
        close(0.6),
        close(0.8),
        close(0.3),
    )
    assert (even.value("pgr"), even.withheld.get("pgr"), even.n_test, even.n_groups, even.n_seeds) == (
        close(0.5),
        None,
        20,
        20,
        3,
    )
    # The supervisor is right on 8 and the naive students agree there; of the 12 others on 9, 8 and 7.
    assert (even.value("agreement"), even.value("agreement_right")) == (close((8 * 3 + 24) / 60), close(1))
    # The better students are right below 26, 28 and 30: on 2 more even numbers of 20 each.
    assert found[3].value("versus_first") == close(0.1)


def test_fifths_by_hand_and_a_pgr_that_is_withheld_in_them(known: Experiment, store: Store) -> None:
    """Quantiles of 0 to 39: 0.2 * 39 = 7.8, 15.6, 23.4, 31.2, so eight numbers each. Students know those below 22, 24
    and 26: of 16 to 23 they have 6, 8 and 8 (22 of 24), of 24 to 31 none, none and 2 (2 of 24)."""
    found = read_by(known, store, "number").records[:5]
    assert [r.slice for r in found] == ["<7.8", "7.8–15.6", "15.6–23.4", "23.4–31.2", "≥31.2"]
    assert [r.n_test for r in found] == [8] * 5
    assert [r.value("floor") for r in found] == [1, 1, 0, 0, 0]
    assert [r.value("student") for r in found] == [close(value) for value in (1, 1, 22 / 24, 2 / 24, 0)]
    assert [r.value("ceiling") for r in found] == [1, 1, 1, 1, 0]
    assert all(
        r.value("pgr") is None and r.withheld.get("pgr") == "too few test groups (8): at least 20 groups are needed"
        for r in found
    )


def test_an_example_may_be_in_several_slices_or_none(known: Experiment, store: Store) -> None:
    twos, threes = read_by(known, store, "special").records[:2]
    assert [(r.slice, r.n_test) for r in (twos, threes)] == [("by2", 20), ("by3", 14)]


def test_the_whole_is_not_touched_by_its_slices(known: Experiment, store: Store) -> None:
    before = read(known, store)
    read_by(known, store, "even")
    after = read(known, store)
    assert (after.records, after.problems) == (before.records, before.problems)
    assert {r.slice for r in before.records} == {None}


def test_slices_of_what_has_not_run_are_missing(known: Experiment, tmp_path: Path) -> None:
    found = read_by(known, Store(str(tmp_path)), "even")
    assert [(r.slice, r.status, r.n_test) for r in found.records[:2]] == [
        ("no", "missing", None),
        ("yes", "missing", None),
    ]
    assert found.problems


@pytest.mark.parametrize(
    ("facet", "says"),
    [
        ("evn", "no facet called 'evn'. Did you mean 'even'? Known: riddles-cats: number, even, special, rating"),
        ("rating", "no test example has a rating: choose another facet, or a source that has it"),
    ],
)
def test_a_facet_that_nobody_knows_is_one_line(known: Experiment, store: Store, facet: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        read_by(known, store, facet)
    assert str(caught.value) == says


def test_a_task_without_facets_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="riddles-cats knows none, leave --by out"):
        read_by(experiment(), Store(str(tmp_path)), "even")


def test_ratings_fall_into_bands_of_400_whose_lower_edge_belongs_to_them() -> None:
    ratings = {"a": 999.0, "b": 1000.0, "c": 1399.0, "d": 1400.0, "e": 3000.0}
    assert sliced("rating", ratings) == {
        "<1000": frozenset("a"),
        "1000–1400": frozenset("bc"),
        "1400–1800": frozenset("d"),
        "≥2600": frozenset("e"),
    }


def test_a_number_that_is_nan_is_in_no_band() -> None:
    nan = float("nan")
    assert sliced("rating", {"a": 900.0, "b": nan}) == {"<1000": frozenset("a")}
    assert sliced("nodes", {"a": 3.0, "b": 3.0, "c": nan}) == {"all": frozenset("ab")}
    assert sliced("nodes", {"a": nan}) == {}


def test_many_equal_numbers_make_fewer_bands() -> None:
    """Quantiles 1, 1, 1 and, 0.8 of the way from the fifth to the sixth, 5.8: one edge above the least."""
    values = dict(zip("abcdefg", (1.0, 1.0, 1.0, 1.0, 1.0, 7.0, 9.0), strict=True))
    assert sliced("nodes", values) == {"<5.8": frozenset("abcde"), "≥5.8": frozenset("fg")}
    assert sliced("nodes", dict.fromkeys("ab", 3.0)) == {"all": frozenset("ab")}


@given(st.dictionaries(st.text(), st.floats(-1e6, 1e6), min_size=1))
def test_every_number_is_in_one_band(values: dict[str, float]) -> None:
    bands = list(sliced("number", values).values())
    assert sorted(id for band in bands for id in band) == sorted(values)
    assert all(bands)
