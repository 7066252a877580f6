"""Runs steps as tasks of a Ray cluster: a running one, by RAY_ADDRESS, or a local one.

Tasks take and return keys, never arrays: what a step reads and writes goes through the store, which every node must
reach. A task whose node is lost runs again on another; what a step itself raises is part of its result.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from outgrow.executors.base import Executor, limit_threads
from outgrow.graph import STOPPING, Event, Job, JobResult, Report, Resources
from outgrow.types import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

REACHABLE = 10.0  # seconds until a cluster counts as out of reach
LOOK = 2.0  # seconds between two questions of a task whether it shall stop
RETRIES = 3  # times that a task runs again after its node or its process was lost
GB = 1e9


class Ray(Executor):
    """Runs each job as a Ray task with the cores, GPUs and memory that its step needs.

    address: of a running cluster, such as `ray://host:10001`, or `auto` for that of this machine; by default that of
    RAY_ADDRESS, else a new local one with `workers` cores, by default all. Raises UserError where Ray is not installed
    or the cluster cannot be reached.
    """

    def __init__(self, workers: int | None = None, address: str = "") -> None:
        self._ray = _started(address or os.environ.get("RAY_ADDRESS", ""), workers)
        self._tasks: dict[int, _Task] = {}
        self._events = _Events(self._ray, self._cancel)
        remote: Any = self._ray.remote(max_retries=RETRIES, retry_exceptions=False)
        self._compute = remote(_compute)

    @property
    def slots(self) -> int:
        """The cores of the cluster."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def submit(self, job: Job, resources: Resources, report: Report) -> Future[tuple[JobResult, ...]]:
        if missing := self._missing(resources):
            return _failed(job, missing)
        number = self._events.register(report)
        needed = {"num_cpus": resources.cores, "num_gpus": resources.gpus, "memory": int(resources.memory_gb * GB)}
        task = _Task(self._ray, self._compute.options(**needed).remote(job, number, self._events.actor))
        task.add_done_callback(partial(self._ended, number))
        self._tasks[number] = task
        task.follow()
        return task

    def stop(self) -> None:
        super().stop()
        threading.Thread(target=self._events.ask_to_stop, daemon=True).start()  # a signal handler must not wait

    def close(self) -> None:
        for number in list(self._tasks):
            self._cancel(number)
        self._events.close()
        self._ray.shutdown()

    def _cancel(self, number: int) -> None:
        if task := self._tasks.get(number):
            task.cancel()

    def _ended(self, number: int, task: Any) -> None:
        self._events.drain()
        self._events.forget(number)
        self._tasks.pop(number, None)

    def _missing(self, needed: Resources) -> str:
        """Which resource no cluster of this size has; "" if it may run."""
        there = self._ray.cluster_resources()
        wanted = {"CPU": needed.cores, "GPU": needed.gpus, "memory": needed.memory_gb * GB}
        return ", ".join(
            f"{size:g} of {name}, and the cluster has {there.get(name, 0):g}"
            for name, size in wanted.items()
            if size > there.get(name, 0)
        )


class _Task(Future[tuple[JobResult, ...]]):
    """The future of a Ray task. It can be cancelled while it runs: the process of the task is killed."""

    def __init__(self, ray: Any, reference: Any) -> None:
        super().__init__()
        self._ray, self._reference, self._stopped = ray, reference, False

    def follow(self) -> None:
        """Take over the result of the task when it is there."""
        self.set_running_or_notify_cancel()
        threading.Thread(target=self._follow, daemon=True).start()

    def cancel(self) -> bool:
        if not self.done():
            self._stopped = True
            with suppress(Exception):  # it has ended meanwhile, or the cluster has
                self._ray.cancel(self._reference, force=True)
        return self._stopped

    def _follow(self) -> None:
        try:
            self.set_result(self._ray.get(self._reference))
        except Exception as error:
            lost = f"its process or node was lost {RETRIES + 1} times ({type(error).__name__})"
            self.set_exception(CancelledError() if self._stopped else RuntimeError(lost))


