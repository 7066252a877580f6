"""Several workers of one store: each step is computed once, and nobody waits for what is dead or has failed."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import Add, Boom, Chain, Const, Number, Weight

from outgrow.executors.base import Executor
from outgrow.executors.inline import Inline
from outgrow.graph import (
    Context,
    Event,
    Job,
    JobResult,
    Outcome,
    Report,
    Resources,
    Settings,
    Step,
    Worker,
    ignore_events,
    load,
    not_hashed,
    plan,
    run,
    status,
)
from outgrow.graph.schedule import Schedule
from outgrow.store import Store, lease
from outgrow.store.failures import ATTEMPTS

SMALL = Resources(cores=1, gpus=0, memory_gb=4.0)


@dataclass(frozen=True, kw_only=True)
class OnGpu(Const):
    """Needs a GPU, or says so."""

    result = Number

    def resources(self, settings: Settings) -> Resources:
        return Resources(gpus=1)


def worker(name: str = "one", **fields: Any) -> Worker:
    return Worker(name=name, **{"resources": SMALL, **fields})


def work(targets: list[Any], store: Store, who: Worker, watch: Callable[[Event], None] = ignore_events) -> Outcome:
    with Inline() as executor:
        return run(targets, Store(store.url), executor, watch=watch, worker=who)


def together(*jobs: Callable[[], Outcome]) -> list[Outcome]:
    found: list[Outcome] = []
    threads = [threading.Thread(target=lambda job=job: found.append(job())) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found) == len(jobs)
    return found


def grid(log: Path) -> list[Add]:
    """Forty targets over four shared inputs."""
    shared = [Add(terms=(Const(value=i),), log=log) for i in range(4)]
    return [Add(terms=(shared[i % 4],), weight=Weight(value=i), log=log) for i in range(40)]


def test_several_workers_compute_each_step_once(store: Store, tmp_path: Path) -> None:
    targets = grid(tmp_path / "log")
    jobs = [lambda name=name: work(targets, store, worker(name)) for name in "abc"]
    outcomes = together(*jobs)
    computed = [step.key for outcome in outcomes for step in outcome.computed]
    assert len(computed) == len(set(computed)) == 48
    assert sorted((tmp_path / "log").read_text().split()) == sorted(key for key in computed if key.startswith("add"))
    assert [load(target, store).value for target in targets] == [i * (i % 4) for i in range(40)]
    for outcome in outcomes:
        assert not outcome.failures
        assert not outcome.skipped
        assert len(outcome.computed) + len(outcome.cached) == 48
    assert store.storage.names("leases") == set()


def test_plain_runs_share_a_store_too(store: Store, tmp_path: Path) -> None:
    targets = grid(tmp_path / "log")

    def plain() -> Outcome:
        with Inline() as executor:
            return run(targets, Store(store.url), executor)

    outcomes = together(plain, plain)
    assert sum(len(outcome.computed) for outcome in outcomes) == 48
    assert not any(outcome.skipped or outcome.failures for outcome in outcomes)


def test_what_failed_for_the_user_is_not_tried_by_others_until_asked(store: Store) -> None:
    bad = Boom(message="type --x instead", mendable=True)
    after, good = Add(terms=(bad,)), Const(value=1)
    first = work([after, good], store, worker("a"))
    assert [failure.error_text for failure in first.failures] == ["type --x instead"]
    events: list[Event] = []
    second = work([after, good], store, worker("b"), events.append)
    (failure,) = second.failures
    assert (failure.step, failure.error_text, failure.user_error) == (bad, "type --x instead", True)
    assert list(second.skipped) == [after]
    assert not [event for event in events if event.kind == "started"]
    assert "--retry" in next(event.text for event in events if event.kind == "failed")
    store.failures.forget([bad.key])
    events.clear()
    work([after], store, worker("b"), events.append)
    assert [event.key for event in events if event.kind == "started"] == [bad.key]


def test_what_fails_for_another_reason_is_tried_by_some_workers(store: Store) -> None:
    bad = Boom()
    started: list[str] = []
    for i in range(ATTEMPTS + 2):
        outcome = work([bad], store, worker(str(i)), lambda e: started.append(e.key) if e.kind == "started" else None)
        assert len(outcome.failures) == 1
    assert len(started) == ATTEMPTS
    assert "ValueError: boom" in store.failures.read([bad.key])[bad.key].text


def test_a_plain_run_tries_again_what_failed_on_a_worker(store: Store) -> None:
    bad = Boom(mendable=True)
    work([bad], store, worker())
    events: list[Event] = []
    with Inline() as executor:
        run([bad], store, executor, watch=events.append)
    assert [event.kind for event in events if event.kind == "started"]


def test_what_does_not_fit_is_left_to_others(store: Store) -> None:
    large = OnGpu(value=2)
    top, small = Add(terms=(large,)), Const(value=1)
    outcome = work([top, small], store, worker())
    assert [step.key for step in outcome.computed] == [small.key]
    assert outcome.unfit == (large,)
    assert {step.key for step in outcome.skipped} == {large.key, top.key}
    assert not outcome.failures


def test_a_worker_that_waits_goes_on_when_another_has_done_what_does_not_fit(store: Store) -> None:
    large = OnGpu(value=2)
    top = Add(terms=(large,))
    waiting = threading.Event()
    notes: list[str] = []

    def watch(event: Event) -> None:
        if event.kind == "waiting":
            notes.append(event.text)
            waiting.set()

    def other() -> Outcome:
        assert waiting.wait(30)
        return work([large], store, worker("b", resources=Resources(gpus=1)))

    outcomes = together(lambda: work([top], store, worker("a", wait=True), watch), other)
    assert load(top, store).value == 2
    assert notes[0].startswith("it needs 1 GPUs (here 0): waiting for another worker for 0 s")
    assert not any(outcome.skipped for outcome in outcomes)


def test_the_lease_of_a_killed_worker_is_taken_over(store: Store, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from toys import Add, Const, Sleep;\n"
        "from outgrow.executors.inline import Inline; from outgrow.graph import *; from outgrow.store import Store\n"
        "steps = [Add(terms=(Sleep(seconds=600, marks=Path(sys.argv[2])),)), Const(value=1)]\n"
        "run(steps, Store(sys.argv[1]), Inline(), worker=Worker(name='a', resources=Resources()))"
    )
    marks = tmp_path / "marks"
    marks.mkdir()
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", code, store.url, str(marks)]
    first = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})
    end = time.monotonic() + 60
    while not list(marks.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert len(store.storage.names("leases")) == 1
    outcome = work([Const(value=1)], store, worker("b"))
    assert [step.key for step in outcome.computed] == [Const(value=1).key]
    assert store.storage.names("leases") == set()


def test_the_state_is_seen_from_anywhere(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.05)
    bad, slow = Boom(message="type --x", mendable=True), Chain(seed=1, pieces=150)
    targets: list[Step[Any]] = [Add(terms=(bad,)), slow, Const(value=1)]
    before = status(targets, store)
    assert (before.done, before.total, before.workers, before.seconds_left) == (0, 4, 0, None)
    thread = threading.Thread(target=lambda: work(targets, store, worker("a")))
    thread.start()
    end, fractions = time.monotonic() + 60, set[float]()
    while len(fractions) < 3:
        assert time.monotonic() < end
        during = status(targets, store)
        fractions |= {each.fraction for each in during.running if each.key == slow.key}
    assert during.workers == 1
    assert during.leased >= 1
    assert during.seconds_left is not None
    (running,) = during.running
    assert (running.title, running.worker) == ("Chain", "a")
    assert 0 < running.seconds < 60
    thread.join()
    after = status(targets, store)
    assert (after.done, after.total, after.workers, after.running) == (2, 4, 0, ())
    assert {key: record.text for key, (_, record) in after.failed.items()} == {bad.key: "type --x"}


@dataclass(frozen=True, kw_only=True)
class Slow(Const):
    """Needs three of four GB, and takes a while."""

    result = Number
    log: Path = not_hashed()

    def resources(self, settings: Settings) -> Resources:
        return Resources(memory_gb=3.0)

    def run(self, ctx: Context) -> Number:
        with self.log.open("a") as log:
            log.write(f"{self.key}\n")
        time.sleep(0.3)
        return Number(self.value)


class FourSlots(Executor):
    """Four threads, on whatever machine the worker says."""

    slots = 4  # type: ignore[assignment]

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(4)

    def machine(self, settings: Settings) -> Resources:
        return SMALL

    def submit(self, job: Job, resources: Resources, report: Report) -> Future[tuple[JobResult, ...]]:
        return self._threads.submit(job, report)

    def close(self) -> None:
        self._threads.shutdown()


def leased_at_once(steps: list[Slow], store: Store, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many steps the file of a lease of a worker names at most."""
    most = 0

    def written(self: lease.Lease) -> None:
        nonlocal most
        most = max(most, len(self.keys))
        write(self)

    write = lease.Lease.write
    monkeypatch.setattr(lease.Lease, "write", written)
    with FourSlots() as executor:
        outcome = run(steps, store, executor, worker=worker(resources=SMALL))
    assert len(outcome.computed) == len(steps)
    return most


