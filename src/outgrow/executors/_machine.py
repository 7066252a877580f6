"""What this machine has."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from outgrow.executors.base import cores
from outgrow.graph import Resources, Settings

CGROUP = Path("/sys/fs/cgroup/memory.max")  # the limit of a container; "max" where there is none


def machine(settings: Settings, workers: int | None = None) -> Resources:
    """The cores, the memory, and, where the settings ask for them, the GPUs of this machine. workers: processes that
    are to run at the same time, each with a core."""
    gpus = gpu_memory(settings.device)
    memory = settings.memory_gb or memory_gb()
    return Resources(cores=workers or cores(), memory_gb=memory, gpus=len(gpus), gpu_gb=min(gpus, default=0.0))


def with_gpu_memory(settings: Settings) -> Settings:
    """The settings with the memory of a GPU of this machine, by which steps share it."""
    return settings if settings.gpu_gb else replace(settings, gpu_gb=min(gpu_memory(settings.device), default=0.0))


def memory_gb() -> float:
    """The memory of this machine, or of its container, in GB."""
    most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = CGROUP.read_text().strip()
    except OSError:
        limit = ""
    return min(most, int(limit)) / 1e9 if limit.isdecimal() else most / 1e9


def gpu_memory(device: str) -> list[float]:
    """The memory of each GPU that a device means, in GB: of all for `cuda`, of one for `cuda:1`, of none for `cpu`."""
    if not device.startswith("cuda"):
        return []
    import torch

    numbers = range(torch.cuda.device_count()) if device == "cuda" else [torch.device(device).index]
    return [torch.cuda.get_device_properties(i).total_memory / 1e9 for i in numbers]
