"""Steps at the same time share a machine: cores, memory and GPUs are summed, whatever executor runs them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from toys import Const, Number

from outgrow.executors.base import Executor
from outgrow.executors.inline import Inline
from outgrow.graph import Context, Job, JobResult, Report, Resources, Settings, Step, lacking, load, run
from outgrow.graph.room import Room
from outgrow.store import Store

GB = Resources(memory_gb=3.0)


def test_memory_and_cores_are_summed() -> None:
    room = Room(Resources(cores=3, memory_gb=8.0))
    room.take("a", GB)
    assert room.fits(GB)
    room.take("b", GB)
    assert not room.fits(GB)  # 9 of 8 GB
    assert room.fits(Resources(memory_gb=2.0))
    assert not room.fits(Resources(cores=2, memory_gb=0.1))  # 4 of 3 cores
    room.give_back("a")
    assert room.fits(GB)


def test_how_many_have_room_at_once() -> None:
    room = Room(Resources(cores=8, memory_gb=10.0, gpus=2, gpu_gb=80.0))
    assert room.together(GB) == 3  # of 10 GB
    assert room.together(Resources(cores=4)) == 2
    assert room.together(Resources(gpus=1)) == 2
    assert room.together(Resources(gpus=0.25)) == 8
    room.take("a", Resources(cores=4, gpus=1))
    assert room.together(Resources(gpus=1)) == 1
    assert room.together(Resources(gpus=0.25)) == 4
    assert room.together(Resources(cores=5)) == 1  # none, until that ends: then one
    assert Room(None).together(GB) > 100


def test_a_step_alone_always_starts() -> None:
    assert Room(Resources(memory_gb=1.0)).fits(Resources(memory_gb=50.0))


def test_small_steps_share_a_gpu_and_leave_the_other_whole() -> None:
    room = Room(Resources(cores=16, memory_gb=100.0, gpus=2, gpu_gb=80.0))
    quarter, whole = Resources(gpus=0.25, gpu_gb=20.0), Resources(gpus=1, gpu_gb=70.0)
    assert [room.take(i, quarter) for i in range(4)] == [(0,)] * 4
    assert room.take("whole", whole) == (1,)
    assert not room.fits(quarter)
    room.give_back(0)
    assert room.fits(quarter)
    assert not room.fits(whole)


def test_a_sharded_step_takes_several_gpus() -> None:
    room = Room(Resources(cores=16, memory_gb=100.0, gpus=4, gpu_gb=80.0))
    assert room.take("two", Resources(cores=2, gpus=2)) == (0, 1)
    assert room.take("two more", Resources(cores=2, gpus=2)) == (2, 3)
    assert not room.fits(Resources(gpus=0.5))


def test_claimed_gpus_are_given_by_their_numbers() -> None:
    room = Room(Resources(cores=16, memory_gb=100.0, gpus=2, gpu_gb=80.0), (3, 5))
    assert [room.take(i, Resources(gpus=1)) for i in range(2)] == [(3,), (5,)]
    room.give_back(0)
    assert room.take(2, Resources(gpus=1)) == (3,)


def test_without_knowledge_of_the_machine_all_fits() -> None:
    room = Room(None)
    assert room.take("a", Resources(cores=1000, gpus=8)) == ()
    assert room.fits(Resources(cores=1000))


def test_what_is_lacking_is_named() -> None:
    there = Resources(cores=2, memory_gb=16.0, gpus=1, gpu_gb=24.0)
    assert lacking(Resources(cores=2, memory_gb=16.0, gpus=0.5, gpu_gb=24.0), there) == ""
    wanted = Resources(cores=1, memory_gb=20.5, gpus=2, gpu_gb=79.04)
    assert lacking(wanted, there) == "2 GPUs (here 1), 20.5 GB of memory (here 16), 79 GB of memory on a GPU (here 24)"


@dataclass(frozen=True, kw_only=True)
class Where(Step[Number]):
    """Notes on which device it runs, and stays there a while."""

    result = Number
    value: float
    needed: Resources = field(metadata={"identity": False})

    def resources(self, settings: Settings) -> Resources:
        return self.needed

    def run(self, ctx: Context) -> Number:
        RUNNING.start(ctx.settings.device)
        time.sleep(0.05)
        RUNNING.end(ctx.settings.device)
        return Number(self.value)


class Running:
    """How many steps ran on each device at the same time, at most."""

    def __init__(self) -> None:
        self.now: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self._lock = threading.Lock()

    def start(self, device: str) -> None:
        with self._lock:
            self.now[device] = self.now.get(device, 0) + 1
            self.most[device] = max(self.now[device], self.most.get(device, 0))

    def end(self, device: str) -> None:
        with self._lock:
            self.now[device] -= 1


RUNNING = Running()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    RUNNING.__init__()  # type: ignore[misc]


class Threads(Executor):
    """Eight threads on a machine that somebody has described."""

    def __init__(self, there: Resources) -> None:
        self._there, self._threads = there, ThreadPoolExecutor(8)

    slots = 8  # type: ignore[assignment]

    def machine(self, settings: Settings) -> Resources:
        return self._there

    def submit(self, job: Job, resources: Resources, report: Report) -> Future[tuple[JobResult, ...]]:
        return self._threads.submit(job, report)

    def close(self) -> None:
        self._threads.shutdown()


def ran(tmp_path: Path, there: Resources, needed: Resources, n: int = 12, gpus: tuple[int, ...] = ()) -> dict[str, int]:
    """How many of n steps ran at the same time on each device, at most."""
    steps = [Where(value=i, needed=needed) for i in range(n)]
    with Threads(there) as executor:
        outcome = run(steps, Store(str(tmp_path)), executor, Settings(device="cuda", gpus=gpus))
    assert len(outcome.computed) == n, outcome.failures
    return RUNNING.most


def test_one_step_a_gpu(tmp_path: Path) -> None:
    there = Resources(cores=8, memory_gb=64.0, gpus=2, gpu_gb=80.0)
    assert ran(tmp_path, there, Resources(gpus=1, gpu_gb=10.0)) == {"cuda:0": 1, "cuda:1": 1}


def test_steps_run_on_the_gpus_that_the_process_has_claimed(tmp_path: Path) -> None:
    there = Resources(cores=8, memory_gb=64.0, gpus=2, gpu_gb=80.0)
    assert ran(tmp_path, there, Resources(gpus=1, gpu_gb=10.0), gpus=(3, 5)) == {"cuda:3": 1, "cuda:5": 1}


def test_four_steps_a_gpu(tmp_path: Path) -> None:
    there = Resources(cores=8, memory_gb=64.0, gpus=2, gpu_gb=80.0)
    most = ran(tmp_path, there, Resources(gpus=0.25, gpu_gb=10.0), 24)
    assert set(most) == {"cuda:0", "cuda:1"}
    assert max(most.values()) == 4


def test_no_more_steps_than_memory_allows(tmp_path: Path) -> None:
    most = ran(tmp_path, Resources(cores=8, memory_gb=10.0), Resources(memory_gb=3.0))
    assert most == {"cuda": 3}


def test_a_large_step_waits_and_small_ones_go_on(tmp_path: Path) -> None:
    large = [Where(value=i, needed=Resources(memory_gb=8.0)) for i in range(3)]
    small = [Where(value=i, needed=Resources(memory_gb=0.1)) for i in range(3, 12)]
    with Threads(Resources(cores=8, memory_gb=10.0)) as executor:
        outcome = run([*large, *small], Store(str(tmp_path)), executor)
    assert len(outcome.computed) == 12
    assert RUNNING.most["cpu"] > 1


class OutOfMemoryError(RuntimeError):
    """As torch calls it."""


@dataclass(frozen=True, kw_only=True)
class Hungry(Const):
    """Fits only with few examples at a time. Its answer does not depend on how many."""

    result = Number
    most: int

    def run(self, ctx: Context) -> Number:
        with (ctx.scratch / "tries").open("a") as file:
            file.write(f"{ctx.settings.microbatch}\n")
        if (ctx.settings.microbatch or 1000) > self.most:
            raise ValueError("wrapped") from OutOfMemoryError("CUDA out of memory")
        TRIES.append((ctx.scratch / "tries").read_text().split())
        return Number(self.value)


TRIES: list[list[str]] = []


@pytest.mark.parametrize(("given", "tried"), [(None, ["None", "16", "8", "4"]), (24, ["24", "12", "6", "3"])])
def test_a_device_out_of_memory_gets_fewer_examples_at_a_time(
    given: int | None, tried: list[str], tmp_path: Path
) -> None:
    TRIES.clear()
    step, store = Hungry(value=7, most=4), Store(str(tmp_path))
    with Inline() as executor:
        outcome = run([step], store, executor, Settings(microbatch=given))
    assert not outcome.failures
    assert load(step, store) == Number(7)
    assert [tried] == TRIES
    manifest = store.manifest(step.key)
    assert manifest.provenance["microbatch"] == int(tried[-1])


def test_one_example_that_does_not_fit_is_an_error_in_one_line(tmp_path: Path) -> None:
    with Inline() as executor:
        (failure,) = run([Hungry(value=7, most=0)], Store(str(tmp_path)), executor).failures
    assert failure.user_error
    assert failure.error_text.startswith("not enough memory")