def test_a_worker_leases_no_more_than_it_has_room_for(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four slots with room for one such step: a lease of a second of four slots is a second of one."""
    running = importlib.import_module("outgrow.graph.run")
    monkeypatch.setattr(running._Run, "_bundle_seconds", lambda self: 4.0)
    monkeypatch.setattr(Slow, "estimate", 1.0)
    steps = [Slow(value=i, log=tmp_path / "log") for i in range(4)]
    assert leased_at_once(steps, store, monkeypatch) == 1


def test_a_worker_gives_up_what_has_waited_for_as_long_as_a_lease_should_take(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers with room for one step each: the first leases all, whose estimates are far too low."""
    running = importlib.import_module("outgrow.graph.run")
    monkeypatch.setattr(running, "BUNDLE", 0.5)
    share = running._Run._bundle_seconds
    monkeypatch.setattr(running._Run, "_bundle_seconds", lambda self: share(self) if self.computed else 60.0)
    steps = [Slow(value=i, log=tmp_path / "log") for i in range(10)]
    started = threading.Event()

    def late() -> Outcome:
        assert started.wait(30)
        return work(steps, store, worker("b"))

    outcomes = together(lambda: work(steps, store, worker("a"), lambda event: started.set()), late)
    by_worker = [len(outcome.computed) for outcome in outcomes]
    assert sum(by_worker) == len((tmp_path / "log").read_text().split()) == 10
    assert min(by_worker) >= 2
    assert store.storage.names("leases") == set()


# ---- which steps are leased


@st.composite
def graphs(draw: st.DrawFn) -> list[Step[Any]]:
    """Steps in an order of inputs before readers."""
    steps: list[Step[Any]] = []
    for i in range(draw(st.integers(1, 12))):
        chosen = draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set()
        steps.append(Add(terms=(Const(value=i), *(steps[j] for j in sorted(chosen)))))
    return steps


@given(graphs(), st.randoms(use_true_random=False), st.floats(0.01, 3.0))
def test_whatever_can_be_leased_every_step_runs_once_after_its_inputs(
    targets: list[Step[Any]], random: Any, seconds: float
) -> None:
    todo = plan(targets, Store("/nonexistent-store")).todo
    schedule = Schedule(todo, {step.key: 0.1 for step in todo})
    done: list[str] = []
    waiting: list[Step[Any]] = []
    while len(done) < len(todo):
        while step := next(iter(schedule.next()), None):
            assert {parent.key for parent in step.inputs()} <= set(done)
            done.append(step.key)
            schedule.finished(step)
        for step in waiting:
            schedule.offer(step)
        bundle = schedule.bundle(seconds)
        inside: set[str] = set(done)
        for step in bundle:
            assert {parent.key for parent in step.inputs()} <= inside
            inside.add(step.key)
        waiting = list(schedule.lease(bundle, {step.key for step in bundle if random.random() < 0.7}))
    assert len(done) == len(set(done)) == len(todo)


def test_two_workers_rarely_want_the_same(store: Store) -> None:
    steps = [Const(value=i) for i in range(200)]
    first, second = (
        {step.key for step in Schedule(steps, {step.key: 0.1 for step in steps}, worker=name).bundle(2.0)}
        for name in ("a", "b")
    )
    assert len(first) == len(second) == 20
    assert len(first & second) < 10


@pytest.mark.parametrize("seconds", [0.1, 1.0, 100.0])
def test_a_bundle_takes_about_so_long(seconds: float) -> None:
    steps = [Const(value=i) for i in range(50)]
    bundle = Schedule(steps, {step.key: 0.5 for step in steps}).bundle(seconds)
    assert len(bundle) == min(50, max(1, round(seconds / 0.5)))
