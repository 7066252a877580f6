"""Run a plan on an executor: every step as soon as its inputs are stored."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass
from typing import Any, Protocol

from outgrow.graph.compute import Job, JobResult
from outgrow.graph.context import DEFAULTS, Event, Kind, Report, Settings, ignore_events
from outgrow.graph.log import LOGGER, log_event
from outgrow.graph.plan import Plan, plan
from outgrow.graph.step import Resources, Step
from outgrow.store import Damaged, Store

LARGEST_GROUP = 64  # steps that are computed together
RECOMPUTED = 2  # times that a damaged artifact is computed again in one run before its reader fails


class ExecutorProtocol(Protocol):
    """What `run` needs of an executor; `executors.base.Executor` is the base class."""

    @property
    def slots(self) -> int: ...
    def submit(self, job: Job, resources: Resources, report: Report) -> Future[tuple[JobResult, ...]]: ...


@dataclass(frozen=True)
class Failure:
    """A step that failed. error_text: a traceback, or with `user_error` one line that says what to change."""

    step: Step[Any]
    error_text: str
    user_error: bool


@dataclass(frozen=True)
class Outcome:
    """The steps of a run by how they ended. `skipped` steps depend on one that failed.

    idle: the share of the time of all workers in which they computed no step, 0 to 1.
    """

    computed: tuple[Step[Any], ...]
    cached: tuple[Step[Any], ...]
    failures: tuple[Failure, ...]
    skipped: tuple[Step[Any], ...]
    idle: float = 0.0


def run(
    targets: Sequence[Step[Any]],
    store: Store,
    executor: ExecutorProtocol,
    settings: Settings = DEFAULTS,
    watch: Report = ignore_events,
) -> Outcome:
    """Compute the steps that `targets` still need.

    A step that fails does not stop those that do not depend on it. An interrupt cancels running steps, and so does an
    error of `watch`, which is raised.
    """
    going = _Run(targets, store, executor, settings, watch)
    try:
        return going.finish()
    except BaseException:
        for future in going.running:
            future.cancel()
        raise


class _Run:
    """The state of one run: the steps to do, running and ended."""

    def __init__(
        self, targets: Sequence[Step[Any]], store: Store, executor: ExecutorProtocol, settings: Settings, watch: Report
    ) -> None:
        self.targets, self.store, self.executor, self.settings = targets, store, executor, settings
        self.running: dict[Future[tuple[JobResult, ...]], tuple[Step[Any], ...]] = {}
        self.computed: dict[str, Step[Any]] = {}
        self.failed: dict[str, Failure] = {}
        self.times: dict[str, int] = {}
        self._watch, self._lock = watch, threading.Lock()
        self._watch_error: BaseException | None = None  # what `watch` raised
        self.cached: dict[str, Step[Any]] = {}
        self.planned: set[str] = set()
        self._started, self._busy = time.monotonic(), 0.0  # seconds; of all workers together
        self.schedule = self._schedule(self._verified())
        LOGGER.info("%d steps to do, %d cached", len(self.planned), len(self.cached))

    def finish(self) -> Outcome:
        while True:
            while (free := self.executor.slots - len(self.running)) > 0 and (steps := self.schedule.next(free)):
                job = Job(steps=steps, store=self.store, settings=self.settings)
                self.running[self.executor.submit(job, steps[0].resources, self.report)] = steps
            if not self.running:
                break
            done = wait(self.running, return_when=FIRST_COMPLETED).done
            if self._watch_error:
                raise self._watch_error
            for future in done:
                steps = self.running.pop(future)
                for step, result in zip(steps, _results(future, steps), strict=True):
                    self._ended(step, result)
        ended = self.computed.keys() | self.cached.keys() | self.failed.keys()
        skipped = [step for step in self.schedule.todo if step.key not in ended]
        counts = f"{len(self.computed)} steps computed, {len(self.cached)} cached"
        LOGGER.info("%s, %d failed, %d skipped", counts, len(self.failed), len(skipped))
        by_end = (tuple(self.computed.values()), tuple(self.cached.values()), tuple(self.failed.values()))
        available = (time.monotonic() - self._started) * self.executor.slots
        return Outcome(
            *by_end, skipped=tuple(skipped), idle=max(0.0, 1 - self._busy / available) if self._busy else 0.0
        )

    def report(self, event: Event) -> None:
        """Log an event and pass it to `watch`, whose first error ends the job that sent the event, and then the run."""
        with self._lock:  # executors report from threads of their own
            if self._watch_error:
                raise self._watch_error
            try:
                log_event(event)
                self._watch(event)
            except BaseException as error:
                self._watch_error = error
                raise

    def _send(self, kind: Kind, step: Step[Any], text: str = "", seconds: float | None = None) -> None:
        self.report(Event(kind=kind, key=step.key, title=step.title, text=text, seconds=seconds))

    def _verified(self) -> Plan:
        """The plan, with damaged targets set aside. No step reads these, so nothing else would check them."""
        first = plan(self.targets, self.store)
        wanted = {step.key for step in self.targets}
        damaged = False
        for step in first.cached:
            if step.key in wanted:
                try:
                    self.store.fetch(step.key)
                except Damaged as damage:
                    self._send("damaged", step, damage.why)
                    self.store.quarantine(damage)
                    damaged = True
        return plan(self.targets, self.store) if damaged else first

    def _schedule(self, going: Plan) -> _Schedule:
        busy = {step.key for steps in self.running.values() for step in steps}
        announced = self.planned | busy
        for step in going.todo:
            if step.key not in announced:
                self._send("planned", step, seconds=going.seconds[step.key])
        self.planned = {step.key for step in going.todo}
        for step in going.cached:
            if step.key not in self.computed and step.key not in self.cached:
                self.cached[step.key] = step
                self._send("found", step)
        return _Schedule(going.todo, going.seconds, started=busy | self.failed.keys())

    def _ended(self, step: Step[Any], ended: JobResult) -> None:
        self._busy += ended.seconds
        if ended.kind == "damaged" and self.times.get(ended.damaged, 0) < RECOMPUTED:
            self.cached.pop(ended.damaged, None)
            self.computed.pop(ended.damaged, None)
            self.schedule = self._schedule(plan(self.targets, self.store))
        elif ended.kind in ("failed", "damaged"):
            self.failed[step.key] = Failure(step, ended.text, ended.user_error)
            self._send("failed", step, ended.text, ended.seconds)
        else:
            elsewhere = ended.kind == "found"  # another run has computed it
            self.times[step.key] = self.times.get(step.key, 0) + 1
            (self.cached if elsewhere else self.computed)[step.key] = step
            self._send("found" if elsewhere else "finished", step, "\n".join(ended.notes), ended.seconds)
            self.schedule.finished(step)


def _results(future: Future[tuple[JobResult, ...]], steps: Sequence[Step[Any]]) -> tuple[JobResult, ...]:
    """How each step of a job ended."""
    try:
        results = future.result()
        return results if len(results) == len(steps) else results[:1] * len(steps)  # one for a job that was not read
    except CancelledError:
        return tuple(JobResult(kind="failed", text="cancelled", user_error=True) for _ in steps)
    except Exception as error:  # of the executor: a step's own errors come back as a JobResult
        text = "{} could not be run: {}"
        return tuple(JobResult(kind="failed", text=text.format(step.key, error), user_error=True) for step in steps)


class _Schedule:
    """The steps that may start: those whose inputs are done, first the one whose remaining chain takes longest."""

    def __init__(self, todo: Sequence[Step[Any]], seconds: Mapping[str, float], started: set[str]) -> None:
        self.todo = todo
        keys = {step.key for step in todo}
        self._missing: dict[str, int] = {}
        self._readers: dict[str, list[int]] = {step.key: [] for step in todo}
        for i, step in enumerate(todo):
            inputs = {parent.key for parent in step.inputs()} & keys
            self._missing[step.key] = len(inputs)
            for key in inputs:
                self._readers[key].append(i)
        self._chain = [0.0] * len(todo)
        for i in reversed(range(len(todo))):  # readers come after their inputs
            self._chain[i] = seconds[todo[i].key] + max(
                (self._chain[j] for j in self._readers[todo[i].key]), default=0.0
            )
        free = (i for i, step in enumerate(todo) if self._missing[step.key] == 0 and step.key not in started)
        self._ready = [(-self._chain[i], i) for i in free]
        heapq.heapify(self._ready)

    def next(self, slots: int = 1) -> tuple[Step[Any], ...]:
        """The next step that may start, with its share of the ready steps of its group where `slots` workers are free;
        () where none may start."""
        if not self._ready:
            return ()
        first = self.todo[heapq.heappop(self._ready)[1]]
        if first.group is None:
            return (first,)
        alike = sorted(each for each in self._ready if self._is_alike(self.todo[each[1]], first))
        taken = alike[: min(-(-(len(alike) + 1) // slots), LARGEST_GROUP) - 1]
        self._ready = [each for each in self._ready if each not in set(taken)]
        heapq.heapify(self._ready)
        return (first, *(self.todo[i] for _, i in taken))

    @staticmethod
    def _is_alike(step: Step[Any], first: Step[Any]) -> bool:
        return type(step) is type(first) and step.group == first.group and step.resources == first.resources

    def finished(self, step: Step[Any]) -> None:
        for i in self._readers.get(step.key, ()):
            key = self.todo[i].key
            self._missing[key] -= 1
            if self._missing[key] == 0:
                heapq.heappush(self._ready, (-self._chain[i], i))
