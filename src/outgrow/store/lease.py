"""Leases keep two runs from doing the same work. They are advisory: one commit is guaranteed, not one computation.

A run leases a bundle of steps by one file that lists their keys, and lists the files of all runs again. Keys that
another live run has leased, too, are given up: so of two that want a key at the same time none may get it, and both try
again later. This needs only listings that show all earlier writes, and a slow contender cannot take a key from its
owner. The owner rewrites its file as a heartbeat. It counts as dead if its process on this host no longer exists, or if
a run that watches has not seen the file change for `PATIENCE`; clocks of different hosts are never compared.
"""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from outgrow.store.checkpoints import Checkpoints
from outgrow.store.owner import described, fields_of, is_dead, is_own, this_process
from outgrow.store.storage import Storage
from outgrow.types import UserError

BEAT = 10.0  # seconds between two heartbeats
PATIENCE = 60.0  # seconds without a heartbeat after which an owner on another host counts as dead
FOLDER = "leases"


class LeaseLost(Exception):  # noqa: N818 - not an error: another run does the work
    """Another run has taken over the lease, because this owner seemed dead."""


class Lease:
    """A lease, as its owner sees it. keys: the steps that it is for, which only become fewer.

    An owner that was suspended for too long counts as dead: another run removes its file, and it finds itself `lost`.
    """

    def __init__(self, storage: Storage, keys: Iterable[str], worker: str = "") -> None:
        self.owner = uuid.uuid4().hex
        self.file = f"{FOLDER}/{self.owner}"
        self.keys = set(keys)
        self.running: dict[str, dict[str, Any]] = {}  # what `status` shows of the steps in progress, by key
        self.checkpoints: frozenset[str] = frozenset()  # the steps that another machine may have begun
        self.taken = time.monotonic()
        self.lost = False
        self._storage, self._worker = storage, worker
        self._beats, self._awake = 0, time.monotonic()
        self._since = time.time()
        self._guard = threading.RLock()

    def write(self) -> None:
        """Writes the file of the lease."""
        status = {"beat": self._beats, "worker": self._worker, "since": self._since, "written": time.time()}
        running = [{"key": key, **each} for key, each in list(self.running.items())]
        content = {**this_process(), **status, "running": running, "keys": sorted(self.keys)}
        self._storage.write(self.file, json.dumps(content).encode())
        self._awake = time.monotonic()

    def keep(self, keys: Collection[str]) -> None:
        """Gives up all other keys. Without any left the file is removed."""
        with self._guard:
            if time.monotonic() - self._awake > PATIENCE / 2:
                self.beat()
            self.keys &= set(keys)
            if self.lost:
                return
            if self.keys:
                self.write()
            else:
                self._storage.remove([self.file])

    def beat(self) -> None:
        """Writes a heartbeat, unless the file was removed.

        After a long silence it also looks for other runs that have leased the same keys, after writing. A contender
        lists the files after writing its own and before removing this one, so one of the two always sees the other.
        """
        with self._guard:
            silent_since = self._awake
            try:
                data = self._storage.read([self.file]).get(self.file)
                self.lost = self.lost or data is None or not is_own(data)
                if self.lost or not self.keys:
                    return
                self._beats += 1
                self.write()
                if time.monotonic() - silent_since > PATIENCE / 2 and self._is_contested():
                    self.lost = True
                    self._storage.remove([self.file])
            finally:
                self._awake = time.monotonic()

    def check(self) -> None:
        """Raises LeaseLost if the lease was lost. Cheap: it reads the store only after a long silence."""
        with self._guard:
            if time.monotonic() - self._awake > PATIENCE / 2 and not self.lost:
                with suppress(UserError):  # an unreachable store is unreachable for others, too
                    self.beat()
            if self.lost:
                raise LeaseLost(self.owner)

    @property
    def ticket(self) -> Ticket:
        """What a step needs of the lease, also in another process."""
        return Ticket(self._storage, self.owner, self.checkpoints)

    def _is_contested(self) -> bool:
        others = [path for path in _paths(self._storage) if path != self.file]
        return any(self.keys & _File(data=data).keys for data in self._storage.read(others).values())


class Ticket:
    """A lease, as a running step sees it. checkpoints: the steps with a checkpoint in the store."""

    def __init__(self, storage: Storage, owner: str, checkpoints: frozenset[str]) -> None:
        self._storage, self.owner, self.checkpoints = storage, owner, checkpoints
        self._verified, self._lost = time.monotonic(), False

    def check(self) -> None:
        """Raises LeaseLost if the lease was lost. Cheap: it reads the store now and then only."""
        if self._lost or time.monotonic() - self._verified > PATIENCE / 2:
            self._verified = time.monotonic()
            with suppress(UserError):  # an unreachable store is unreachable for others, too
                self.verify()

    def verify(self) -> None:
        """Reads the store. Raises LeaseLost if the lease was lost."""
        file = f"{FOLDER}/{self.owner}"
        self._lost = self._lost or file not in self._storage.read([file])
        if self._lost:
            raise LeaseLost(self.owner)


@dataclass(frozen=True, kw_only=True)
class _File:
    """The file of another run, as last seen. changed: when it was first seen so, by this process's own clock."""

    data: bytes
    size: int = 0
    modified: float = 0.0
    changed: float = 0.0

    @cached_property
    def keys(self) -> frozenset[str]:
        keys = fields_of(self.data).get("keys")
        return frozenset(key for key in keys if isinstance(key, str)) if isinstance(keys, list) else frozenset()

    @property
    def is_alive(self) -> bool:
        return time.monotonic() - self.changed < PATIENCE and not is_dead(self.data)


