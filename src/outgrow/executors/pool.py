"""A pool of worker processes on this machine. Workers are reused, so that each imports libraries only once."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection

from outgrow.executors._gpus import claimed
from outgrow.executors._machine import machine
from outgrow.executors.base import THREADS, Executor, cores, limit_threads
from outgrow.graph import STOPPING, Event, Job, JobResult, Report, Resources, Settings
from outgrow.types import UserError

ATTEMPTS = 2  # how often a step is tried if its worker dies (killed, out of memory)
MOST = 8  # the largest default number of workers


class Pool(Executor):
    """Runs steps in `workers` processes; by default one for each core, at most 8.

    A step whose worker dies is tried once more. Raises UserError in a worker that imports an unguarded script.
    """

    def __init__(self, workers: int | None = None) -> None:
        if getattr(multiprocessing.current_process(), "_inheriting", False):  # a worker that imports the user's script
            raise UserError("a script that runs on a pool needs `if __name__ == '__main__':` before it, or on='inline'")
        self._slots = workers or min(cores(), MOST)
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._unfinished: set[_Task] = set()

    @property
    def slots(self) -> int:
        return self._slots

    def machine(self, settings: Settings) -> Resources:
        return machine(settings, self._slots)

    def claimed(self, settings: Settings, gpus: int | None = None) -> AbstractContextManager[Settings]:
        return claimed(settings, gpus)

    def submit(self, job: Job, resources: Resources, report: Report) -> Future[tuple[JobResult, ...]]:
        task = _Task(job, report)
        self._unfinished.add(task)
        task.add_done_callback(lambda _: self._unfinished.discard(task))
        if len(self._threads) < min(self._slots, len(self._unfinished)):
            self._threads.append(threading.Thread(target=_serve, args=(self._tasks,), daemon=True))
            self._threads[-1].start()
        self._tasks.put(task)
        return task

    def stop(self) -> None:
        super().stop()
        for task in list(self._unfinished):
            task.stop()

    def close(self) -> None:
        for task in list(self._unfinished):
            task.cancel()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()


class _Died(Exception):  # noqa: N818 - it is a finding, acted upon
    """The worker has died, or its messages cannot be read."""


class _Task(Future[tuple[JobResult, ...]]):
    """The future of a job. Unlike a plain future it can be cancelled while it runs: its worker is killed."""

    def __init__(self, job: Job, report: Report) -> None:
        super().__init__()
        self.job, self.report, self.stopped = job, report, False
        self._worker: _Worker | None = None
        self._guard = threading.Lock()

    def cancel(self) -> bool:
        with self._guard:
            if self.done() or super().cancel():
                return self.cancelled()
            self.stopped = True
            if self._worker:
                self._worker.process.kill()
            return True

    def stop(self) -> None:
        """Ask the job to save a checkpoint and end. It takes no lock, since a signal handler calls it."""
        if (worker := self._worker) and worker.process.pid:
            with suppress(ProcessLookupError):
                os.kill(worker.process.pid, signal.SIGTERM)

    def run_on(self, worker: _Worker, data: bytes) -> tuple[JobResult, ...]:
        """Runs the job on a worker. Raises _Died if the worker dies or is killed by `cancel`."""
        with self._guard:
            if self.stopped:
                raise _Died
            self._worker = worker
        try:
            number = worker.send(data)
            while isinstance(answer := worker.answer(number), Event):
                self.report(answer)
            return answer
        finally:
            with self._guard:
                self._worker = None


class _Worker:
    """A worker process, as seen by its parent. Every message has the number of its job."""

    def __init__(self, threads: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, worker_end = spawn.Pipe()
        self.process = spawn.Process(target=_work, args=(worker_end,), daemon=True)
        with _starting, _thread_limits(threads):  # before the start: importing the main module may import a library
            self.process.start()
        worker_end.close()  # so that the pipe closes when the worker dies
        self._number = 0

    def send(self, data: bytes) -> int:
        """Sends a job and returns its number. Raises _Died."""
        self._number += 1
        try:
            self._pipe.send((self._number, data))
        except Exception as error:
            raise _Died from error
        return self._number

    def answer(self, number: int) -> Event | tuple[JobResult, ...]:
        """The next message of a job. Messages of earlier jobs, from threads that they left behind, are skipped.

        Raises _Died.
        """
        while True:
            try:
                sender, message = self._pipe.recv()
            except Exception as error:
                raise _Died from error
            if sender == number:
                assert isinstance(message, Event | tuple)
                return message

    def end(self) -> int | None:
        """Kills the worker if it is alive. Returns its exit code, negative for a signal."""
        self.process.kill()
        self.process.join()
        self._pipe.close()
        return self.process.exitcode


def _serve(tasks: queue.SimpleQueue[_Task | None]) -> None:
    """The thread of the parent that runs tasks on one worker. After any error the worker is replaced, so that none of
    its messages can reach the next job.

    A worker inherits the signals that its thread blocks: an interrupt reaches the whole group, and the parent's main
    thread handles it, also while a worker still imports."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    worker: _Worker | None = None
    while (task := tasks.get()) is not None:
        if not task.set_running_or_notify_cancel():
            continue
        code: int | None = None
        for _ in range(ATTEMPTS):
            try:
                data = pickle.dumps(task.job)
                worker = worker or _Worker(task.job.settings.threads)
                task.set_result(task.run_on(worker, data))
                break
            except BaseException as error:
                code, worker = worker.end() if worker else None, None
                if isinstance(error, _Died) and not task.stopped:
                    continue
                task.set_exception(CancelledError() if task.stopped else error)
                break
        else:
            task.set_exception(RuntimeError(f"its worker died {ATTEMPTS} times ({_death(code)})"))
    if worker:
        worker.end()


def _death(code: int | None) -> str:
    if code in (-signal.SIGKILL, -signal.SIGABRT):  # by the kernel, or by a library that cannot allocate
        how = "killed" if code == -signal.SIGKILL else "aborted"
        return f"{how}: perhaps this machine lacks memory; try fewer workers or a smaller --microbatch"
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _work(pipe: Connection) -> None:
    """The main function of a worker: runs one job after the other until its parent exits, or it is asked to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: STOPPING.set())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    lock = threading.Lock()

    def send(number: int, message: Event | tuple[JobResult, ...]) -> None:
        with lock:
            pipe.send((number, message))

    with suppress(EOFError, ConnectionError):
        while not STOPPING.is_set():
            number, data = pipe.recv()
            try:
                job: Job = pickle.loads(data)
                limit_threads(job.settings.threads)
                results = job(partial(send, number))
            except Exception:
                results = (JobResult(kind="failed", text=traceback.format_exc()),)
            send(number, results)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)  # at once, as if killed: checkpoints are kept


_starting = threading.Lock()


@contextmanager
def _thread_limits(threads: int) -> Iterator[None]:
    """Sets the environment variables that limit threads, for a process that is started in the `with` block."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
