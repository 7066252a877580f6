"""Whether a model fits into memory, from the header of its weights alone."""

from __future__ import annotations

import os
from pathlib import Path

from outgrow.graph import Settings
from outgrow.methods.base import FeatureMethod, Method
from outgrow.methods.lora import LoRA
from outgrow.models.base import Model, counted
from outgrow.types import UserError

READING = 4  # bytes for each weight: fp32
LOW_RANK = 5  # beside it the updates and a margin for activations
TRAINING = 16  # weights, gradients, and two moments of Adam


def bytes_for(method: Method) -> int:
    """Bytes of memory that a method needs for each weight of a model."""
    if isinstance(method, FeatureMethod):
        return READING
    return LOW_RANK if isinstance(method, LoRA) else TRAINING


def fits(model: Model, method: Method, settings: Settings) -> bool:
    """Whether the free memory of the device is enough. Where it is not known, it is taken to be."""
    free = free_memory(settings.device)
    return free is None or model.parameters(settings) * bytes_for(method) <= free


def refuse_too_large(model: Model, method: Method, settings: Settings) -> None:
    """Raise UserError for a model that does not fit into the free memory of the device, before it is loaded."""
    if fits(model, method, settings):
        return
    weights, free = model.parameters(settings), free_memory(settings.device) or 0
    needed, smaller = weights * bytes_for(method), weights * READING <= free
    raise UserError(
        f"{model.name} has {counted(weights)} weights and needs about {needed / 1e9:.1f} GB of memory, "
        f"{free / 1e9:.1f} GB are free: choose a smaller one{', or do not finetune it' if smaller else ''}"
    )


def free_memory(device: str) -> int | None:
    """Bytes that are free: of the machine, or of a GPU. None where it is not known."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    limits = [found for found in (_available(), _of_group()) if found is not None]
    return min(limits, default=None)


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    found = (line.split() for line in lines if line.startswith("MemAvailable:"))
    return next((int(parts[1]) * 1024 for parts in found), None)


def _of_group() -> int | None:
    """What is left of the limit of a container."""
    root = Path("/sys/fs/cgroup")
    try:
        return int((root / "memory.max").read_text()) - int((root / "memory.current").read_text())
    except (OSError, ValueError):  # no such limit
        return None
