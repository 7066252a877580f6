"""Everything in this process, one step after the other."""

from __future__ import annotations

from concurrent.futures import Future

from outgrow.executors.base import Executor, limit_threads
from outgrow.graph import Ended, Job, Report, Resources


class Inline(Executor):
    """`submit` returns when the job is done; an interrupt passes through it."""

    @property
    def slots(self) -> int:
        return 1

    def submit(self, job: Job, resources: Resources, report: Report) -> Future[Ended]:
        limit_threads(job.settings.threads)
        future: Future[Ended] = Future()
        try:
            future.set_result(job(report))
        except Exception as error:
            future.set_exception(error)
        return future
