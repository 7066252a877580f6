"""`outgrow work` and `outgrow status`: many workers on one store, without a server."""

from __future__ import annotations

import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from outgrow.cli.options import (
    RUNS,
    Deterministic,
    Device,
    File,
    Log,
    MemoryGb,
    Microbatch,
    NoPlugins,
    Offline,
    On,
    Overrides,
    PerGpu,
    Recompute,
    Seeds,
    Shards,
    StoreAt,
    TrustPickle,
    TrustRemoteCode,
    Workers,
    app,
    not_empty,
)
from outgrow.cli.running import fail, logging_to, print_json, read_experiment, resumable, settings_from, source_from

if TYPE_CHECKING:
    from outgrow.executors.base import Executor
    from outgrow.graph import Outcome, Settings, Status, Worker

GRACE = 20  # seconds until running steps are stopped without a checkpoint; schedulers kill after 30 or more
REQUEUE = 75  # EX_TEMPFAIL: a scheduler that stopped the worker should start it again


@app.command()
def work(
    file: File = None,
    store: StoreAt = RUNS,
    overrides: Overrides = None,
    seeds: Seeds = None,
    name: Annotated[
        str | None,
        typer.Option(callback=not_empty, help="Unique among the workers of the store; by default host and process."),
    ] = None,
    cores: Annotated[int | None, typer.Option(min=1, max=1024, help="Cores of this worker; by default all.")] = None,
    gpus: Annotated[
        int | None, typer.Option(min=0, help="GPUs of it; by default all of --device that no other uses.")
    ] = None,
    memory_gb: MemoryGb = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until the steps that need more are done, too.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try steps again that failed on any worker.")] = False,
    on: On = "",
    workers: Workers = None,
    device: Device = "cpu",
    microbatch: Microbatch = None,
    gradient_checkpointing: Recompute = False,
    deterministic: Deterministic = False,
    shards: Shards = 1,
    per_gpu: PerGpu = 1,
    trust_pickle: TrustPickle = False,
    trust_remote_code: TrustRemoteCode = False,
    offline: Offline = False,
    log: Log = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Compute steps of an experiment as one of several workers that share a store, until none is left.

    Start any number on any machine that reaches the store. Exit code 75 (after SIGTERM): start it again to go on.
    """
    from outgrow import api, sharing
    from outgrow.executors import base
    from outgrow.progress import duration, showing
    from outgrow.training.network import check_device

    started = time.monotonic()
    settings = settings_from(
        device, trust_pickle, trust_remote_code, offline, microbatch=microbatch, shards=shards, per_gpu=per_gpu,
        gradient_checkpointing=gradient_checkpointing, memory_gb=memory_gb, deterministic=deterministic,
    )  # fmt: skip
    read_experiment(file, overrides, seeds, no_plugins)  # a wrong one is refused before anything is opened
    check_device(settings)
    opened_store = api.opened(store)
    slots = workers or (None if on == "inline" else cores or base.cores())
    with (
        logging_to(log, opened_store),
        resumable(),
        api.executor(on, slots, plugins=not no_plugins) as executor,
        executor.claimed(settings, gpus) as settings,
        _requeued(executor),
        showing(sys.stderr, executor.slots) as watch,
    ):
        worker = _worker(name, settings, cores=cores, gpus=gpus, wait=wait)
        request = {**source_from(file, overrides, seeds, no_plugins), "store": opened_store, "worker": worker}
        outcome = sharing.work(**request, on=executor, retry=retry, settings=settings, watch=watch)
    _report(outcome, worker, settings, duration(time.monotonic() - started))


def _worker(name: str | None, settings: Settings, *, cores: int | None, gpus: int | None, wait: bool) -> Worker:
    """The worker with what is given, and else with what this machine has."""
    from outgrow.executors._machine import machine
    from outgrow.graph import Worker

    there = machine(settings, cores)
    resources = there if gpus is None else replace(there, gpus=gpus)
    return Worker(name=name or f"{platform.node()}:{os.getpid()}", resources=resources, wait=wait)


def _report(outcome: Outcome, worker: Worker, settings: Settings, took: str) -> None:
    from outgrow.graph import lacking

    typer.echo(f"{len(outcome.computed)} steps computed here, {len(outcome.cached)} elsewhere, in {took}")
    for step in outcome.unfit:
        missing = lacking(step.resources(settings), worker.resources)
        typer.echo(f"left to others: {step.title} ({step.key}) needs {missing}")
    if outcome.failures:
        fail(outcome.failures, len(outcome.skipped))


@app.command()
def status(
    file: File = None,
    store: StoreAt = RUNS,
    overrides: Overrides = None,
    seeds: Seeds = None,
    trust_pickle: TrustPickle = False,
    trust_remote_code: TrustRemoteCode = False,
    offline: Offline = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    no_plugins: NoPlugins = False,
) -> None:
    """Show what the workers of a store have done for an experiment, what they are doing, and what failed."""
    from outgrow import sharing

    settings = settings_from("cpu", trust_pickle, trust_remote_code, offline)
    found = sharing.status(**source_from(file, overrides, seeds, no_plugins), store=store, settings=settings)
    if as_json:
        print_json(_as_json(found))
    else:
        _print_status(found)


def _print_status(found: Status) -> None:
    from outgrow.progress import duration

    left = "" if found.seconds_left is None else f", about {duration(found.seconds_left)} left"
    typer.echo(f"{found.done} of {found.total} steps done, {len(found.failed)} failed; {found.workers} workers{left}")
    for each in sorted(found.running, key=lambda each: -each.seconds):
        where = f"{each.worker or 'a run'} on {each.host}"
        typer.echo(f"running: {each.title} ({each.key}), {each.fraction:.0%} after {duration(each.seconds)}, {where}")
    for key, (step, record) in found.failed.items():
        tried = "" if record.is_final else " (will be tried again)"
        typer.echo(f"failed: {step.title} ({key}) on {record.host}{tried}: {record.text}")


def _as_json(found: Status) -> dict[str, object]:
    from dataclasses import asdict

    failed = {key: {"title": step.title, **asdict(record)} for key, (step, record) in found.failed.items()}
    return {**asdict(replace(found, failed={})), "failed": failed}


class _Late(BaseException):
    """A running step has not stopped in time."""


@contextmanager
def _requeued(executor: Executor) -> Iterator[None]:
    """Exit with code 75 on SIGTERM, which schedulers send at a time limit: after running steps have saved a checkpoint,
    or after `GRACE` seconds."""
    from outgrow.graph import STOPPING
    from outgrow.types import UserError

    def stop(number: int, frame: FrameType | None) -> None:
        signal.alarm(GRACE)  # first: whatever happens next, the worker ends in time
        executor.stop()

    def late(number: int, frame: FrameType | None) -> NoReturn:
        raise _Late

    before = signal.signal(signal.SIGTERM, stop), signal.signal(signal.SIGALRM, late)
    try:
        try:
            yield
        except _Late:
            pass
        except UserError:
            if not STOPPING.is_set():  # else the store may be the reason, and the next try may find it
                raise
        if STOPPING.is_set():
            typer.echo("terminated: finished steps and checkpoints are stored, start it again to go on", err=True)
            raise typer.Exit(REQUEUE)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGALRM, before[1])
        STOPPING.clear()
