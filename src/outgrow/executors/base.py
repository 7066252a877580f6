"""An executor runs steps somewhere."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from outgrow.graph import Job, JobResult, Report, Resources

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Executor(ABC):
    """Takes jobs, gives futures that can be cancelled while they run, and nothing else."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many jobs it runs at once: submitting more is useless."""

    @abstractmethod
    def submit(self, job: Job, resources: Resources, report: Report) -> Future[JobResult]:
        """Start a job. `report` may be called from another thread. What the step itself raises comes back as data in
        `Ended`; the future raises only if the job could not be run at all."""

    def close(self) -> None:  # noqa: B027 - most have nothing to stop
        """Stop whatever still runs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def limit_threads(threads: int) -> None:
    """Numerical libraries in this process use this many threads: sums are then the same on every machine."""
    os.environ.update(dict.fromkeys(THREADS, str(threads)))  # read when a library is imported
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
