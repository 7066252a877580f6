"""The inputs of a step are the steps in its identity."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from toys import Add, AnyRecord, AnyStep, Const, Weight

from outgrow.graph import identity, walk

leaves = st.builds(Const, value=st.integers(0, 5))
values = st.recursive(
    st.none() | st.integers(0, 3) | st.text("ab", max_size=2) | leaves,
    lambda inner: (
        st.tuples(inner, inner)
        | st.builds(lambda v: AnyRecord(value=v), inner)
        | st.builds(lambda v: AnyStep(value=v), inner)
    ),
    max_leaves=12,
)


def keys_in(item: Any) -> Iterator[str]:
    """The step keys in an identity."""
    if isinstance(item, dict):
        if "@step" in item:
            yield item["@step"]
        else:
            for each in item.values():
                yield from keys_in(each)
    elif isinstance(item, list):
        for each in item:
            yield from keys_in(each)


@given(values)
def test_inputs_are_the_steps_of_the_identity(value: Any) -> None:
    step = AnyStep(value=value)
    assert {parent.key for parent in step.inputs()} == set(keys_in(identity(step)))


@given(values, values)
def test_keys_agree_exactly_when_identities_do(one: Any, other: Any) -> None:
    a, b = AnyStep(value=one), AnyStep(value=other)
    assert (a.key == b.key) == (identity(a) == identity(b))
    assert a.key == dataclasses.replace(a).key


@given(st.lists(values, max_size=4))
def test_walk_gives_each_ancestor_once_inputs_first(several: list[Any]) -> None:
    steps = [AnyStep(value=value) for value in several]
    order = [step.key for step in walk(steps)]
    assert len(order) == len(set(order))
    seen: set[str] = set()
    for step in walk(steps):
        assert {parent.key for parent in step.inputs()} <= seen
        seen.add(step.key)
    assert {step.key for step in steps} <= seen


def test_inputs_are_found_in_nested_records() -> None:
    deep = Const(value=7)
    step = Add(terms=(Const(value=1),), weight=Weight(source=deep))
    assert deep in step.inputs()
