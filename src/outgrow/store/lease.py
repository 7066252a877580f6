"""A lease keeps two runs from doing the same work. It is a courtesy: the promise is one commit, not one computation.

Whoever wants a lease writes a file of its own beside the others' and looks again: alone, it owns the lease; otherwise
it withdraws and waits. That needs nothing of the store but listings that show what was written, and no owner can be
robbed by a slow rival. An owner rewrites its file while it lives. It is dead when its process on this host is gone, or
when a watcher has seen the file unchanged for a while; clocks of different hosts are never compared.
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
PATIENCE = 60.0  # seconds without one after which an owner elsewhere counts as dead
FOLDER = "leases"


class LeaseLost(Exception):  # noqa: N818 - nothing is wrong: somebody else does the work
    """The lease has gone to another owner, who took this one for dead."""


class Lease:
    """Held, from the side of its owner. An owner that slept too long (a suspended machine, a stopped process) is taken
    for dead: its file is removed, and it learns so at its next `check`."""

    def __init__(self, storage: Storage, key: str) -> None:
        self.owner = uuid.uuid4().hex
        self.file = f"{FOLDER}/{key}.{self.owner}"
        self._place, self._key = storage, key
        self._beats = 0
        self._awake = -float("inf")  # when it last looked after its file; never, while it holds nothing
        self._lost = False
        self._guard = threading.RLock()

    def write(self) -> None:
        self._place.write(self.file, _beat(self._beats))
        self._awake = time.monotonic()

    def beat(self) -> None:
        """Say that the owner lives, unless the file has gone. A rival looks again after it has written a file and
        before it removes this one: so whoever was silent for long looks for rivals after it has written."""
        with self._guard:
            silent_since = self._awake
            try:
                data = self._place.read([self.file]).get(self.file)
                self._lost = self._lost or data is None or not _is_own(data)
                if self._lost:
                    return
                self._beats += 1
                self.write()
                if _is_long(silent_since) and _others(self._place, self._key, self.file):
                    self._lost = True
                    self._place.remove([self.file])
            finally:
                self._awake = time.monotonic()

    def check(self) -> None:
        """Raises Lost if the lease has gone. Cheap: it looks at the store only after a long silence."""
        with self._guard:
            if _is_long(self._awake) and not self._lost:
                with suppress(UserError):  # a store out of reach: nobody else reaches it either
                    self.beat()
            if self._lost:
                raise LeaseLost(self._key)

    def keep_beating(self, stop: threading.Event) -> None:
        while not stop.wait(BEAT):
            with suppress(Exception):  # whatever happened, the next beat may get through
                self.beat()


@contextmanager
def lease(storage: Storage, key: str, waiting: Callable[[str], None], finished: Callable[[], bool]) -> Iterator[Lease]:
    """Held inside the block, once no live owner is left or the artifact is `finished`. `waiting` is told for whom.

    Raises Lost if the block fails after the lease has gone to somebody else.
    """
    own = Lease(storage, key)
    seen: dict[str, tuple[bytes, float]] = {}
    told = False
    while True:
        living = _living(storage, key, seen)
        if not living:
            own.write()
            dead = _others(storage, key, own.file)
            if not _living(storage, key, seen, but=own.file):
                break
            storage.remove([own.file])
        elif finished():
            yield own
            return
        elif not told:
            waiting(living)
            told = True
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
        with suppress(UserError):  # a store that has gone keeps a file that says a dead process owns it
            storage.remove([own.file])


def _is_long(since: float) -> bool:
    """Whether a rival may have taken an owner for dead that was last awake at this time."""
    return time.monotonic() - since > PATIENCE / 2


def _others(storage: Storage, key: str, mine: str = "") -> list[str]:
    names = (name for name in storage.names(FOLDER) if name.startswith(f"{key}."))
    return [f"{FOLDER}/{name}" for name in names if f"{FOLDER}/{name}" != mine]


def _living(storage: Storage, key: str, seen: dict[str, tuple[bytes, float]], but: str = "") -> str:
    """Who else holds the lease and lives, in words; empty if nobody does."""
    now = time.monotonic()
    for path, data in storage.read(_others(storage, key, but)).items():
        if path not in seen or seen[path][0] != data:
            seen[path] = (data, now)
        if now - seen[path][1] < PATIENCE and not _gone(data):
            return _who(data)
    return ""


def live_keys(storage: Storage, since: float) -> set[str]:
    """Keys with a lease that has beaten since (seconds since the epoch) and whose owner is not known to be dead."""
    recent = [path for path, (_, modified) in storage.files(FOLDER).items() if modified > since]
    found = storage.read([path for path in recent if "/." not in path])
    return {path.removeprefix(f"{FOLDER}/").rpartition(".")[0] for path, data in found.items() if not _gone(data)}


def _beat(count: int) -> bytes:
    owner = {"host": _host(), "pid": os.getpid(), "started": _started(os.getpid()), "beat": count}
    return json.dumps(owner).encode()


def _owner(data: bytes) -> tuple[str, int, str | None] | None:
    """Host, process id and when it started; None if a lease says anything else: time will tell."""
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


def _gone(data: bytes) -> bool:
    """Whether the owner is a process of this host that no longer runs."""
    owner = _owner(data)
    return owner is not None and owner[0] == _host() and _started(owner[1]) != owner[2]


def _who(data: bytes) -> str:
    owner = _owner(data)
    if owner is None:
        return "another process"
    host = "".join(filter(str.isprintable, owner[0])).partition(" ")[0]
    return f"process {owner[1]} on {host[:80]}"


@cache
def _host() -> str:
    """This host since it started, and this container: process ids mean something only there."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{platform.node()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    return platform.node()


def _started(pid: int) -> str | None:
    """When a running process started, in the kernel's words; None if it does not run (a zombie does not)."""
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
