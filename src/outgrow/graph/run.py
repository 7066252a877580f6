"""Run a plan on an executor: every step as soon as its inputs are stored."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from outgrow.graph.compute import Job, JobResult
from outgrow.graph.context import DEFAULTS, STOPPING, Event, Kind, Report, Settings, ignore_events
from outgrow.graph.log import LOGGER, log_event
from outgrow.graph.outcome import Failure, Outcome, Worker
from outgrow.graph.plan import Plan, plan
from outgrow.graph.room import Resources, Room, lacking
from outgrow.graph.schedule import Schedule
from outgrow.graph.step import Step
from outgrow.graph.watching import refuse_inside, watching
from outgrow.store import Damaged, Lease, Store
from outgrow.types import UserError

BUNDLE = 60.0  # seconds of work a slot that are leased at once, at most
NEAR, FAR = 0.3, 12.5  # seconds between two looks at the work of others, in a folder and in a remote store
LEASES = 4  # one look of so many is at the leases, too
UNFIT = 60.0  # seconds between two messages about a resource that is missing
RECOMPUTED = 2  # times that a damaged artifact is computed again in one run before its reader fails


class ExecutorProtocol(Protocol):
    """What `run` needs of an executor; `executors.base.Executor` is the base class."""

    @property
    def slots(self) -> int: ...
    def machine(self, settings: Settings) -> Resources | None: ...
    def submit(self, job: Job, resources: Resources, report: Report) -> Future[tuple[JobResult, ...]]: ...


def run(
    targets: Sequence[Step[Any]],
    store: Store,
    executor: ExecutorProtocol,
    settings: Settings = DEFAULTS,
    watch: Report = ignore_events,
    worker: Worker | None = None,
) -> Outcome:
    """Compute the steps that `targets` still need.

    A step that fails does not stop those that do not depend on it. An interrupt cancels running steps, and so does an
    error of `watch`, which is raised. worker: if given, this run is one of several workers of the store.
    """
    refuse_inside(store.url)
    return _Run(targets, store, executor, settings, watch, worker).finish()


class _Run:
    """The state of one run: the steps to do, leased, running, in work elsewhere, and ended."""

    def __init__(
        self,
        targets: Sequence[Step[Any]],
        store: Store,
        executor: ExecutorProtocol,
        settings: Settings,
        watch: Report,
        worker: Worker | None,
    ) -> None:
        self.targets, self.store, self.executor, self.settings = targets, store, executor, settings
        self.worker, self.leases = worker, store.leases(worker.name if worker else "")
        self.running: dict[Future[tuple[JobResult, ...]], tuple[Step[Any], ...]] = {}
        self.held_leases: dict[str, Lease] = {}  # by the key of each step that is leased
        self.elsewhere: dict[str, Step[Any]] = {}  # ready steps that another run has leased
        self.computed: dict[str, Step[Any]] = {}
        self.failed: dict[str, Failure] = {}
        self.damages: Counter[str] = Counter()  # how often an artifact was found damaged
        self._needs: dict[str, Resources] = {}
        self.room = Room(_there(executor, settings, worker), settings.gpus)
        self._watch, self._lock = watch, threading.Lock()
        self._watch_error: BaseException | None = None  # what `watch` raised
        self.cached: dict[str, Step[Any]] = {}
        self.planned: set[str] = set()
        self._started, self._busy = time.monotonic(), 0.0  # seconds; of all workers together
        self.unfit: dict[str, tuple[float, float]] = {}  # since when a step waits for resources, and the last message
        self._pause = NEAR if store.storage.local else FAR
        self._listed, self._looks = time.monotonic(), 0
        self.schedule = self._schedule(self._verified())
        LOGGER.info("%d steps to do, %d cached", len(self.planned), len(self.cached))

    def finish(self) -> Outcome:
        with self.leases, self._cancelling():
            if self.worker:
                self._look()
            while True:
                self._fill()
                if not self.running and (STOPPING.is_set() or not self._awaited()):
                    break
                self._wait()
        ended = self.computed.keys() | self.cached.keys() | self.failed.keys()
        skipped = [step for step in self.schedule.todo if step.key not in ended]
        counts = f"{len(self.computed)} steps computed, {len(self.cached)} cached"
        LOGGER.info("%s, %d failed, %d skipped", counts, len(self.failed), len(skipped))
        by_end = (tuple(self.computed.values()), tuple(self.cached.values()), tuple(self.failed.values()))
        available = (time.monotonic() - self._started) * self.executor.slots
        idle = max(0.0, 1 - self._busy / available) if self._busy else 0.0
        return Outcome(*by_end, skipped=tuple(skipped), idle=idle, unfit=self.schedule.unfit)

    @contextmanager
    def _cancelling(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            for future in self.running:
                future.cancel()
            raise

    def _fill(self) -> None:
        """Start steps while there are free slots."""
        for lease in {lease.owner: lease for lease in self.held_leases.values() if lease.lost}.values():
            self._release(lease)  # another run does what has not started
        while (free := self.executor.slots - len(self.running)) > 0 and not STOPPING.is_set():
            if steps := self.schedule.next(free, self._fits):
                self._start(steps)
            elif not self._lease_more():
                return

    def _start(self, steps: tuple[Step[Any], ...]) -> None:
        tickets = tuple(self.held_leases[step.key].ticket for step in steps)
        for step in steps:
            self.held_leases[step.key].running[step.key] = {"title": step.title, "since": time.time(), "fraction": 0.0}
        needed = self._needed(steps[0])
        devices = self.room.take(steps, needed)
        job = Job(steps=steps, tickets=tickets, store=self.store, settings=self.settings.on(devices))
        self.running[self.executor.submit(job, needed, self.report)] = steps

    def _fits(self, step: Step[Any]) -> bool:
        return self.room.fits(self._needed(step))

    def _slots(self, step: Step[Any]) -> float:
        """Of how many slots a step takes the time, since no more such steps have room at once."""
        return max(1.0, self.executor.slots / self.room.together(self._needed(step)))

    def _can_do(self, step: Step[Any]) -> bool:
        return not (self.worker and lacking(self._needed(step), self.worker.resources))

    def _needed(self, step: Step[Any]) -> Resources:
        if step.key not in self._needs:
            self._needs[step.key] = step.resources(self.settings)
        return self._needs[step.key]

    def _lease_more(self) -> bool:
        """Lease another bundle. False if there is nothing to lease now."""
        busy = {step.key for steps in self.running.values() for step in steps}
        for lease in {lease.owner: lease for lease in self.held_leases.values()}.values():
            if not lease.keys & busy:  # what is left of it waits for others
                self._release(lease)
        bundle = self.schedule.bundle(self._bundle_seconds(), self._fits, self._slots)
        if not bundle:
            return False
        try:
            taken = self.leases.take([step.key for step in bundle])
        except UserError as error:  # the store cannot be written to
            ready = self.schedule.lease(bundle, ())
            if self.worker and not self.running:
                raise
            for step in ready:
                if self.worker:
                    self.schedule.offer(step)  # once more when a step that runs has ended
                else:
                    self._ended(step, JobResult(kind="failed", text=str(error), user_error=True))
            return not self.worker
        leased = taken.keys if taken else set()
        if taken:
            self.held_leases |= dict.fromkeys(leased, taken)
        for step in self.schedule.lease(bundle, leased):
            self.elsewhere[step.key] = step
            self._looks = 0  # the next look is at the leases, too
            self._send("waiting", step, f"{self.leases.holder(step.key) or 'another run'} is computing it")
        return True

    def _bundle_seconds(self) -> float:
        """How much work to lease. Of several runs each takes half of a fair share of what is left, so that all end
        together, but enough for the time until the next look."""
        slots, others = self.executor.slots, self.leases.living
        if not (self.worker or others):
            return BUNDLE * slots
        share = self.schedule.seconds_left / (2 * (1 + others))
        return min(BUNDLE * slots, max(self._pause * slots, share))

    def _give_up_what_waits(self) -> None:
        """Of leases that are older than a bundle should take, keep what runs: others may have room for the rest."""
        busy = {step.key for steps in self.running.values() for step in steps}
        for lease in {lease.owner: lease for lease in self.held_leases.values()}.values():
            if time.monotonic() - lease.taken > BUNDLE and not lease.keys <= busy:
                self._release(lease, lease.keys & busy)

    def _release(self, lease: Lease, keep: Collection[str] = ()) -> None:
        self.schedule.give_up(lease.keys.difference(keep))
        self.held_leases = {key: each for key, each in self.held_leases.items() if each is not lease or key in keep}
        if not keep:
            self.leases.release(lease)
            return
        with suppress(UserError):  # of a store out of reach: the next heartbeat writes what is left
            lease.keep(keep)

    def _wait(self) -> None:
        """Wait until a step ends, or until it is time to look at what others have done."""
        if not self.running:
            STOPPING.wait(self._pause)
        pause = self._pause if self._awaited() else BUNDLE
        done = wait(self.running, timeout=pause, return_when=FIRST_COMPLETED).done
        if self._watch_error:
            raise self._watch_error
        ended: list[tuple[Step[Any], JobResult]] = []
        for future in done:
            steps = self.running.pop(future)
            self.room.give_back(steps)
            ended += zip(steps, _results(future, steps), strict=True)
        for step, result in sorted(ended, key=lambda each: each[1].kind == "damaged"):  # which need a new plan
            self._ended(step, result)
        self._give_up_what_waits()
        if self._awaited() and time.monotonic() - self._listed >= self._pause:
            try:
                self._look()
            except UserError:
                if not self.running:
                    raise  # a store out of reach stops no step that runs: the next look may reach it

    def _awaited(self) -> bool:
        """Whether a step that another run must do may let this one go on."""
        return bool(self.elsewhere or (self.worker and self.worker.wait and self.schedule.unfit))

    def _look(self) -> None:
        """Look at what other runs have done, with one listing; now and then also at what they have left undone."""
        stored, failed = self.store.listings()
        if self._looks % LEASES == 0:
            self.leases.look()
        self._looks += 1
        self._listed = time.monotonic()
        for key, step in list(self.elsewhere.items()):
            if key in stored or not self.leases.holder(key):
                del self.elsewhere[key]
                self.schedule.offer(step)
        busy = {step.key for steps in self.running.values() for step in steps}
        for step in self.schedule.todo:
            if step.key in stored and not self._is_known(step.key) and step.key not in busy:
                self._ended(step, JobResult(kind="found"))
        if self.worker:
            self._look_at_failures(failed - stored - busy)
            if self.worker.wait:
                self._report_unfit(self.worker.resources)

    def _look_at_failures(self, keys: Collection[str]) -> None:
        """Do not try what has failed on other workers."""
        new = [step for step in self.schedule.todo if step.key in keys and not self._is_known(step.key)]
        records = self.store.failures.read([step.key for step in new])
        for step in new:
            if (record := records.get(step.key)) and (record.is_final or step in self.schedule.unfit):
                self.failed[step.key] = Failure(step, record.text, record.user_error)
                self.elsewhere.pop(step.key, None)
                self.schedule.failed(step)
                self._send("failed", step, f"{record.text} (on {record.host}; --retry tries it again)")

    def _report_unfit(self, there: Resources) -> None:
        """Say now and then which resource is missing, and for how long."""
        now = time.monotonic()
        for step in self.schedule.unfit:
            since, last = self.unfit.get(step.key, (now, -math.inf))
            if now - last >= UNFIT:
                missing = lacking(self._needed(step), there)
                self._send("waiting", step, f"it needs {missing}: waiting for another worker for {now - since:.0f} s")
                last = now
            self.unfit[step.key] = (since, last)

    def _is_known(self, key: str) -> bool:
        return key in self.computed or key in self.cached or key in self.failed

    def report(self, event: Event) -> None:
        """Log an event and pass it to `watch`, whose first error ends the job that sent the event, and then the run."""
        with self._lock:  # executors report from threads of their own
            if self._watch_error:
                raise self._watch_error
            if event.kind == "progress" and (lease := self.held_leases.get(event.key)) and event.key in lease.running:
                lease.running[event.key]["fraction"] = event.fraction
            try:
                log_event(event)
                with watching(self.store.url):
                    self._watch(event)
            except BaseException as error:
                self._watch_error = error
                raise

    def _send(self, kind: Kind, step: Step[Any], text: str = "", seconds: float | None = None) -> None:
        self.report(Event(kind=kind, key=step.key, title=step.title, text=text, seconds=seconds))

    def _verified(self) -> Plan:
        """The plan, with damaged targets set aside. Workers do not look: each would read all that is finished."""
        first = plan(self.targets, self.store)
        if self.worker:
            return first
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

    def _schedule(self, going: Plan) -> Schedule:
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
        self.elsewhere = {}
        schedule = Schedule(
            going.todo,
            going.seconds,
            started=busy | self.failed.keys(),
            leased=self.held_leases,
            worker=self.worker.name if self.worker else "",
            can_do=self._can_do,
        )
        for failure in self.failed.values():
            schedule.failed(failure.step)
        return schedule

    def _ended(self, step: Step[Any], ended: JobResult) -> None:
        self._busy += ended.seconds
        if ended.kind == "lost":
            self._lost(step)
            return
        if ended.kind == "stopped":
            self.schedule.offer(step)
            return
        if ended.kind == "damaged" and self.damages[ended.damaged] < RECOMPUTED:
            self.damages[ended.damaged] += 1
            self.cached.pop(ended.damaged, None)
            self.computed.pop(ended.damaged, None)
            self.schedule = self._schedule(plan(self.targets, self.store))
            return
        if lease := self.held_leases.pop(step.key, None):
            lease.keys.discard(step.key)
            lease.running.pop(step.key, None)
            if not lease.keys:
                self.leases.release(lease)
        if ended.kind in ("failed", "damaged"):
            self.failed[step.key] = Failure(step, ended.text, ended.user_error)
            if self.worker:
                with suppress(UserError):  # of a store that cannot be reached
                    self.store.failures.add(
                        step.key, ended.text.strip().rpartition("\n")[2], ended.user_error and not ended.here
                    )
            self._send("failed", step, ended.text, ended.seconds)
        else:
            elsewhere = ended.kind == "found"  # another run has computed it
            (self.cached if elsewhere else self.computed)[step.key] = step
            self._send("found" if elsewhere else "finished", step, "\n".join(ended.notes), ended.seconds)
            self.schedule.finished(step)

    def _lost(self, step: Step[Any]) -> None:
        """Another run has taken over the lease of a step, which is now waited for."""
        if lease := self.held_leases.get(step.key):
            lease.lost = True
            self._release(lease)
        self.elsewhere[step.key] = step
        self._send("waiting", step, "another run took over")


def _there(executor: ExecutorProtocol, settings: Settings, worker: Worker | None) -> Resources | None:
    """What the steps that run at the same time share; None where the executor sees to that itself."""
    there = executor.machine(settings)
    if there and worker:
        return replace(worker.resources, cores=max(worker.resources.cores, executor.slots))
    return there


def _results(future: Future[tuple[JobResult, ...]], steps: Sequence[Step[Any]]) -> tuple[JobResult, ...]:
    """How each step of a job ended."""
    failed = partial(JobResult, kind="failed", user_error=True, here=True)
    try:
        results = future.result()
        return results if len(results) == len(steps) else results[:1] * len(steps)  # one for a job that was not read
    except CancelledError:
        return tuple(failed(text="cancelled") for _ in steps)
    except Exception as error:  # of the executor: a step's own errors come back as a JobResult
        return tuple(failed(text=f"{step.key} could not be run: {error}") for step in steps)
