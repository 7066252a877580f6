"""One step, computed in whatever process an executor chose."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from outgrow.graph.context import Context, Event, Kind, Report, Settings
from outgrow.graph.plan import compare
from outgrow.graph.step import Step, identity
from outgrow.notes import notes_of
from outgrow.store import Damaged, LeaseLost, Manifest, Store, machine, versions
from outgrow.types import UserError


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """How one attempt at a step ended. `damaged` names the input that could not be read. notes: what its artifact
    says of itself."""

    kind: Literal["computed", "found", "failed", "damaged"]
    seconds: float = 0.0
    text: str = ""
    notes: tuple[str, ...] = ()
    user_error: bool = False
    damaged: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A step with all it needs to run elsewhere."""

    step: Step[Any]
    store: Store
    settings: Settings

    def __call__(self, report: Report) -> JobResult:
        return compute(self.step, self.store, self.settings, report)


def compute(step: Step[Any], store: Store, settings: Settings, report: Report) -> JobResult:
    """Run one step whose inputs are stored, and commit its artifact. Errors come back as data."""
    started = time.time()
    try:
        while True:
            try:
                return _attempt(step, store, settings, report, started)
            except LeaseLost:  # it slept for long; whoever took over is waited for
                report(Event(kind="waiting", key=step.key, title=step.title, text="another run took over"))
    except UserError as error:
        ended = JobResult(kind="failed", text=str(error), user_error=True)
    except Exception as error:
        explained = store.explained(error)
        ended = JobResult(kind="failed", text=explained or traceback.format_exc(), user_error=bool(explained))
    return replace(ended, seconds=time.time() - started)


def _attempt(step: Step[Any], store: Store, settings: Settings, report: Report, started: float) -> JobResult:
    def tell(kind: Kind, text: str = "") -> None:
        report(Event(kind=kind, key=step.key, title=step.title, text=text))

    with store.lease(step.key, lambda owner: tell("waiting", f"{owner} is at it")) as lease:
        if _finished(step, store, tell):
            return JobResult(kind="found")
        lease.check()
        tell("started")
        context = Context(step=step, store=store, settings=settings, report=report, lease=lease)
        try:
            artifact = step.run(context)
        except Damaged as damage:
            report(Event(kind="damaged", key=damage.key, text=damage.why))
            store.quarantine(damage)
            return JobResult(kind="damaged", damaged=damage.key, text=f"{damage}, again and again: check the disk")
        provenance = _provenance(started, settings)
        notes = notes_of(artifact)
        store.commit(step.key, artifact.save, identity=identity(step), provenance=provenance)
        shutil.rmtree(context.scratch, ignore_errors=True)
        with suppress(OSError):  # a run that was robbed may have left a folder beside it
            context.scratch.parent.rmdir()
    return JobResult(kind="computed", seconds=time.time() - started, notes=notes)


def _finished(step: Step[Any], store: Store, tell: Callable[..., None]) -> bool:
    """Whether another run was first; what it left is set aside if it cannot be trusted."""
    match store.manifests([step.key]).get(step.key):
        case Manifest() as manifest:
            compare(step, manifest, store)
            return True
        case Damaged() as damage:
            tell("damaged", damage.why)
            store.quarantine(damage)
    return False


def _provenance(started: float, settings: Settings) -> dict[str, Any]:
    """Where and when: shown, never hashed. Times are seconds since the epoch."""
    where = {"versions": versions(), "machine": machine(), "device": settings.device, "threads": settings.threads}
    finished = time.time()
    return {**where, "started": started, "finished": finished, "seconds": finished - started}
