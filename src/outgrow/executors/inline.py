"""Runs all steps in this process, one after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager

from outgrow.executors._gpus import claimed
from outgrow.executors._machine import machine
from outgrow.executors.base import Executor, cores, limit_threads
from outgrow.graph import Job, JobResult, Report, Resources, Settings


class Inline(Executor):
    """`submit` runs the job and returns when it is done; a KeyboardInterrupt passes through. Afterwards the thread
    limits and environment variables of the process are restored."""

    @property
    def slots(self) -> int:
        return 1

    def machine(self, settings: Settings) -> Resources:
        return machine(settings)

    def claimed(self, settings: Settings, gpus: int | None = None) -> AbstractContextManager[Settings]:
        return claimed(settings, gpus)

    def submit(self, job: Job, resources: Resources, report: Report) -> Future[tuple[JobResult, ...]]:
        future: Future[tuple[JobResult, ...]] = Future()
        with _limited(job.settings.threads):
            try:
                future.set_result(job(report))
            except Exception as error:
                future.set_exception(error)
        return future


@contextmanager
def _limited(threads: int) -> Iterator[None]:
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else _default_threads()
    environment = dict(os.environ)
    limit_threads(threads)
    try:
        yield
    finally:
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(before)


def _default_threads() -> int:
    """The number of threads that torch would use without the limit, if the job is the first to import it."""
    threads = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(threads) if threads.isdecimal() and int(threads) > 0 else cores()