class _Events:
    """The way of events from tasks to this process: an actor that keeps them, and a thread that asks it for them.

    cancel: called with the number of a task whose `report` raises.
    """

    def __init__(self, ray: Any, cancel: Callable[[int], None]) -> None:
        self._ray, self._cancel = ray, cancel
        self.actor = ray.remote(num_cpus=0)(_Mailbox).remote()
        self._reports: dict[int, Report] = {}
        self._count = 0
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def register(self, report: Report) -> int:
        """A number under which a task sends events to `report`."""
        self._count += 1
        self._reports[self._count] = report
        return self._count

    def forget(self, number: int) -> None:
        self._reports.pop(number, None)

    def drain(self) -> None:
        """Pass on the events that have come."""
        with self._lock:
            for number, event in self._taken():
                try:
                    if report := self._reports.get(number):
                        report(event)
                except BaseException:  # which the run has kept, and raises
                    self._cancel(number)

    def ask_to_stop(self) -> None:
        """Let all tasks save a checkpoint and end."""
        with suppress(Exception):  # the cluster has ended
            self._ray.get(self.actor.stop.remote())

    def _taken(self) -> list[tuple[int, Event]]:
        with suppress(Exception):  # the cluster has ended
            taken: list[tuple[int, Event]] = self._ray.get(self.actor.take.remote())
            return taken
        return []

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stop.wait(0.2):
            self.drain()


class _Mailbox:
    """The actor that keeps events until they are taken."""

    def __init__(self) -> None:
        self._events: list[tuple[int, Event]] = []
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True

    def is_stopping(self) -> bool:
        return self._stopping

    def put(self, number: int, event: Event) -> None:
        self._events.append((number, event))

    def take(self) -> list[tuple[int, Event]]:
        taken, self._events = self._events, []
        return taken


def _compute(job: Job, number: int, mailbox: Any) -> tuple[JobResult, ...]:
    """The task, in a process of a node."""
    limit_threads(job.settings.threads)
    send: Callable[[Event], None] = partial(_send, number, mailbox)
    ended = threading.Event()
    watcher = threading.Thread(target=_stop_when_asked, args=(mailbox, ended), daemon=True)
    watcher.start()
    try:
        return job(send)
    finally:
        ended.set()
        watcher.join()
        STOPPING.clear()  # the next task may run in this process


def _stop_when_asked(mailbox: Any, ended: threading.Event) -> None:
    """Make a checkpoint due, the last one, when the cluster's tasks are asked to stop."""
    import ray

    while not ended.wait(LOOK):
        with suppress(Exception):  # the driver has ended
            if ray.get(mailbox.is_stopping.remote()):
                STOPPING.set()
                return


def _send(number: int, mailbox: Any, event: Event) -> None:
    mailbox.put.remote(number, event)


def _failed(job: Job, missing: str) -> Future[tuple[JobResult, ...]]:
    future: Future[tuple[JobResult, ...]] = Future()
    text = f"it needs {missing}: add such a node"
    future.set_result(tuple(JobResult(kind="failed", text=text, user_error=True, here=True) for _ in job.steps))
    return future


def _started(address: str, workers: int | None) -> Any:
    """The module ray, connected to a cluster. A local one is stopped when this process ends."""
    try:
        import ray
    except ImportError:
        raise UserError("--on ray needs Ray: pip install 'outgrow[ray]'") from None
    if ray.is_initialized():
        return ray
    _check_reachable(address)
    paths = os.pathsep.join(path for path in sys.path if path)  # plug-ins are imported on the nodes, too
    options: dict[str, Any] = {"runtime_env": {"env_vars": {"PYTHONPATH": paths}}, "log_to_driver": False}
    options |= {"logging_level": "error"}
    terminated = signal.getsignal(signal.SIGTERM)
    try:
        if address:
            ray.init(address=address, **options)
        else:
            ray.init(address="local", num_cpus=workers, include_dashboard=False, **options)
    except Exception as error:
        where = address or "on this machine"
        why = " ".join(str(error).split())[:200]
        raise UserError(f"no Ray cluster {where}: {why}; check the address, or use --on pool") from None
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, terminated)  # Ray would end the process at once
    return ray


def _check_reachable(address: str) -> None:
    """Raise UserError for an address where nobody answers, which Ray tries for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not (host and port.isdecimal()):
        return  # a name such as `auto`
    try:
        socket.create_connection((host, int(port)), timeout=REACHABLE).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"no Ray cluster answers at {address} ({error}): check the address, or use --on pool") from None
