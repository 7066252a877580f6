"""What is to be computed, and why."""

from __future__ import annotations

import time
from typing import Any

import pytest
from inline import done
from toys import Add, Const, Number, Weight

from outgrow.graph import Step, identity, plan
from outgrow.store import Store
from outgrow.types import UserError


def test_a_plan_says_why(store: Store) -> None:
    old = Add(terms=(Const(value=1), Const(value=2)), weight=Weight(value=0.5))
    assert set(plan([old], store).why.values()) == {"nothing like it yet"}
    done([old], store)
    new = Add(terms=(Const(value=1), Const(value=2)), weight=Weight(value=0.75))
    assert plan([new], store).why == {new.key: "weight.value 0.5 -> 0.75"}
    other = Add(terms=(Const(value=1), Const(value=3)), weight=Weight(value=0.5))
    why = plan([other], store).why
    assert why[other.key] == f"input {Const(value=3).key} is new"
    assert why[Const(value=3).key] in ("value 1.0 -> 3.0", "value 2.0 -> 3.0")


def test_what_is_finished_is_not_looked_behind(store: Store) -> None:
    middle = Add(terms=(Const(value=1),))
    done([middle], store)
    store.prune({middle.key})
    top = Add(terms=(middle,))
    assert [s.key for s in plan([top], store).todo] == [top.key]
    both = Add(terms=(middle, Const(value=1)))
    assert [s.key for s in plan([both], store).todo] == [Const(value=1).key, both.key]


def test_ten_thousand_steps_plan_with_one_listing_and_no_recursion(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    listings: list[int] = []
    ask = Store.listing
    monkeypatch.setattr(Store, "listing", lambda self: listings.append(1) or ask(self))
    step: Step[Any] = Const(value=0)
    for _ in range(9_999):
        step = Add(terms=(step,))
    started = time.perf_counter()
    going = plan([step], store)
    assert time.perf_counter() - started < 20  # 1.5 s on an idle core
    assert len(going.todo) == 10_000
    assert going.todo[-1] is step
    assert len(listings) == 1
    assert len(going.why) == 10_000


def test_a_hit_with_another_identity_is_an_error(store: Store) -> None:
    step = Const(value=1)
    other = Const(value=2)
    store.commit(step.key, Number(2).save, identity=identity(other), provenance={})
    with pytest.raises(UserError, match=r"another identity \(value 2.0 -> 1.0\)"):
        plan([step], store)


def test_a_hit_from_another_minor_version_of_torch_warns(store: Store) -> None:
    step = Const(value=1)
    store.commit(step.key, Number(1).save, identity=identity(step), provenance={"versions": {"torch": "1.0.3"}})
    with pytest.warns(UserWarning, match=r"torch 1\.0\.3"):
        plan([step], store)
