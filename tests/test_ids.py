"""Joins by id: exact, whatever the ids look like."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow import ids as module
from outgrow.ids import first_duplicate, numbered, permutation
from outgrow.types import Example, Examples, Labels


def found(ids: list[str], wanted: list[str]) -> list[int] | None:
    places = permutation(pa.array(ids, pa.string()), pa.array(wanted, pa.string()))
    return None if places is None else places.tolist()


@given(st.lists(st.text(alphabet="ab0é\0", max_size=26), unique=True, max_size=12), st.randoms(use_true_random=False))
def test_a_permutation_is_that_of_a_dictionary_or_none(ids: list[str], random: object) -> None:
    wanted = list(ids)
    random.shuffle(wanted)  # type: ignore[attr-defined]
    where = {id: i for i, id in enumerate(ids)}
    short = all(0 < len(id.encode()) <= module.LONGEST and "\0" not in id for id in ids) and any(ids)
    places = found(ids, wanted)
    assert places is not None or not short
    assert places is None or places == [where[id] for id in wanted]


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        (["a", "b"], ["a", "c"]),
        (["a", "a"], ["a", "a"]),  # doubled: somebody must say so
        (["a"], ["a\0"]),
        (["a\0"], ["a"]),
        (["12345678"], ["123456789"]),
        (["", ""], ["", ""]),
        ([], []),
        (["x" * 25], ["x" * 25]),
    ],
)
def test_what_is_no_permutation_of_short_ids(ids: list[str], wanted: list[str]) -> None:
    assert found(ids, wanted) is None


@pytest.mark.parametrize("mix", [0, 1, 2**63])
def test_ids_whose_mix_is_equal_are_told_apart(mix: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a factor of 0 ids are mixed alike whose last 8 bytes are equal."""
    monkeypatch.setattr(module, "_MIX", np.uint64(mix))
    ids, wanted = ["aaaaaaaa12345678", "bbbbbbbb87654321"], ["cccccccc87654321", "aaaaaaaa12345678"]
    assert found(ids, wanted) is None
    assert found(ids, ids[::-1]) == [1, 0]
    alike = ["aaaaaaaa12345678", "bbbbbbbb12345678"]
    assert found(alike, alike[::-1]) in ([1, 0], None)
    labels = Labels.from_rows(alike, [[0.25, 0.75], [1.0, 0.0]])
    assert labels.of(tuple(alike[::-1])).probs.tolist() == [1.0, 0.0, 0.25, 0.75]


def test_groups_are_numbered_as_they_appear_and_a_double_is_named() -> None:
    assert numbered(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]
    assert numbered([]).dtype == np.int64
    assert first_duplicate(("a", "b", "c", "b", "a")) == "b"
    assert first_duplicate(("a", "b")) is None


def test_two_hundred_thousand_rows_are_joined_in_a_moment() -> None:
    """About 40 ms on a machine that does nothing else. Both sides have strings of their own, as if read from files."""
    n = 200_000
    order = np.random.default_rng(0).permutation(n).tolist()
    labels = Labels.from_rows([f"{i:016x}" for i in range(n)], np.tile([0.25, 0.75], (n, 1)))
    examples = Examples(rows=tuple(Example(id=f"{i:016x}", group="g", prompt="", choices=("a", "b")) for i in order))
    assert examples.ids
    started = time.process_time()
    aligned = labels.aligned(examples)
    assert time.process_time() - started < 0.5
    assert aligned.ids == examples.ids