class Leases:
    """The leases of one run, and what it knows of those of the other runs. A context manager: heartbeats are written
    inside the `with` block, and at its end all leases are given up."""

    def __init__(self, storage: Storage, worker: str = "") -> None:
        self._storage, self._worker = storage, worker
        self._others: dict[str, _File] = {}
        self._own: list[Lease] = []
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        if self._heart.ident is not None:
            self._heart.join(timeout=BEAT)  # it may wait for a store that is out of reach
        for lease in list(self._own):
            self.release(lease)

    def look(self) -> None:
        """Looks at the leases of other runs: one listing, and a read of each file that is new or changed in size."""
        now, own = time.monotonic(), {lease.file for lease in self._own}
        found = {path: status for path, status in _paths(self._storage).items() if path not in own}
        unread = [path for path, (size, modified) in found.items() if self._is_unread(path, size, modified)]
        contents = self._storage.read(unread)
        seen: dict[str, _File] = {}
        for path, (size, modified) in found.items():
            before = self._others.get(path)
            data = contents.get(path) if path in contents or before is None else before.data
            if data is None:
                continue  # it has just been removed
            same = before is not None and (before.data, before.size, before.modified) == (data, size, modified)
            changed = before.changed if before is not None and same else now
            seen[path] = _File(data=data, size=size, modified=modified, changed=changed)
        self._others = seen

    def _is_unread(self, path: str, size: int, modified: float) -> bool:
        """Whether a file must be read: its keys change with its size. Some stores know no time of modification."""
        before = self._others.get(path)
        return before is None or before.size != size or not modified

    def holder(self, key: str) -> str:
        """The live run that has leased a key, such as `process 12 on host`; "" if there is none."""
        return next((described(each.data) for each in self._others.values() if key in each.keys and each.is_alive), "")

    @property
    def living(self) -> int:
        """How many leases other live runs have, as last seen."""
        return sum(each.is_alive for each in self._others.values())

    def take(self, keys: Sequence[str]) -> Lease | None:
        """A lease for those of the keys that no other live run has leased; None if there are none.

        In a remote store it also lists the checkpoints that stopped workers left: after their leases were given up.
        """
        lease = Lease(self._storage, self._free(keys), self._worker)
        if not lease.keys:
            return None
        self._own.append(lease)
        try:
            lease.write()
            self.look()
            free = self._free(lease.keys)
            if len(free) < len(lease.keys):
                lease.keep(free)
            if lease.keys and self._storage.local is None:  # in a folder a step looks for itself
                lease.checkpoints = Checkpoints(self._storage).keys()
        except BaseException:
            self.release(lease)
            raise
        if not lease.keys:
            self._own.remove(lease)
            return None
        self._storage.remove([path for path, each in self._others.items() if each.keys & lease.keys])  # of dead runs
        if self._heart.ident is None:
            self._heart.start()
        return lease

    def _free(self, keys: Collection[str]) -> set[str]:
        taken = [each.keys for each in self._others.values() if each.is_alive]
        return set(keys).difference(*taken)

    def release(self, lease: Lease) -> None:
        """Gives up a lease."""
        if lease in self._own:
            self._own.remove(lease)
        with suppress(UserError):  # if the store is unreachable, the file remains, with the id of a dead process
            lease.keep(())

    def _beat(self) -> None:
        """Writes heartbeats until the end of the `with` block."""
        while not self._stop.wait(BEAT):
            for lease in list(self._own):
                with suppress(Exception):  # the next heartbeat may succeed
                    lease.beat()


@contextmanager
def hold(storage: Storage, key: str, waiting: Callable[[str], None]) -> Iterator[Lease]:
    """Waits until no other live run has leased `key`, and holds the lease in the `with` block.

    waiting: called once with a description of the current owner. Raises LeaseLost if the block fails after the lease
    was lost.
    """
    with Leases(storage) as leases:
        reported = False
        while not (lease := leases.take([key])):
            if (holder := leases.holder(key)) and not reported:
                waiting(holder)
                reported = True
            time.sleep(random.uniform(0.1, 0.5))
            leases.look()
        try:
            yield lease
        except Exception:
            lease.check()
            raise


def _paths(storage: Storage) -> dict[str, tuple[int, float]]:
    """The files of all leases: size in bytes and time of modification, 0 where the store does not know it."""
    return {path: status for path, status in storage.files(FOLDER).items() if not path.startswith(f"{FOLDER}/.")}


def live_leases(storage: Storage) -> list[dict[str, Any]]:
    """The fields of the files of all leases whose owner is not known to be dead."""
    every = storage.read(list(_paths(storage)))
    return [fields for data in every.values() if not is_dead(data) and (fields := fields_of(data))]


def live_keys(storage: Storage, since: float) -> set[str]:
    """The keys with a lease whose last heartbeat was after `since` (seconds since the epoch) and whose owner is not
    known to be dead."""
    recent = [path for path, (_, modified) in _paths(storage).items() if modified > since]
    leases = storage.read(recent).values()
    return {key for data in leases if not is_dead(data) for key in _File(data=data).keys}
