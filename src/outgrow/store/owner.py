"""Which process owns a lease, and whether it still runs."""

from __future__ import annotations

import json
import os
import platform
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """What identifies this process: host, process id and start time."""
    return {"host": _host(), "pid": os.getpid(), "started": _started(os.getpid())}


def fields_of(data: bytes) -> dict[str, Any]:
    """The fields of the file of a lease; none for any other content."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _owner(data: bytes) -> tuple[str, int, str | None] | None:
    """Host, process id and start time of the owner; None for any other content, which only expires."""
    match fields_of(data):
        case {"host": str(host), "pid": int(pid), "started": str() | None as started} if (
            pid is not True and 0 < pid < 2**31
        ):
            return host, pid, started
    return None


def is_own(data: bytes) -> bool:
    """Whether the file is of this process."""
    return _owner(data) == (_host(), os.getpid(), _started(os.getpid()))


def is_dead(data: bytes) -> bool:
    """Whether the owner is a process of this host that no longer runs."""
    owner = _owner(data)
    return owner is not None and owner[0] == _host() and _started(owner[1]) != owner[2]


def described(data: bytes) -> str:
    """The owner in words, such as `process 12 on host`."""
    owner = _owner(data)
    if owner is None:
        return "another process"
    return f"process {owner[1]} on {host_name(owner[0])}"


def host_name(host: str) -> str:
    """The name of a host without what tells its boots and containers apart."""
    return "".join(filter(str.isprintable, host)).partition(" ")[0][:80]


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
