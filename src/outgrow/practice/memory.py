"""Whether a model fits into memory, checked before it is loaded."""

from __future__ import annotations

from pathlib import Path

from outgrow.graph import Settings
from outgrow.methods.base import FeatureMethod, Method
from outgrow.methods.lora import LoRA
from outgrow.models.base import Model
from outgrow.types import UserError

READING = 4  # bytes for each weight of a model that is only read, in fp32
LOW_RANK = 5  # beside it the updates, and a margin for activations
TRAINING = 16  # weights, gradients, and two moments of Adam
_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def bytes_for(method: Method) -> int:
    """Bytes of memory that a method needs for each weight of a model."""
    if isinstance(method, FeatureMethod):
        return READING
    return LOW_RANK if isinstance(method, LoRA) else TRAINING


def fits(model: Model, settings: Settings, bytes_per_weight: float = READING) -> bool:
    """Whether the device has free memory for a model's weights. Where that is not known, it is taken to have."""
    free = free_memory(settings.device)
    return free is None or model.parameters(settings) * bytes_per_weight <= free


def refuse_too_large(model: Model, settings: Settings, bytes_per_weight: float = READING) -> None:
    """Raises UserError for a device that is not there, and for a model whose weights need more memory than it has free.
    Where that is not known nothing is refused."""
    if settings.device != "cpu":
        from outgrow.training.network import prepare

        prepare(settings)
    if not fits(model, settings, bytes_per_weight):
        needed, free = model.parameters(settings) * bytes_per_weight, free_memory(settings.device) or 0.0
        frozen = ", do not finetune it" if fits(model, settings) else ""
        raise UserError(
            f"{model.name} needs {needed / 2**30:.1f} GiB of memory and {settings.device} has {free / 2**30:.1f} GiB "
            f"free: name a smaller model{frozen}, or use a larger machine"
        )


def free_memory(device: str) -> float | None:
    """The free memory of a device in bytes; None where it cannot be asked."""
    if device.startswith("cuda"):
        import torch

        return float(torch.cuda.mem_get_info(device)[0])
    if device != "cpu":
        return None
    return min((found for found in (_of_machine(), _of_container()) if found is not None), default=None)


def _of_machine() -> float | None:
    lines = _MEMINFO.read_text().splitlines() if _MEMINFO.is_file() else []
    found = (line.split() for line in lines if line.startswith("MemAvailable:"))
    return next((float(parts[1]) * 1024 for parts in found), None)


def _of_container() -> float | None:
    try:
        return float((_GROUP / "memory.max").read_text()) - float((_GROUP / "memory.current").read_text())
    except (OSError, ValueError):  # there is no limit
        return None
