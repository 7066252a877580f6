"""The GPUs of this machine, and which of them a process has claimed, so that no other process takes them.

A claim is a lock on a file in the cache folder, named by the identity of the GPU: the same in each process, whatever
CUDA_VISIBLE_DEVICES is. The system releases it when the process ends, however it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import IO

from outgrow.cache import cache_folder
from outgrow.graph import Settings
from outgrow.types import UserError

try:
    import fcntl
except ImportError:  # a system without such locks: there nothing is claimed
    fcntl = None  # type: ignore[assignment]

FOLDER = "gpus"


@dataclass(frozen=True, kw_only=True)
class GPU:
    """number: torch's in this process. identity: the same in all processes of the machine."""

    number: int
    identity: str
    memory_gb: float


def gpus(settings: Settings) -> list[GPU]:
    """The GPUs that the settings mean: for `cuda` all, or those that are claimed; one for `cuda:1`; none for `cpu`."""
    if not settings.device.startswith("cuda"):
        return []
    every = found()
    if settings.device != "cuda":
        number = int(settings.device.partition(":")[2])
        return [gpu for gpu in every if gpu.number == number]
    return [gpu for gpu in every if not settings.gpus or gpu.number in settings.gpus]


def found() -> list[GPU]:
    """All GPUs that this process sees."""
    import torch

    every = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return [GPU(number=i, identity=str(each.uuid), memory_gb=each.total_memory / 1e9) for i, each in enumerate(every)]


def with_gpu_memory(settings: Settings) -> Settings:
    """The settings with the memory of the smallest GPU that they mean, by which steps share it."""
    if settings.gpu_gb:
        return settings
    return replace(settings, gpu_gb=min((gpu.memory_gb for gpu in gpus(settings)), default=0.0))


@contextmanager
def claimed(settings: Settings, number: int | None = None) -> Iterator[Settings]:
    """For `cuda`, the settings with GPUs that no other process has claimed: they are this process's in the `with`
    block.

    number: how many; None for all that are free. A GPU that is named, such as `cuda:1`, may be shared: other processes
    do not choose it by themselves. Raises UserError where fewer are free, and for None where none is.
    """
    with ExitStack() as locks:
        if settings.device != "cuda":
            for gpu in gpus(settings):
                _lock(gpu, locks, shared=True)
        elif not settings.gpus:  # else they are claimed already
            settings = replace(settings, gpus=_claim(gpus(settings), number, locks))
        yield with_gpu_memory(settings)


def _claim(every: list[GPU], number: int | None, locks: ExitStack) -> tuple[int, ...]:
    free: list[int] = []
    for gpu in every:
        if len(free) != number and _lock(gpu, locks):
            free.append(gpu.number)
    if number is None and every and not free:
        raise UserError(f"{_all(every)} in use by other processes of outgrow: wait, or share one with --device cuda:0")
    if number is not None and len(free) < number:
        used = len(every) - len(free)
        there = f"this machine has {len(every)}" + (
            f", and other processes of outgrow use {used} of them" if used else ""
        )
        raise UserError(
            f"--gpus {number}: {there}: {f'use --gpus {len(free)}' if free else 'wait until some are free'}"
        )
    return tuple(free)


def _all(every: list[GPU]) -> str:
    return f"all {len(every)} GPUs of this machine are" if len(every) > 1 else "the GPU of this machine is"


def _lock(gpu: GPU, locks: ExitStack, shared: bool = False) -> bool:
    """Whether the lock of a GPU was free. It is held until `locks` are closed. Without a folder to write to, and on a
    system without locks, every GPU is free."""
    try:
        folder = cache_folder() / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        file: IO[bytes] = (folder / "".join(c if c.isalnum() else "-" for c in gpu.identity)).open("ab")
    except (OSError, UserError):
        return True
    if fcntl is not None:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        except OSError:  # a file system without locks
            pass
    locks.callback(file.close)
    return True
