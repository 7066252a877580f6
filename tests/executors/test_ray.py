"""Steps as tasks of a real Ray cluster of two nodes on this machine."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from toys import Add, Boom, Chain, Const, Number, Sleep

from outgrow.executors.inline import Inline
from outgrow.executors.ray import Ray
from outgrow.graph import STOPPING, Context, Event, Resources, Settings, Step, load, run
from outgrow.store import Store
from outgrow.types import UserError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PIECES = 60


@dataclass(frozen=True, kw_only=True)
class Large(Const):
    """Needs a GPU."""

    result = Number

    def resources(self, settings: Settings) -> Resources:
        return Resources(gpus=1)


@dataclass(frozen=True, kw_only=True)
class Counted(Step[Number]):
    """Adds a line to a file each time that it runs, and fails."""

    result = Number
    log: str

    def run(self, ctx: Context) -> Number:
        with Path(self.log).open("a") as file:
            file.write("ran\n")
        raise UserError("type --x instead")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head of one core and a node of one core, in processes of their own."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]))
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    import ray

    ray.shutdown()
    made.shutdown()


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_lost_node_costs_nothing(cluster: Any, tmp_path: Path) -> None:
    """The node is killed while it computes; what it lost is computed on the head, from its last checkpoint or anew."""
    node = cluster.add_node(num_cpus=1)
    targets = [Chain(seed=seed, pieces=PIECES, piece_seconds=0.05, after=Chain(seed=9, pieces=3)) for seed in range(4)]
    store, alone = Store(str(tmp_path / "store")), Store(str(tmp_path / "alone"))
    with Inline() as inline:
        run(targets, alone, inline)
    started: list[str] = []
    killed = threading.Event()

    def watch(event: Event) -> None:
        if event.kind == "started":
            started.append(event.key)
        if event.kind == "progress" and len(set(started)) >= 3 and not killed.is_set():
            killed.set()
            threading.Thread(target=cluster.remove_node, args=(node,)).start()

    with Ray(address=cluster.address) as executor:
        assert executor.slots == 2
        outcome = run(targets, store, executor, watch=watch)
    assert killed.is_set()
    assert not outcome.failures, outcome.failures
    assert len(outcome.computed) == 5
    for target in targets:
        assert store.manifest(target.key).files == alone.manifest(target.key).files
    assert store.storage.names("leases") == set()


def test_errors_of_the_user_are_not_tried_again_and_progress_comes_through(cluster: Any, tmp_path: Path) -> None:
    counted, boom, large = Counted(log=str(tmp_path / "log")), Boom(), Large(value=1)
    good = Chain(seed=1, pieces=30, piece_seconds=0.05)
    events: list[Event] = []
    with Ray(address=cluster.address) as executor:
        outcome = run([counted, boom, large, good], Store(str(tmp_path / "store")), executor, watch=events.append)
    failures = {failure.step.key: failure for failure in outcome.failures}
    assert (tmp_path / "log").read_text() == "ran\n"
    assert failures[counted.key].error_text == "type --x instead"
    assert "ValueError: boom" in failures[boom.key].error_text
    assert failures[large.key].error_text == "it needs 1 of GPU, and the cluster has 0: add such a node"
    assert [step.key for step in outcome.computed] == [good.key]
    assert len([event for event in events if event.kind == "progress" and event.key == good.key]) > 3


def test_tasks_that_are_asked_to_stop_save_a_checkpoint(cluster: Any, tmp_path: Path) -> None:
    long, store = Chain(seed=1, pieces=2000, piece_seconds=0.05), Store(str(tmp_path / "store"))
    scratch, stops = tmp_path / "store" / "scratch", list[Event]()
    with Ray(address=cluster.address) as executor:

        def stop(event: Event) -> None:  # once: events may still come when the run has ended
            if event.kind == "progress" and not stops:
                stops.append(event)
                executor.stop()

        try:
            outcome = run([long], store, executor, watch=stop)
        finally:
            STOPPING.clear()
        assert not outcome.computed
        assert not outcome.failures
        (checkpoint,) = scratch.rglob("checkpoint-*")
        short = Const(value=1)
        assert run([short], store, executor).computed == (short,)  # the process of the task is as before
    assert checkpoint.is_dir()


def test_an_interrupt_cancels_what_runs(cluster: Any, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()

    def interrupt(event: Event) -> None:
        if event.kind == "started":
            raise KeyboardInterrupt

    with Ray(address=cluster.address) as executor:
        with pytest.raises(KeyboardInterrupt):
            run([Sleep(seconds=600, marks=marks)], Store(str(tmp_path / "store")), executor, watch=interrupt)
        until(lambda: any(marks.iterdir()))
        pid = next(marks.iterdir()).name
        until(lambda: not Path(f"/proc/{pid}").exists() or "zombie" in Path(f"/proc/{pid}/status").read_text())


def test_a_local_cluster_of_some_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    store, top = Store(str(tmp_path)), Add(terms=(Const(value=2), Const(value=3)))
    with Ray(workers=1) as executor:
        assert executor.slots == 1
        assert not run([top], store, executor).failures
    assert load(top, store).value == 5


def test_no_cluster_is_one_line() -> None:
    with pytest.raises(UserError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 ") as caught:
        Ray(address="127.0.0.1:1")
    assert "\n" not in str(caught.value)
