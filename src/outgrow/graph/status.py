"""What the workers of a store have done for some targets, are doing, and have left to do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from outgrow.graph.plan import plan
from outgrow.graph.step import Step, walk
from outgrow.store import FailureRecord, Store, host_name, live_leases


@dataclass(frozen=True, kw_only=True)
class RunningStep:
    """A step that a worker computes. seconds: for how long, by the worker's clock at its last heartbeat. fraction: how
    much of it is done, 0 to 1."""

    key: str
    title: str
    worker: str
    host: str
    seconds: float
    fraction: float


@dataclass(frozen=True, kw_only=True)
class Status:
    """done, total: numbers of steps. leased: how many steps are promised to a worker. seconds_left: a rough estimate,
    None where no worker is at work. failed: what workers recorded, by key."""

    done: int
    total: int
    leased: int
    workers: int
    running: tuple[RunningStep, ...]
    failed: dict[str, tuple[Step[Any], FailureRecord]]
    seconds_left: float | None


def status(targets: Sequence[Step[Any]], store: Store) -> Status:
    """The state of a shared computation of `targets`, from the store alone: on any machine."""
    planned = plan(targets, store)
    todo = {step.key: step for step in planned.todo}
    _, recorded = store.listings()
    failed = store.failures.read([key for key in todo if key in recorded])
    leases = [lease for lease in live_leases(store.storage) if todo.keys() & _names(lease.get("keys"))]
    running = tuple(each for lease in leases for each in _running(lease) if each.key in todo)
    leased = set().union(*(_names(lease.get("keys")) for lease in leases)) & todo.keys()
    left = sum(planned.seconds[key] for key in todo if key not in failed)
    left -= sum(planned.seconds[each.key] * each.fraction for each in running)
    total = len(walk(targets))
    workers = len({(str(each.get("host")), each.get("pid"), each.get("started")) for each in leases})
    return Status(
        done=total - len(todo),
        total=total,
        leased=len(leased),
        workers=workers,
        running=running,
        failed={key: (todo[key], record) for key, record in failed.items()},
        seconds_left=left / workers if workers else None,
    )


def _names(keys: Any) -> set[str]:
    return {key for key in keys if isinstance(key, str)} if isinstance(keys, list) else set()


def _running(lease: dict[str, Any]) -> list[RunningStep]:
    """The running steps in the file of a lease, which anybody may have written."""
    found = []
    for each in lease.get("running", []) if isinstance(lease.get("running"), list) else []:
        match each:
            case {
                "key": str(key),
                "title": str(title),
                "since": int() | float() as since,
                "fraction": int() | float() as fraction,
            }:
                written = lease.get("written")
                now = written if isinstance(written, int | float) else time.time()
                found.append(
                    RunningStep(
                        key=key,
                        title=title,
                        worker=str(lease.get("worker", "")),
                        host=host_name(str(lease.get("host", ""))),
                        seconds=max(0.0, now - since),
                        fraction=min(max(fraction, 0.0), 1.0),
                    )
                )
    return found
