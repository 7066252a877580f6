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

from outgrow.store.place import Place
from outgrow.types import UserError

BEAT = 10.0  # seconds between two heartbeats
PATIENCE = 60.0  # seconds without one after which an owner elsewhere counts as dead
FOLDER = "leases"


@contextmanager
def lease(place: Place, key: str, waiting: Callable[[str], None], finished: Callable[[], bool]) -> Iterator[None]:
    """Held inside the block, once no live owner is left or the artifact is `finished`. `waiting` is told for whom."""
    mine = f"{FOLDER}/{key}.{uuid.uuid4().hex}"
    seen: dict[str, tuple[bytes, float]] = {}
    told = False
    while True:
        living = _living(place, key, seen)
        if not living:
            place.write(mine, _beat(0))
            dead = _others(place, key, mine)
            if not _living(place, key, seen, but=mine):
                break
            place.remove([mine])
        elif finished():
            yield
            return
        elif not told:
            waiting(living)
            told = True
        time.sleep(random.uniform(0.1, 0.5))
    stop = threading.Event()
    heart = threading.Thread(target=_keep_beating, args=(place, mine, stop), daemon=True)
    heart.start()
    try:
        place.remove(dead)
        yield
    finally:
        stop.set()
        heart.join()
        with suppress(UserError):  # a store that has gone keeps a file that says a dead process owns it
            place.remove([mine])


def _others(place: Place, key: str, mine: str = "") -> list[str]:
    names = (name for name in place.names(FOLDER) if name.startswith(f"{key}."))
    return [f"{FOLDER}/{name}" for name in names if f"{FOLDER}/{name}" != mine]


def _living(place: Place, key: str, seen: dict[str, tuple[bytes, float]], but: str = "") -> str:
    """Who else holds the lease and lives, in words; empty if nobody does."""
    now = time.monotonic()
    for path, data in place.read(_others(place, key, but)).items():
        if path not in seen or seen[path][0] != data:
            seen[path] = (data, now)
        if now - seen[path][1] < PATIENCE and not _gone(data):
            return _who(data)
    return ""


def live_keys(place: Place, since: float) -> set[str]:
    """Keys with a lease that has beaten since (seconds since the epoch) and whose owner is not known to be dead."""
    recent = [path for path, (_, modified) in place.files(FOLDER).items() if modified > since]
    found = place.read([path for path in recent if "/." not in path])
    return {path.removeprefix(f"{FOLDER}/").rpartition(".")[0] for path, data in found.items() if not _gone(data)}


def _keep_beating(place: Place, mine: str, stop: threading.Event) -> None:
    count = 0
    while not stop.wait(BEAT):
        count += 1
        with suppress(UserError):  # a store out of reach for a moment: the next beat may get through
            place.write(mine, _beat(count))


def _beat(count: int) -> bytes:
    owner = {"host": _host(), "pid": os.getpid(), "started": _started(os.getpid()), "beat": count}
    return json.dumps(owner).encode()


def _gone(data: bytes) -> bool:
    """Whether the owner is a process of this host that no longer runs."""
    try:
        owner = json.loads(data)
    except ValueError:
        return False  # unreadable: time will tell
    return bool(owner["host"] == _host() and _started(owner["pid"]) != owner["started"])


def _who(data: bytes) -> str:
    try:
        owner = json.loads(data)
        return f"process {owner['pid']} on {owner['host'].partition(' ')[0]}"
    except ValueError:
        return "another process"


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
