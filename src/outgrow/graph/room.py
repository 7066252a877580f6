"""What a machine has, what the steps that run on it need, and what is left."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

MANY = 1000  # steps at the same time, where nothing limits them
NEEDED = (("cores", "cores"), ("gpus", "GPUs"), ("memory_gb", "GB of memory"), ("gpu_gb", "GB of memory on a GPU"))


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a step needs, or what a machine has.

    gpus: a fraction is a share of one, a whole number means as many for the step alone. memory_gb: of the machine, for
    a step with its process. gpu_gb: of each GPU, 0 where there is none or where it is not known.
    """

    cores: int = 1
    gpus: float = 0
    memory_gb: float = 0.5
    gpu_gb: float = 0


def lacking(needed: Resources, there: Resources) -> str:
    """What a step needs and a machine lacks, such as `2 cores (here 1)`; "" if it has everything.

    >>> lacking(Resources(cores=2, memory_gb=3.25), Resources(cores=1, memory_gb=4))
    '2 cores (here 1)'
    """
    return ", ".join(
        f"{getattr(needed, name):.3g} {words} (here {getattr(there, name):.3g})"
        for name, words in NEEDED
        if getattr(needed, name) > getattr(there, name) and not (name == "gpu_gb" and not there.gpu_gb)
    )


class Room:
    """What the steps that run at the same time leave of a machine. there: None where that is the executor's matter.
    gpus: the numbers of the GPUs that there are."""

    def __init__(self, there: Resources | None, gpus: Sequence[int] = ()) -> None:
        self._there = there
        number = int(there.gpus) if there else 0
        self._gpus = tuple(gpus or range(number))[:number]
        self._taken: dict[Hashable, tuple[Resources, tuple[int, ...]]] = {}

    def fits(self, needed: Resources) -> bool:
        """Whether a step may start beside those that run. Alone it always may: what can never fit is refused before."""
        if self._there is None or not self._taken:
            return True
        each = [taken for taken, _ in self._taken.values()]
        return (
            sum(taken.cores for taken in each) + needed.cores <= self._there.cores
            and sum(taken.memory_gb for taken in each) + needed.memory_gb <= self._there.memory_gb
            and (not needed.gpus or len(self._free(needed.gpus)) >= max(1, round(needed.gpus)))
        )

    def together(self, needed: Resources) -> int:
        """How many such steps may run at the same time beside those that run, at least one."""
        if self._there is None:
            return MANY
        each = [taken for taken, _ in self._taken.values()]
        cores = (self._there.cores - sum(taken.cores for taken in each)) / max(needed.cores, 1)
        memory = (self._there.memory_gb - sum(taken.memory_gb for taken in each)) / max(needed.memory_gb, 1e-9)
        gpus = float(MANY)
        if needed.gpus >= 1:
            gpus = len(self._free(needed.gpus)) / round(needed.gpus)
        elif needed.gpus:
            gpus = sum((1.0 - used + 1e-9) // needed.gpus for used in self._used().values())
        return max(1, int(min(cores, memory, gpus)))

    def take(self, owner: Hashable, needed: Resources) -> tuple[int, ...]:
        """Take room for a step. The numbers of its GPUs: those with most steps that still have room, so that others
        stay free for a step that needs a whole one."""
        devices = tuple(self._free(needed.gpus)[: max(1, round(needed.gpus)) if needed.gpus else 0])
        self._taken[owner] = needed, devices
        return devices

    def give_back(self, owner: Hashable) -> None:
        """The room of a step that has ended."""
        del self._taken[owner]

    def _used(self) -> dict[int, float]:
        """The share of each GPU that is in use."""
        used = dict.fromkeys(self._gpus, 0.0)
        for taken, devices in self._taken.values():
            for device in devices:
                used[device] += min(taken.gpus, 1.0)
        return used

    def _free(self, share: float) -> list[int]:
        """The GPUs of which at least this share is free, the fullest first."""
        used = self._used()
        free = [i for i, each in used.items() if each + min(share, 1.0) <= 1.0 + 1e-9]
        return sorted(free, key=lambda i: (-used[i], i))
