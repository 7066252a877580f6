"""What this machine has."""

from __future__ import annotations

import os
from pathlib import Path

from outgrow.executors._gpus import gpus
from outgrow.executors.base import cores
from outgrow.graph import Resources, Settings

CGROUP = Path("/sys/fs/cgroup/memory.max")  # the limit of a container; "max" where there is none


def machine(settings: Settings, workers: int | None = None) -> Resources:
    """The cores, the memory, and, where the settings ask for them, the GPUs of this machine. workers: processes that
    are to run at the same time, each with a core."""
    each = [gpu.memory_gb for gpu in gpus(settings)]
    memory = settings.memory_gb or memory_gb()
    return Resources(cores=workers or cores(), memory_gb=memory, gpus=len(each), gpu_gb=min(each, default=0.0))


def memory_gb() -> float:
    """The memory of this machine, or of its container, in GB."""
    most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = CGROUP.read_text().strip()
    except OSError:
        limit = ""
    return min(most, int(limit)) / 1e9 if limit.isdecimal() else most / 1e9
