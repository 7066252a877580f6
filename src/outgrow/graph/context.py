"""Where and how a step runs: what it may read, where it may write. Nothing here may change its answer."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from outgrow.graph.artifact import T, T_co
from outgrow.store import Damaged, Lease, Store, flush

Kind = Literal["planned", "found", "started", "progress", "finished", "failed", "damaged", "waiting"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What only this machine cares about. It is not hashed, so it must not change what is computed."""

    device: str = "cpu"
    threads: int = 1
    microbatch: int | None = None
    trust_pickle: bool = False
    trust_remote_code: bool = False
    offline: bool = False


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something worth telling while a run goes on."""

    kind: Kind
    key: str
    title: str = ""
    fraction: float | None = None
    seconds: float | None = None
    text: str = ""


class StepProtocol(Protocol[T_co]):
    """What a context needs of a step; `graph.step.Step` is the class of them all."""

    result: ClassVar[type[Any]]

    @property
    def key(self) -> str: ...
    @property
    def title(self) -> str: ...
    def inputs(self) -> tuple[StepProtocol[Any], ...]: ...
    def run(self, ctx: Context) -> T_co: ...


DEFAULTS = Settings()
Report = Callable[[Event], None]


def ignore_events(event: Event) -> None:
    """The watcher that does not look."""


class Context:
    """What `Step.run` is given."""

    _lease: Lease | None = None
    _writing: Callable[[Path], AbstractContextManager[Any]] = nullcontext  # says it in one line if the disk is full

    def __init__(
        self,
        *,
        step: StepProtocol[Any],
        store: Store,
        settings: Settings = DEFAULTS,
        report: Report = ignore_events,
        lease: Lease | None = None,
    ) -> None:
        self.settings = settings
        self._lease, self._writing = lease, store.storage.writing
        self.scratch = store.scratch(step.key, lease.owner) if lease else store.scratch(step.key)
        for draft in self.scratch.glob("draft-*"):  # a kill came between
            shutil.rmtree(draft)
        self._step, self._store, self._report = step, store, report
        self._readable = {parent.key for parent in step.inputs()}
        self._interval = float(os.environ.get("OUTGROW_CHECKPOINT_SECONDS", "45"))
        self._saved = time.monotonic()
        self._told = -float("inf")

    def load(self, step: StepProtocol[T]) -> T:
        """The artifact of an input, its checksums verified. Only inputs can be read: the graph tells no lies."""
        self._check()
        if step.key not in self._readable:
            raise ValueError(f"{self._step.key} reads {step.key}, which is in none of its fields")
        return load(step, self._store)

    def progress(self, fraction: float, note: str = "") -> None:
        """Tell how far the step is, in 0..1. Cheap to call often."""
        self._check()
        now = time.monotonic()
        if now - self._told >= 0.1 or fraction >= 1:
            self._told = now
            self._report(
                Event(kind="progress", key=self._step.key, title=self._step.title, fraction=fraction, text=note)
            )

    def checkpoint_due(self) -> bool:
        """True 45 s after the last checkpoint, so that none is older than 60 s."""
        return time.monotonic() - self._saved >= self._interval

    def save_checkpoint(self, write: Callable[[Path], None]) -> None:
        """`write` fills a folder, which then replaces the last checkpoint in one rename."""
        self._check()
        draft = self.scratch / f"draft-{uuid.uuid4().hex}"
        draft.mkdir()
        try:
            with self._writing(draft):
                write(draft)
                flush(draft)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)  # on a full disk it would be in the way
            raise
        last = self.last_checkpoint()
        number = int(last.name.partition("-")[2]) + 1 if last else 0
        draft.rename(self.scratch / f"checkpoint-{number:09d}")
        flush(self.scratch, files=False)
        if last:
            shutil.rmtree(last.rename(draft))  # a rename first: nobody ever sees half a checkpoint
        self._saved = time.monotonic()

    def last_checkpoint(self) -> Path | None:
        """The folder of the last whole checkpoint, if there is one."""
        self._check()
        return max(self.scratch.glob("checkpoint-*"), default=None)

    def _check(self) -> None:
        """Raises Lost if another run has taken this one for dead and does its work."""
        if self._lease:
            self._lease.check()


def load(step: StepProtocol[T], store: Store) -> T:
    """The stored artifact of `step`, its checksums verified. Raises Damaged, also where it lacks a file that it should
    have."""
    folder = store.fetch(step.key)
    try:
        loaded: T = step.result.load(folder)
    except FileNotFoundError as error:
        if error.filename is None or not Path(error.filename).is_relative_to(folder):
            raise
        raise Damaged(step.key, folder.name, f"{Path(error.filename).relative_to(folder)} is missing") from None
    return loaded
