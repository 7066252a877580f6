"""Compute one step, in the process that an executor has chosen."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from outgrow.graph.context import Context, Event, Kind, Report, Settings
from outgrow.graph.plan import compare
from outgrow.graph.step import Step, identity
from outgrow.notes import notes_of
from outgrow.store import Damaged, LeaseLost, Manifest, Store, machine, versions
from outgrow.types import UserError


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """How a step of a job ended. damaged: the key of the input that could not be read. notes: those of the artifact."""

    kind: Literal["computed", "found", "failed", "damaged"]
    seconds: float = 0.0
    text: str = ""
    notes: tuple[str, ...] = ()
    user_error: bool = False
    damaged: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A step, or several of one group, with what they need to run in another process."""

    steps: tuple[Step[Any], ...]
    store: Store
    settings: Settings

    def __call__(self, report: Report) -> tuple[JobResult, ...]:
        """How each step ended, in their order."""
        if len(self.steps) > 1:
            try:
                return _compute_group(self.steps, self.store, self.settings, report)
            except Exception as error:  # computed alone, the step that is to blame names its error
                text = f"{len(self.steps)} steps could not be computed together ({error}): now one by one"
                _send(report, self.steps[0], "waiting", text)
        return tuple(compute(step, self.store, self.settings, report) for step in self.steps)


def compute(step: Step[Any], store: Store, settings: Settings, report: Report) -> JobResult:
    """Run one step whose inputs are stored, and commit its artifact. Errors are returned, not raised."""
    started = time.time()
    try:
        while True:
            try:
                return _attempt(step, store, settings, report, started)
            except LeaseLost:  # this process was suspended: wait for the run that took over
                report(Event(kind="waiting", key=step.key, title=step.title, text="another run took over"))
    except UserError as error:
        ended = JobResult(kind="failed", text=str(error), user_error=True)
    except Exception as error:
        explained = store.explained(error)
        ended = JobResult(kind="failed", text=explained or traceback.format_exc(), user_error=bool(explained))
    return replace(ended, seconds=time.time() - started)


def _attempt(step: Step[Any], store: Store, settings: Settings, report: Report, started: float) -> JobResult:
    send = partial(_send, report, step)
    with store.lease(step.key, partial(_send_waiting, send)) as lease:
        if _finished(step, store, send):
            return JobResult(kind="found")
        lease.check()
        send("started")
        context = Context(step=step, store=store, settings=settings, report=report, lease=lease)
        try:
            artifact = step.run(context)
        except Damaged as damage:
            report(Event(kind="damaged", key=damage.key, text=damage.why))
            store.quarantine(damage)
            return JobResult(
                kind="damaged", damaged=damage.key, text=f"{damage}, more than once in this run: check the disk"
            )
        _commit(step, artifact, context, store, _provenance(step, started, settings))
    return JobResult(kind="computed", seconds=time.time() - started, notes=notes_of(artifact))


def _compute_group(
    steps: Sequence[Step[Any]], store: Store, settings: Settings, report: Report
) -> tuple[JobResult, ...]:
    """Run the steps of a group together and commit them one by one. Raises whatever any of them raises.

    Leases are taken in the order of the keys, so that two runs that group otherwise cannot wait for each other.
    """
    started = time.time()
    results: dict[str, JobResult] = {}
    contexts: dict[str, Context] = {}
    with ExitStack() as leases:
        for step in sorted(steps, key=lambda step: step.key):
            send = partial(_send, report, step)
            waiting = partial(_send_waiting, send)
            lease = leases.enter_context(store.lease(step.key, waiting))
            if _finished(step, store, send):
                results[step.key] = JobResult(kind="found")
                continue
            lease.check()
            send("started")
            contexts[step.key] = Context(step=step, store=store, settings=settings, report=report, lease=lease)
        todo = [step for step in steps if step.key in contexts]
        artifacts = type(todo[0]).run_group(todo, [contexts[step.key] for step in todo]) if todo else []
        seconds = (time.time() - started) / max(len(todo), 1)  # each step's share
        for step, artifact in zip(todo, artifacts, strict=True):
            provenance = {**_provenance(step, started, settings), "seconds": seconds, "group": len(todo)}
            _commit(step, artifact, contexts[step.key], store, provenance)
            results[step.key] = JobResult(kind="computed", seconds=seconds, notes=notes_of(artifact))
    return tuple(results[step.key] for step in steps)


def _commit(step: Step[Any], artifact: Any, context: Context, store: Store, provenance: dict[str, Any]) -> None:
    store.commit(step.key, artifact.save, identity=identity(step), provenance=provenance)
    shutil.rmtree(context.scratch, ignore_errors=True)
    with suppress(OSError):  # a run that lost its lease may have left a folder beside it
        context.scratch.parent.rmdir()


def _send(report: Report, step: Step[Any], kind: Kind, text: str = "") -> None:
    report(Event(kind=kind, key=step.key, title=step.title, text=text))


def _send_waiting(send: Callable[..., None], owner: str) -> None:
    send("waiting", f"{owner} is computing it")


def _finished(step: Step[Any], store: Store, send: Callable[..., None]) -> bool:
    """Whether another run has computed the step. A damaged artifact of it is set aside."""
    match store.manifests([step.key]).get(step.key):
        case Manifest() as manifest:
            compare(step, manifest, store)
            return True
        case Damaged() as damage:
            send("damaged", damage.why)
            store.quarantine(damage)
    return False


def _provenance(step: Step[Any], started: float, settings: Settings) -> dict[str, Any]:
    """What was computed, where and when; in no key. Times are seconds since the epoch."""
    where = {
        "title": step.title,
        "versions": versions(),
        "machine": machine(),
        "device": settings.device,
        "threads": settings.threads,
    }
    finished = time.time()
    return {**where, "started": started, "finished": finished, "seconds": finished - started}
