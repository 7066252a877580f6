"""Watchers that raise, exit, are slow, or run something themselves, at each kind of event, on both executors."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from toys import Add, Boom, Chain, Const

from outgrow.executors.base import Executor
from outgrow.executors.inline import Inline
from outgrow.executors.pool import Pool
from outgrow.graph import Event, Step, load, run
from outgrow.store import Lease, Store, lease
from outgrow.types import UserError

ERRORS = [ValueError("odd"), SystemExit(3), KeyboardInterrupt(), BrokenPipeError("closed"), UserError("not so")]
KINDS = ("planned", "found", "started", "progress", "finished", "failed", "damaged", "waiting")
STORED, DAMAGED, HELD = Const(value=1), Const(value=2), Const(value=3)
CHAINS = tuple(Chain(seed=seed, pieces=20, piece_seconds=0) for seed in range(3))
STEPS: tuple[Step[object], ...] = (*CHAINS, STORED, Add(terms=(DAMAGED,)), HELD, Boom())  # type: ignore[assignment]


@pytest.fixture
def eventful(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store in which a run of `STEPS` has an event of each kind."""
    monkeypatch.setattr(sys.modules["outgrow.graph.run"], "NEAR", 0.02)
    monkeypatch.setattr(lease, "BEAT", 0.05)
    monkeypatch.setattr(lease, "PATIENCE", 0.3)
    with Inline() as inline:
        run([STORED, DAMAGED], store, inline)
    next(Path(store.url).glob(f"{DAMAGED.key}/*/number.txt")).write_text("7")
    Lease(store.storage, [HELD.key]).write()  # of another run, without a heartbeat: it counts as dead soon
    return store


EXECUTORS: dict[str, Callable[[], Executor]] = {"inline": Inline, "pool": lambda: Pool(2)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_error_at_any_event_ends_the_run_and_costs_nothing(executor: str, kind: str, eventful: Store) -> None:
    left, others = list(ERRORS), eventful.storage.names("leases")

    def watch(event: Event) -> None:
        if event.kind == kind and left:
            raise left.pop(0)

    with EXECUTORS[executor]() as made:
        for error in ERRORS:
            with pytest.raises(type(error)) as caught:
                run(STEPS, eventful, made, watch=watch)
            assert caught.value is error
            assert eventful.storage.names("leases") <= others
            if kind in ("found", "damaged", "waiting", "finished"):
                break  # what is found, mended or finished once may not be so again
        outcome = run(STEPS, eventful, made)
    assert [failure.step for failure in outcome.failures] == [Boom()]
    for step in CHAINS:
        assert load(step, eventful).data.startswith(hashlib.sha256(str(step.seed).encode()).digest())
    assert load(Add(terms=(DAMAGED,)), eventful).value == 2


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_slow_watcher_sees_every_step(executor: str, store: Store) -> None:
    seen: list[Event] = []

    def watch(event: Event) -> None:
        time.sleep(0.02)
        seen.append(event)

    with EXECUTORS[executor]() as made:
        assert not run(CHAINS, store, made, watch=watch).failures
    for kind in ("planned", "started", "finished"):
        assert {event.key for event in seen if event.kind == kind} == {step.key for step in CHAINS}


@pytest.mark.parametrize("kind", ["planned", "started", "progress", "finished"])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_watcher_may_run_something_in_another_store(executor: str, kind: str, store: Store, tmp_path: Path) -> None:
    other = Store(str(tmp_path / "other"))

    def watch(event: Event) -> None:
        if event.kind == kind:
            with Inline() as inline:
                assert not run(CHAINS[:1], other, inline).failures

    with EXECUTORS[executor]() as made:
        assert not run(CHAINS, store, made, watch=watch).failures
    for step in CHAINS:
        assert load(step, store).data.startswith(hashlib.sha256(str(step.seed).encode()).digest())


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_watcher_that_runs_something_in_the_same_store_is_told_so(executor: str, store: Store) -> None:
    """Else the inner run waited for ever for a step that the outer one has leased."""

    def watch(event: Event) -> None:
        if event.kind == "started":
            with Inline() as inline:
                run(CHAINS, store, inline)

    with EXECUTORS[executor]() as made:
        with pytest.raises(UserError, match="a watcher has started a run in"):
            run(CHAINS, store, made, watch=watch)
        assert not run(CHAINS, store, made).failures
