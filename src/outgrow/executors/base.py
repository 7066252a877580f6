"""The base class of executors, which run steps."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Self

from outgrow.executors._gpus import with_gpu_memory
from outgrow.graph import STOPPING, Job, JobResult, Report, Resources, Settings

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Executor(ABC):
    """Base class of executors: takes jobs and returns futures that can be cancelled while they run."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """The number of jobs that it runs at the same time."""

    @abstractmethod
    def submit(self, job: Job, resources: Resources, report: Report) -> Future[tuple[JobResult, ...]]:
        """Starts a job and returns its future.

        report: called with the events of the job, possibly from another thread. An exception of the step is part of its
        `JobResult`; the future raises only if the job could not be run at all.
        """

    def machine(self, settings: Settings) -> Resources | None:
        """What jobs that run at the same time share; a job starts while there is enough left for it. Default: None, for
        executors that see to this themselves."""
        return None

    def claimed(self, settings: Settings, gpus: int | None = None) -> AbstractContextManager[Settings]:
        """The settings with so many GPUs that no other process uses, for the `with` block. Default: as they are, for
        executors that see to this themselves."""
        return nullcontext(with_gpu_memory(settings))

    def stop(self) -> None:
        """Asks running jobs to save a checkpoint and end. Called in a signal handler."""
        STOPPING.set()

    def close(self) -> None:  # noqa: B027 - the default is for executors with nothing to stop
        """Stops all running jobs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def limit_threads(threads: int) -> None:
    """Sets the number of threads of numerical libraries in this process, so that sums do not depend on the machine."""
    os.environ.update(dict.fromkeys(THREADS, str(threads)))  # libraries read it when they are imported
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
