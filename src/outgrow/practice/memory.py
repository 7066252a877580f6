"""Whether a model fits into memory, said before it is loaded."""

from __future__ import annotations

from pathlib import Path

from outgrow.graph import Settings
from outgrow.models.base import Model
from outgrow.types import UserError

READING = 4  # bytes for each weight of a model that is only read, in fp32
_MEMINFO = Path("/proc/meminfo")


def refuse_too_large(model: Model, settings: Settings, bytes_per_weight: float = READING) -> None:
    """Raises UserError for a model whose weights need more memory than the device has free. Where that is not known
    nothing is refused."""
    needed = model.parameters(settings) * bytes_per_weight
    free = free_memory(settings.device)
    if free is not None and needed > free:
        raise UserError(
            f"{model.name} needs {needed / 2**30:.1f} GiB of memory and {settings.device} has {free / 2**30:.1f} GiB "
            "free: name a smaller model, or use a larger machine"
        )


def free_memory(device: str) -> float | None:
    """The free memory of a device in bytes; None where it cannot be asked."""
    if device.startswith("cuda"):
        import torch

        return float(torch.cuda.mem_get_info(device)[0])
    if device != "cpu" or not _MEMINFO.is_file():
        return None
    for line in _MEMINFO.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return float(line.split()[1]) * 1024
    return None
