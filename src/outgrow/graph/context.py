"""What a running step may read and write, and the settings of this machine. Nothing here may change its result."""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from outgrow.graph.artifact import T, T_co
from outgrow.store import Damaged, Rows, Store, Ticket, flush
from outgrow.types import UserError

Kind = Literal["planned", "found", "started", "progress", "finished", "failed", "damaged", "waiting"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Options of this machine. They are in no key, so they must not change results.

    microbatch: examples in one forward pass, None to choose. gradient_checkpointing: compute activations twice
    instead of keeping them. deterministic: kernels of a GPU with the same result to the byte each time, as on a CPU
    always. shards: how many devices share the weights of a student. memory_gb: of this machine, 0 to ask it.
    per_gpu: how many steps share a GPU at most, where its memory, gpu_gb, is enough. gpus: the numbers of those that
    this process has claimed, or that a step may use. trust_pickle, trust_remote_code: load pickled weights, run the
    code of a checkpoint. offline: no downloads.
    """

    device: str = "cpu"
    threads: int = 1
    microbatch: int | None = None
    gradient_checkpointing: bool = False
    deterministic: bool = False
    shards: int = 1
    memory_gb: float = 0
    per_gpu: int = 1
    gpu_gb: float = 0
    gpus: tuple[int, ...] = ()
    trust_pickle: bool = False
    trust_remote_code: bool = False
    offline: bool = False

    def on(self, gpus: tuple[int, ...]) -> Settings:
        """These settings for a step that may use these of the GPUs of `cuda`."""
        if self.device != "cuda" or not gpus:
            return self
        return replace(self, gpus=gpus, device=f"cuda:{gpus[0]}" if len(gpus) == 1 else self.device)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in a run. `fraction` is of a step in progress, in 0..1; `text` is a reason or note.
    `seconds`: how long a step took, or is expected to take when it is planned."""

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


class Stopped(Exception):  # noqa: N818 - not an error: the step goes on elsewhere
    """This process received a request to stop. The work of the step is in a checkpoint."""


STOPPING = threading.Event()  # set where this process is asked to stop: a checkpoint is due at once, and is the last
DEFAULTS = Settings()
Report = Callable[[Event], None]


def ignore_events(event: Event) -> None:
    """Ignores all events of a run."""


class Context:
    """The argument of `Step.run`: reads inputs, reports progress, keeps checkpoints in a scratch folder."""

    _lease: Ticket | None = None
    _writing: Callable[..., AbstractContextManager[Any]] = nullcontext  # a full disk becomes one line

    def __init__(
        self,
        *,
        step: StepProtocol[Any],
        store: Store,
        settings: Settings = DEFAULTS,
        report: Report = ignore_events,
        lease: Ticket | None = None,
        scratch: Path | None = None,
    ) -> None:
        """scratch: the folder of another context of the same step, for a process that computes a part of it."""
        self.settings = settings
        self._lease, self._writing = lease, store.storage.writing
        self._step, self._store, self.report = step, store, report
        self._moved = False
        if scratch is None:
            scratch = store.scratch(step.key, lease.owner) if lease else store.scratch(step.key)
            for draft in scratch.glob("draft-*"):  # of a process that was killed while writing it
                shutil.rmtree(draft)
            begun = lease is not None and step.key in lease.checkpoints
            self._moved = begun and store.pull_checkpoint(step.key, scratch)
        self.scratch = scratch
        self._readable = {parent.key for parent in step.inputs()}
        self._interval = float(os.environ.get("OUTGROW_CHECKPOINT_SECONDS", "45"))
        self._saved = time.monotonic()
        self._reported = -float("inf")

    def parts(self) -> dict[str, Any]:
        """What a context of the same step in another process is made of."""
        shared = {"step": self._step, "store": self._store, "settings": self.settings}
        return {**shared, "lease": self._lease, "scratch": self.scratch}

    def load(self, step: StepProtocol[T]) -> T:
        """The artifact of an input, its checksums verified. Raises ValueError for a step that is not an input."""
        self._check()
        if step.key not in self._readable:
            raise ValueError(
                f"{self._step.key} reads {step.key}, which is not an input: no field of it holds this step"
            )
        return load(step, self._store)

    def progress(self, fraction: float, note: str = "") -> None:
        """Report how much of the step is done, in 0..1. Cheap to call often: at most ten events a second are sent."""
        self._check()
        now = time.monotonic()
        if now - self._reported >= 0.1 or fraction >= 1:
            self._reported = now
            self.report(
                Event(kind="progress", key=self._step.key, title=self._step.title, fraction=fraction, text=note)
            )

    def checkpoint_due(self) -> bool:
        """Whether the last checkpoint is 45 s old, so that none is older than 60 s when the process is killed; or the
        process is asked to stop.

        The environment variable OUTGROW_CHECKPOINT_SECONDS sets another age.
        """
        return STOPPING.is_set() or time.monotonic() - self._saved >= self._interval

    def save_checkpoint(self, write: Callable[[Path], None]) -> None:
        """Call `write` with an empty folder, which then replaces the last checkpoint atomically.

        Raises Stopped, after saving, where the process is asked to stop.
        """
        self._check()
        draft = self.scratch / f"draft-{uuid.uuid4().hex}"
        with self._writing():
            try:
                draft.mkdir()
            except FileNotFoundError:  # scratch was taken away: by the next owner of the lease, or by hand
                if self._lease:
                    self._lease.verify()
                draft.mkdir(parents=True)
        try:
            with self._writing(draft):
                write(draft)
                flush(draft)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)  # it takes space on a full disk
            raise
        last = self.last_checkpoint()
        number = int(last.name.partition("-")[2]) + 1 if last else 0
        with self._writing():
            draft.rename(self.scratch / f"checkpoint-{number:09d}")
            flush(self.scratch, files=False)
            if last:
                shutil.rmtree(last.rename(draft))  # renamed first, so that no reader sees half a checkpoint
        if STOPPING.is_set():
            with suppress(UserError):  # of a store out of reach: the checkpoint stays on this machine
                self._store.push_checkpoint(self._step.key, self.scratch / f"checkpoint-{number:09d}")
        self.saved()

    def finished(self) -> None:
        """Delete the checkpoints of the step, whose artifact is stored."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        with suppress(OSError):  # a run that lost its lease may have left a folder beside it
            self.scratch.parent.rmdir()
        if self._moved:
            self._store.drop_checkpoint(self._step.key)

    def writing(self) -> AbstractContextManager[Any]:
        """For a block in which other code writes to `scratch`: a full disk becomes one line."""
        return self._writing(self.scratch)

    def rows(self, name: str) -> Rows:
        """Rows of numbers that several steps share, by the digest of what they belong to."""
        self._check()
        return self._store.rows(name)

    def saved(self) -> None:
        """Tell that all work until now is stored, such as in rows: no checkpoint is due for another 45 s.

        Raises Stopped where the process is asked to stop.
        """
        self._saved = time.monotonic()
        if STOPPING.is_set():
            raise Stopped(self._step.key)

    def last_checkpoint(self) -> Path | None:
        """The folder of the last complete checkpoint, None if there is none."""
        self._check()
        return max(self.scratch.glob("checkpoint-*"), default=None)

    def _check(self) -> None:
        """Raise LeaseLost if another run has taken over this step."""
        if self._lease:
            self._lease.check()


def load(step: StepProtocol[T], store: Store) -> T:
    """The stored artifact of `step`, its checksums verified. Raises Damaged, also where a file is missing."""
    folder = store.fetch(step.key)
    try:
        loaded: T = step.result.load(folder)
    except FileNotFoundError as error:
        if error.filename is None or not Path(error.filename).is_relative_to(folder):
            raise
        raise Damaged(step.key, folder.name, f"{Path(error.filename).relative_to(folder)} is missing") from None
    return loaded
