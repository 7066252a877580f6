"""Runs a step in several processes that share its model: `--shards`.

The parent starts a process for each rank, passes on what the first one reports, and reads the artifact that this one
leaves. If a rank dies, the others are ended, and all start once more from the last checkpoint. Ranks end with their
parent.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing import spawn
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from outgrow.executors.base import THREADS, limit_threads
from outgrow.graph import STOPPING, Context, Event, Settings, Step, ignore_events
from outgrow.graph.context import Stopped
from outgrow.memory import device_out_of_memory
from outgrow.training import sharded
from outgrow.training.sharded import Rank
from outgrow.types import UserError

MOST = 256  # examples of a micro-batch that ranks share, of a step that only reads
ATTEMPTS = 2  # how often all ranks are started if one dies
PATIENCE = 5.0  # seconds for the other ranks to say what went wrong with them, after the first
DONE, STOPPED = "done", "stopped"


class _DiedError(Exception):
    """A rank has ended without a word."""


def is_shared(ctx: Context) -> bool:
    """Whether a step is still to be given to several ranks."""
    return ctx.settings.shards > 1 and sharded.rank().world == 1


def in_ranks(step: Step[Any], ctx: Context, batch: int | None = None) -> Any:
    """The artifact of a step that as many processes compute together as the settings have shards.

    batch: the examples of an update, of a step that learns. Raises UserError where there are more shards, what a rank
    has raised, Stopped where this process is asked to stop, and RuntimeError where ranks die.
    """
    if batch is not None and batch < ctx.settings.shards:
        shards = ctx.settings.shards
        raise UserError(f"batch is {batch}, fewer examples than --shards {shards}: use {batch} shards at most")
    most = max(1, (batch or MOST) // ctx.settings.shards)  # so that each rank has a micro-batch of an update
    settings = replace(ctx.settings, microbatch=min(ctx.settings.microbatch or most, most))
    folder = ctx.scratch / "artifact"
    for attempt in range(1, ATTEMPTS + 1):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            _together(ctx, settings, folder)
            return step.result.load(folder)
        except _DiedError as error:
            if attempt == ATTEMPTS:
                raise RuntimeError(f"{error}, {ATTEMPTS} times: perhaps this machine lacks memory") from None
    raise AssertionError


def _together(ctx: Context, settings: Settings, folder: Path) -> None:
    """Run all ranks once."""
    world, parts = ctx.settings.shards, pickle.dumps({**ctx.parts(), "settings": settings, "artifact": folder})
    rendezvous = str(ctx.scratch / f"rendezvous-{uuid.uuid4().hex}")
    processes: dict[Connection, subprocess.Popen[bytes]] = {}
    try:
        for number in range(world):
            pipe, process = _started(ctx.settings.threads)
            processes[pipe] = process
            own = Rank(number=number, world=world, device=_device(ctx.settings, number))
            pipe.send((_preparation(), own, rendezvous, parts))
        _follow(processes, ctx)
    finally:
        for pipe, process in processes.items():
            process.kill()
            process.wait()
            pipe.close()
        Path(rendezvous).unlink(missing_ok=True)


def _started(threads: int) -> tuple[Connection, subprocess.Popen[bytes]]:
    pipe, theirs = multiprocessing.Pipe()
    paths = os.pathsep.join(path for path in sys.path if path)
    env = {**os.environ, **dict.fromkeys(THREADS, str(threads)), "PYTHONPATH": paths}
    command = [sys.executable, "-m", __name__, str(theirs.fileno())]
    process = subprocess.Popen(command, env=env, pass_fds=[theirs.fileno()])
    theirs.close()
    return pipe, process


def _preparation() -> dict[str, Any]:
    """What the process of a rank needs in order to import the script of the user."""
    data: dict[str, Any] = spawn.get_preparation_data("rank")
    return {name: value for name, value in data.items() if name != "authkey"}


def _device(settings: Settings, number: int) -> str:
    if settings.device != "cuda":
        return settings.device
    return f"cuda:{settings.gpus[number] if settings.gpus else number}"


def _follow(processes: dict[Connection, subprocess.Popen[bytes]], ctx: Context) -> None:
    """Pass on events until all ranks have ended. Raises what explains best that they failed."""
    going, ended, until = set(processes), list[Any](), float("inf")
    requested = False
    while going and time.monotonic() < until:
        if STOPPING.is_set() and not requested:
            requested = True
            for process in processes.values():
                process.send_signal(signal.SIGTERM)
        for pipe in multiprocessing.connection.wait(list(going), timeout=0.5):
            assert isinstance(pipe, Connection)
            try:
                message = pipe.recv()
            except (EOFError, ConnectionError):
                code = processes[pipe].wait()
                message = _DiedError(
                    f"a process of the step ended with {'signal ' if code < 0 else 'code '}{abs(code)}"
                )
            if isinstance(message, Event):
                ctx.report(message)
                continue
            going.discard(pipe)
            ended.append(message)
            if isinstance(message, BaseException):
                until = min(until, time.monotonic() + PATIENCE)
    errors = [each for each in ended if isinstance(each, BaseException)]
    if errors:
        raise min(errors, key=_rank_of_error)
    if STOPPED in ended:
        raise Stopped


def _rank_of_error(error: BaseException) -> int:
    """Smaller explains better: when one rank fails, the others lose their connection to it."""
    kinds: tuple[Callable[[BaseException], bool], ...] = (
        lambda each: isinstance(each, UserError),
        device_out_of_memory,
        lambda each: isinstance(each, _DiedError),
    )
    return next((i for i, kind in enumerate(kinds) if kind(error)), len(kinds))


class _RankContext(Context):
    """The context of a rank. The first one writes checkpoints and reports; all agree on when they are due."""

    def checkpoint_due(self) -> bool:
        if sharded.anywhere(STOPPING.is_set()):
            STOPPING.set()
        return sharded.anywhere(super().checkpoint_due())

    def save_checkpoint(self, write: Callable[[Path], None]) -> None:
        if sharded.rank().number == 0:
            super().save_checkpoint(write)
            return
        write(self.scratch)  # gathers, and writes nothing
        self.saved()
        if STOPPING.is_set():
            raise Stopped


def _main() -> None:
    """A rank: computes its part, and says how that ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: STOPPING.set())
    pipe = Connection(int(sys.argv[1]))
    preparation, own, rendezvous, parts = pipe.recv()
    threading.Thread(target=_die_with_parent, args=(pipe,), daemon=True).start()
    try:
        spawn.prepare(preparation)  # the script of the user, whose classes the step may have
        given = pickle.loads(parts)
        artifact, settings = given.pop("artifact"), given["settings"]
        limit_threads(settings.threads)
        report = pipe.send if own.number == 0 else ignore_events
        with sharded.joined(own, rendezvous):
            found = given["step"].run(_RankContext(**given, report=report))
            if own.number == 0:
                found.save(artifact)
        ended: Any = DONE
    except SystemExit:
        ended = DONE
    except Stopped:
        ended = STOPPED
    except UserError as error:
        ended = UserError(str(error))
    except Exception as error:
        ended = error if device_out_of_memory(error) else RuntimeError(traceback.format_exc())
    with suppress(OSError):
        pipe.send(ended)
    os._exit(0)  # without waiting for the threads of a broken connection


def _die_with_parent(pipe: Connection) -> None:
    with suppress(EOFError, OSError):
        pipe.recv()
    os._exit(1)


if __name__ == "__main__":
    from outgrow.training.ranks import _main as main  # under its own name, so that what is pickled is found

    main()
