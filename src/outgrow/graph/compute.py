"""Compute one step, in the process that an executor has chosen."""

from __future__ import annotations

import gc
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from outgrow.graph.context import Context, Event, Kind, Report, Settings, Stopped
from outgrow.graph.plan import compare
from outgrow.graph.step import Step, identity
from outgrow.memory import device_out_of_memory
from outgrow.notes import notes_of
from outgrow.store import Damaged, LeaseLost, Manifest, Store, StoreError, Ticket, machine, versions
from outgrow.types import UserError

FIRST_MICROBATCH = 16  # the first try after a device was out of memory with micro-batches of a size of its own


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """How a step of a job ended. damaged: the key of the input that could not be read. notes: those of the artifact.
    here: it failed for a reason of this machine or of the store, so that another worker may succeed.

    found: another run has computed it. lost: another run has taken over its lease. stopped: its process was asked to
    stop, and its work is in a checkpoint.
    """

    kind: Literal["computed", "found", "failed", "damaged", "lost", "stopped"]
    seconds: float = 0.0
    text: str = ""
    notes: tuple[str, ...] = ()
    user_error: bool = False
    here: bool = False
    damaged: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A step, or several of one group, with what they need to run in another process. tickets: of the lease of each."""

    steps: tuple[Step[Any], ...]
    tickets: tuple[Ticket, ...]
    store: Store
    settings: Settings

    def __call__(self, report: Report) -> tuple[JobResult, ...]:
        """How each step ended, in their order."""
        if len(self.steps) > 1:
            try:
                return _compute_group(self, report)
            except Stopped:
                return tuple(JobResult(kind="stopped") for _ in self.steps)
            except Exception as error:  # computed alone, the step that is to blame names its error
                text = f"{len(self.steps)} steps could not be computed together ({error}): now one by one"
                _send(report, self.steps[0], "waiting", text)
        each = zip(self.steps, self.tickets, strict=True)
        return tuple(_compute(step, ticket, self.store, self.settings, report) for step, ticket in each)


def _compute(step: Step[Any], lease: Ticket, store: Store, settings: Settings, report: Report) -> JobResult:
    """Run one step whose inputs are stored, and commit its artifact. Errors are returned, not raised."""
    started = time.time()
    try:
        try:
            return _attempt(step, lease, store, settings, report, started)
        except (LeaseLost, Stopped):
            raise
        except Exception:
            with suppress(UserError):  # of a store that cannot be reached
                lease.verify()  # another run may have removed what was missing
            raise
    except LeaseLost:  # this process was suspended
        ended = JobResult(kind="lost")
    except Stopped:
        ended = JobResult(kind="stopped")
    except UserError as error:
        ended = JobResult(kind="failed", text=str(error), user_error=True, here=isinstance(error, StoreError))
    except Exception as error:
        explained, known = store.explained(error), traceback.format_exc()
        ended = JobResult(kind="failed", text=explained or known, user_error=bool(explained), here=bool(explained))
    return replace(ended, seconds=time.time() - started)


def _attempt(
    step: Step[Any], lease: Ticket, store: Store, settings: Settings, report: Report, started: float
) -> JobResult:
    send = partial(_send, report, step)
    if _finished(step, store, send):
        return JobResult(kind="found")
    lease.check()
    send("started")
    try:
        artifact, context = _within_memory(step, lease, store, settings, report)
    except Damaged as damage:
        report(Event(kind="damaged", key=damage.key, text=damage.why))
        store.quarantine(damage)
        return JobResult(
            kind="damaged", damaged=damage.key, text=f"{damage}, more than once in this run: check the disk"
        )
    _commit(step, artifact, context, store, _provenance(step, started, context.settings))
    return JobResult(kind="computed", seconds=time.time() - started, notes=notes_of(artifact))


def _within_memory(
    step: Step[Any], lease: Ticket, store: Store, settings: Settings, report: Report
) -> tuple[Any, Context]:
    """The artifact of a step, with fewer examples in a forward pass each time that a device is out of memory."""
    while True:
        context = Context(step=step, store=store, settings=settings, report=report, lease=lease)
        try:
            return step.run(context), context
        except Exception as error:
            if not device_out_of_memory(error) or settings.microbatch == 1:
                raise
        settings = replace(settings, microbatch=settings.microbatch // 2 if settings.microbatch else FIRST_MICROBATCH)
        text = f"the device is out of memory: once more with at most {settings.microbatch} examples at a time"
        _send(report, step, "waiting", text)
        _free_memory()


def _free_memory() -> None:
    """Give back what a failed attempt has left behind on a device."""
    gc.collect()
    if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _compute_group(job: Job, report: Report) -> tuple[JobResult, ...]:
    """Run the steps of a group together and commit them one by one. Raises whatever any of them raises."""
    started, store, settings = time.time(), job.store, job.settings
    results: dict[str, JobResult] = {}
    contexts: dict[str, Context] = {}
    for step, lease in zip(job.steps, job.tickets, strict=True):
        send = partial(_send, report, step)
        if _finished(step, store, send):
            results[step.key] = JobResult(kind="found")
            continue
        lease.check()
        send("started")
        contexts[step.key] = Context(step=step, store=store, settings=settings, report=report, lease=lease)
    todo = [step for step in job.steps if step.key in contexts]
    artifacts = type(todo[0]).run_group(todo, [contexts[step.key] for step in todo]) if todo else []
    ended = time.time()
    share = (ended - started) / max(len(todo), 1)  # of what was computed together
    for step, artifact in zip(todo, artifacts, strict=True):
        seconds = share + time.time() - ended
        provenance = {**_provenance(step, started, settings), "seconds": seconds, "group": len(todo)}
        _commit(step, artifact, contexts[step.key], store, provenance)
        results[step.key] = JobResult(kind="computed", seconds=seconds, notes=notes_of(artifact))
        ended = time.time()
    return tuple(results[step.key] for step in job.steps)


def _commit(step: Step[Any], artifact: Any, context: Context, store: Store, provenance: dict[str, Any]) -> None:
    store.commit(step.key, artifact.save, identity=identity(step), provenance=provenance)
    context.finished()


def _send(report: Report, step: Step[Any], kind: Kind, text: str = "") -> None:
    report(Event(kind=kind, key=step.key, title=step.title, text=text))


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
        "microbatch": settings.microbatch,
        "devices": settings.shards,
    }
    finished = time.time()
    return {**where, "started": started, "finished": finished, "seconds": finished - started}
