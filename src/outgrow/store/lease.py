"""A lease keeps two runs from doing the same work. It is advisory: one commit is guaranteed, not one computation.

To get a lease, a run writes a file and lists the files of the key again. If its file is the only one, it owns the
lease; otherwise it removes the file and waits. This needs only listings that show all earlier writes, and a slow
contender cannot take the lease from its owner. The owner rewrites its file as a heartbeat. It counts as dead if its
process on this host no longer exists, or if a waiting run has not seen the file change for `PATIENCE`; clocks of
different hosts are never compared.
"""

from __future__ import annotations

import json
import os
import platform
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from outgrow.store.storage import Storage
from outgrow.types import UserError

BEAT = 10.0  # seconds between two heartbeats
PATIENCE = 60.0  # seconds without a heartbeat after which an owner on another host counts as dead
FOLDER = "leases"


class LeaseLost(Exception):  # noqa: N818 - not an error: another run does the work
    """Another run has taken over the lease, because this owner seemed dead."""


class Lease:
    """A lease, as its owner sees it.

    An owner that was suspended for too long counts as dead: another run removes its file, and its next `check` raises
    LeaseLost.
    """

    def __init__(self, storage: Storage, key: str) -> None:
        self.owner = uuid.uuid4().hex
        self.file = f"{FOLDER}/{key}.{self.owner}"
        self._storage, self._key = storage, key
        self._beats = 0
        self._awake = -float("inf")  # time of the last heartbeat; -inf before the first
        self._lost = False
        self._guard = threading.RLock()

    def write(self) -> None:
        """Writes the file of the lease."""
        self._storage.write(self.file, _beat(self._beats))
        self._awake = time.monotonic()

    def beat(self) -> None:
        """Writes a heartbeat, unless the file was removed.

        After a long silence it also checks for files of other runs, after writing. A contender lists the files after
        writing its own and before removing this one, so one of the two always sees the other.
        """
        with self._guard:
            silent_since = self._awake
            try:
                data = self._storage.read([self.file]).get(self.file)
                self._lost = self._lost or data is None or not _is_own(data)
                if self._lost:
                    return
                self._beats += 1
                self.write()
                if _is_long(silent_since) and _others(self._storage, self._key, self.file):
                    self._lost = True
                    self._storage.remove([self.file])
            finally:
                self._awake = time.monotonic()

    def check(self) -> None:
        """Raises LeaseLost if the lease was lost. Cheap: it reads the store only after a long silence."""
        with self._guard:
            if _is_long(self._awake) and not self._lost:
                with suppress(UserError):  # an unreachable store is unreachable for others, too
                    self.beat()
            if self._lost:
                raise LeaseLost(self._key)

    def keep_beating(self, stop: threading.Event) -> None:
        """Writes heartbeats until `stop` is set."""
        while not stop.wait(BEAT):
            with suppress(Exception):  # the next heartbeat may succeed
                self.beat()


@contextmanager
def lease(storage: Storage, key: str, waiting: Callable[[str], None], finished: Callable[[], bool]) -> Iterator[Lease]:
    """Waits until no other owner is alive or the artifact is `finished`, and holds the lease in the `with` block.

    waiting: called once with a description of the current owner. Raises LeaseLost if the block fails after the lease
    was lost.
    """
    own = Lease(storage, key)
    seen: dict[str, tuple[bytes, float]] = {}
    reported = False
    while True:
        living = _living(storage, key, seen)
        if not living:
            own.write()
            dead = _others(storage, key, own.file)
            if not _living(storage, key, seen, exclude=own.file):
                break
            storage.remove([own.file])
        elif finished():
            yield own
            return
        elif not reported:
            waiting(living)
            reported = True
        time.sleep(random.uniform(0.1, 0.5))
    stop = threading.Event()
    heart = threading.Thread(target=own.keep_beating, args=(stop,), daemon=True)
    try:
        heart.start()
        storage.remove(dead)
        yield own
    except Exception:
        own.check()
        raise
    finally:
        stop.set()
        if heart.ident is not None:
            heart.join()
        with suppress(UserError):  # if the store is unreachable, the file remains, with the id of a dead process
            storage.remove([own.file])


def _is_long(since: float) -> bool:
    """Whether an owner whose last heartbeat was at this time may soon count as dead."""
    return time.monotonic() - since > PATIENCE / 2


def _others(storage: Storage, key: str, exclude: str = "") -> list[str]:
    """The files of all runs that have or want the lease, except `exclude`."""
    names = (name for name in storage.names(FOLDER) if name.startswith(f"{key}."))
    return [f"{FOLDER}/{name}" for name in names if f"{FOLDER}/{name}" != exclude]


def _living(storage: Storage, key: str, seen: dict[str, tuple[bytes, float]], exclude: str = "") -> str:
    """A description of another live owner or contender; "" if there is none. seen: content and time of last change of
    each file; it is updated."""
    now = time.monotonic()
    for path, data in storage.read(_others(storage, key, exclude)).items():
        if path not in seen or seen[path][0] != data:
            seen[path] = (data, now)
        if now - seen[path][1] < PATIENCE and not _is_dead(data):
            return _described(data)
    return ""


def live_keys(storage: Storage, since: float) -> set[str]:
    """The keys with a lease whose last heartbeat was after `since` (seconds since the epoch) and whose owner is not
    known to be dead."""
    recent = [path for path, (_, modified) in storage.files(FOLDER).items() if modified > since]
    leases = storage.read([path for path in recent if "/." not in path])
    return {path.removeprefix(f"{FOLDER}/").rpartition(".")[0] for path, data in leases.items() if not _is_dead(data)}


def _beat(count: int) -> bytes:
    """The content of the file of a lease of this process."""
    owner = {"host": _host(), "pid": os.getpid(), "started": _started(os.getpid()), "beat": count}
    return json.dumps(owner).encode()


def _owner(data: bytes) -> tuple[str, int, str | None] | None:
    """Host, process id and start time of the owner; None for any other content, which only expires."""
    try:
        match json.loads(data):
            case {"host": str(host), "pid": int(pid), "started": str() | None as started} if (
                pid is not True and 0 < pid < 2**31
            ):
                return host, pid, started
    except (ValueError, RecursionError):
        pass
    return None


def _is_own(data: bytes) -> bool:
    return _owner(data) == _owner(_beat(0))


def _is_dead(data: bytes) -> bool:
    """Whether the owner is a process of this host that no longer runs."""
    owner = _owner(data)
    return owner is not None and owner[0] == _host() and _started(owner[1]) != owner[2]


def _described(data: bytes) -> str:
    """The owner in words, such as `process 12 on host`."""
    owner = _owner(data)
    if owner is None:
        return "another process"
    host = "".join(filter(str.isprintable, owner[0])).partition(" ")[0]
    return f"process {owner[1]} on {host[:80]}"


@cache
def _host() -> str:
    """This host, boot and container: process ids are comparable only within them."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{platform.node()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    return platform.node()


def _started(pid: int) -> str | None:
    """The start time of a running process, as text from the kernel; None if it does not run or is a zombie."""
    if Path("/proc/self/stat").exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "running"
