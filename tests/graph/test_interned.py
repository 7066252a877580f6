from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from toys import Add, Const, Number, Weight

from outgrow.graph import Interner, Step, walk


@dataclass(frozen=True, kw_only=True)
class Holds(Step[Number]):
    result = Number
    value: Any = None


def test_equal_steps_are_one_with_all_their_inputs() -> None:
    once = Interner().once

    def made() -> Add:
        shared = Const(value=1)
        return Add(terms=(shared, Add(terms=(Const(value=1),))), weight=Weight(value=2, source=Const(value=3)))

    first = once(made())
    assert once(made()) is first
    assert first.key == made().key
    assert len({id(step) for step in walk([first])}) == len(walk([first])) == 4
    assert first.terms[0] is first.terms[1].terms[0]


@pytest.mark.parametrize("values", [(1, 1.0), (1, True), (0, False), ("1", 1), (None, 0), ((1,), (1.0,)), ((), None)])
def test_what_has_another_identity_stays_another(values: tuple[Any, Any]) -> None:
    once = Interner().once
    one, other = (once(Holds(value=value)) for value in values)
    assert one is not other
    assert (one.key, other.key) == tuple(Holds(value=value).key for value in values)
    nested = [once(Holds(value=Holds(value=value))) for value in values]
    assert nested[0].key != nested[1].key


def test_the_first_is_unchanged_and_others_go() -> None:
    once = Interner().once
    inner = Const(value=1)
    once(inner)
    outer = Holds(value=replace(inner))
    assert once(outer).value is inner
    assert outer.value is not inner
