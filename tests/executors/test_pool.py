from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from toys import Add, Boom, Chain, Const, Dies, Number, Sleep

from outgrow.executors.pool import Pool
from outgrow.graph import Context, Event, Job, Resources, Settings, Step, ignore_events, load, run
from outgrow.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until(condition: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@dataclass(frozen=True, kw_only=True)
class Threads(Step[Number]):
    result = Number

    def run(self, ctx: Context) -> Number:
        return Number(int(os.environ["OMP_NUM_THREADS"]))


@dataclass(frozen=True, kw_only=True)
class Process(Step[Number]):
    """The process that it runs in."""

    result = Number
    turn: int

    def run(self, ctx: Context) -> Number:
        return Number(os.getpid())


@dataclass(frozen=True, kw_only=True)
class Chatty(Step[Number]):
    """Leaves a thread behind that goes on to report, as if its job were still running."""

    result = Number

    def run(self, ctx: Context) -> Number:
        def chat() -> None:
            while True:
                ctx.progress(1.0, "still here")
                time.sleep(0.001)

        threading.Thread(target=chat, daemon=True).start()
        return Number(1)


@dataclass(frozen=True, kw_only=True)
class Unpicklable(Step[Number]):
    result = Number
    name: str = "x"

    def __reduce__(self) -> Any:
        raise TypeError("cannot be sent")


def test_a_graph_runs_on_workers_and_reports(store: Store) -> None:
    chain = Chain(seed=1, pieces=5)
    top = Add(terms=(Const(value=1), Const(value=2)))
    events: list[Event] = []
    before = os.environ.get("OMP_NUM_THREADS")
    with Pool(2) as pool:
        outcome = run([top, chain, Boom(), Threads(), Unpicklable()], store, pool, Settings(threads=3), events.append)
    assert load(top, store).value == 3
    assert load(Threads(), store).value == 3
    assert os.environ.get("OMP_NUM_THREADS") == before
    texts = {failure.step.key: failure.error_text for failure in outcome.failures}
    assert set(texts) == {Boom().key, Unpicklable().key}
    assert "ValueError: boom" in texts[Boom().key]
    assert "cannot be sent" in texts[Unpicklable().key]
    assert max(e.fraction or 0 for e in events if e.kind == "progress" and e.key == chain.key) == 1
    assert [e.kind for e in events if e.key == top.key] == ["planned", "started", "finished"]


def test_a_step_whose_worker_dies_once_is_tried_again(store: Store, marks: Path) -> None:
    step = Dies(times=1, marks=marks)
    with Pool(1) as pool:
        outcome = run([step, Const(value=1)], store, pool)
    assert not outcome.failures
    assert load(step, store).value == 1


def test_a_step_whose_workers_die_fails_alone_and_says_so(store: Store, marks: Path) -> None:
    step = Dies(times=9, marks=marks)
    after, good = Add(terms=(step,)), Add(terms=(Const(value=1),))
    with Pool(1) as pool:
        outcome = run([after, good], store, pool)
    (failure,) = outcome.failures
    assert failure.step.key == step.key
    assert "died 2 times (killed" in failure.error_text
    assert "\n" not in failure.error_text
    assert [s.key for s in outcome.skipped] == [after.key]
    assert load(good, store).value == 1
    assert len(list(marks.iterdir())) == 2


def job_of(step: Step[Any], store: Store) -> Job:
    lease = store.leases().take([step.key])
    assert lease is not None
    return Job(steps=(step,), tickets=(lease.ticket,), store=store, settings=Settings())


def test_cancelling_stops_what_runs(store: Store, marks: Path) -> None:
    with Pool(1) as pool:
        job = job_of(Sleep(seconds=60, marks=marks), store)
        running = pool.submit(job, Resources(), ignore_events)
        queued = pool.submit(job, Resources(), ignore_events)
        until(lambda: any(marks.iterdir()))
        pid = int(next(marks.iterdir()).name)
        assert queued.cancel()
        assert running.cancel()
        until(lambda: not alive(pid))
        until(running.done)
        fresh = pool.submit(job_of(Const(value=1), store), Resources(), ignore_events)
        (computed,) = fresh.result(20)
        assert computed.kind == "computed"


def test_an_interrupt_cancels_and_leaves_no_worker(store: Store, marks: Path) -> None:
    def interrupt() -> None:
        until(lambda: len(list(marks.iterdir())) == 2)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    started = time.monotonic()
    thread.start()
    with pytest.raises(KeyboardInterrupt), Pool(2) as pool:
        run([Sleep(seconds=60, marks=marks), Sleep(seconds=61, marks=marks)], store, pool)
    thread.join()
    assert time.monotonic() - started < 30
    assert not any(alive(int(mark.name)) for mark in marks.iterdir())


def test_workers_do_not_outlive_a_killed_parent(store: Store, marks: Path) -> None:
    code = """
import sys
from pathlib import Path
from toys import Sleep
from outgrow.executors.pool import Pool
from outgrow.graph import run
from outgrow.store import Store
if __name__ == "__main__":
    marks = Path(sys.argv[2])
    with Pool(2) as pool:
        run([Sleep(seconds=s, marks=marks) for s in (60, 61)], Store(sys.argv[1]), pool)
"""
    script = marks.parent / "script.py"
    script.write_text(code)
    path = f"{Path(__file__).parents[1]}:{os.environ.get('PYTHONPATH', '')}"
    environment = {**os.environ, "PYTHONPATH": path}
    parent = subprocess.Popen([sys.executable, str(script), store.url, str(marks)], env=environment)
    until(lambda: len(list(marks.iterdir())) == 2, 20)
    pids = [int(mark.name) for mark in marks.iterdir()]
    parent.kill()
    parent.wait()
    until(lambda: not any(map(alive, pids)))


# ---- a watcher that fails, and answers that come late


@pytest.mark.parametrize(
    "error", [ValueError("odd"), BrokenPipeError("closed"), EOFError(), KeyboardInterrupt()], ids=repr
)
@pytest.mark.parametrize("kind", ["planned", "started", "progress", "finished"])
def test_an_error_of_the_watcher_ends_the_run_and_mixes_nothing_up(
    store: Store, error: BaseException, kind: str
) -> None:
    fails = [error]

    def watch(event: Event) -> None:
        if event.kind == kind and fails:
            raise fails.pop()

    steps = [Chain(seed=seed, pieces=30, piece_seconds=0) for seed in range(4)]
    with Pool(1) as pool:
        with pytest.raises(type(error)) as caught:
            run(steps, store, pool, watch=watch)
        assert caught.value is error
        outcome = run(steps, store, pool)  # the same pool
        assert not outcome.failures
    for step in steps:
        state = hashlib.sha256(str(step.seed).encode()).digest()
        assert load(step, store).data.startswith(state)


def test_after_an_error_the_worker_is_another(store: Store) -> None:
    def watch(event: Event) -> None:
        if event.kind == "started":
            raise ValueError("odd")

    with Pool(1) as pool:
        run([Process(turn=1), Process(turn=2)], store, pool)
        with pytest.raises(ValueError, match="odd"):
            run([Const(value=1)], store, pool, watch=watch)
        run([Process(turn=3)], store, pool)
    first, second, third = (load(Process(turn=turn), store).value for turn in (1, 2, 3))
    assert first == second != third


def test_an_error_of_the_watcher_cancels_what_else_runs(store: Store, marks: Path) -> None:
    def watch(event: Event) -> None:
        if event.kind == "started" and event.title == "Const":
            until(lambda: any(marks.iterdir()))
            raise ValueError("odd")

    started = time.monotonic()
    with Pool(2) as pool, pytest.raises(ValueError, match="odd"):
        run([Sleep(seconds=60, marks=marks), Const(value=1)], store, pool, watch=watch)
    assert time.monotonic() - started < 40
    until(lambda: not any(alive(int(mark.name)) for mark in marks.iterdir()))


def test_what_an_earlier_job_still_says_is_not_taken_for_the_next_ones(store: Store) -> None:
    events: list[Event] = []
    with Pool(1) as pool:
        run([Chatty()], store, pool, watch=events.append)
        chain = Chain(seed=1, pieces=20)
        later: list[Event] = []
        assert not run([chain], store, pool, watch=later.append).failures
    assert {event.key for event in later} == {chain.key}


def test_a_worker_that_cannot_be_started_is_a_failure_and_no_hang(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any, threads: int) -> None:
        raise OSError("too many processes")

    monkeypatch.setattr("outgrow.executors.pool._Worker.__init__", refuse)
    with Pool(1) as pool:
        (failure,) = run([Const(value=1)], store, pool).failures
    assert "too many processes" in failure.error_text
