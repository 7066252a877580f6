"""The precision of arithmetic: fp32, or bf16 through autocast. Weights, optimiser states and stored results are fp32
either way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from outgrow.ranges import check_ranges, one_of
from outgrow.training import sharded
from outgrow.types import UserError

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "fp32", "bf16"]
R = TypeVar("R")

FAST_BF16 = {"avx512_bf16", "amx_bf16"}  # instruction sets of CPUs on which bf16 is faster than fp32


def check_precision(record: Any) -> None:
    """Raise UserError where the record's `precision` is none."""
    check_ranges(record, precision=one_of(*get_args(Precision)))


def resolved(precision: Precision, device: str) -> Precision:
    """What "auto" means on a device: bf16 where it is faster than fp32, else fp32. fp32 and bf16 stand for themselves.

    bf16 is faster on CPUs with AVX512-BF16 or AMX, and on GPUs of compute capability 8.0 or higher.
    """
    if precision != "auto":
        return precision
    return "bf16" if has_fast_bf16(device) else "fp32"


def has_fast_bf16(device: str) -> bool:
    """Whether bf16 is faster than fp32 on a device. Torch is imported for GPUs alone."""
    if device == "cpu":
        return bool(FAST_BF16 & _cpu_flags())
    if not device.startswith("cuda"):
        return False
    import torch

    return torch.cuda.is_available() and torch.cuda.get_device_capability(device) >= (8, 0)


@cache
def _cpu_flags(path: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The instruction sets of this machine's CPU; empty where the system does not list them."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(flag for line in lines if line.startswith("flags") for flag in line.partition(":")[2].split())


def autocast(device: str, precision: Precision) -> AbstractContextManager[None]:
    """Run in this precision. "auto" is fp32 here: an experiment resolves it before anything runs."""
    import torch

    alone = sharded.rank().world == 1  # else casts of all weights would be kept whole
    kind = device.partition(":")[0]
    context: Any = torch.autocast(kind, torch.bfloat16, enabled=precision == "bf16", cache_enabled=alone)
    return context  # type: ignore[no-any-return]


def all_finite(tensor: torch.Tensor) -> torch.Tensor:
    """Whether no value is infinite or NaN, a bool on the tensor's device. One pass over the values, without copies."""
    import torch

    if not tensor.numel():
        return torch.ones((), dtype=torch.bool, device=tensor.device)
    low, high = torch.aminmax(tensor.detach())  # NaN is passed on
    return low.isfinite() & high.isfinite()


IN_FP32 = "Outputs in bf16 were not finite: they were computed again in fp32."
NOT_FINITE = (
    "the model's answers are not numbers (NaN or infinite): train it again, with a lower learning rate or in fp32"
)


class NotFiniteError(UserError):
    """A model's outputs are not finite."""


def finite(compute: Callable[[], R], device: str, precision: Precision) -> tuple[R, tuple[str, ...]]:
    """The result of `compute` in this precision, and notes. Where it raises NotFiniteError in bf16, it is called once
    more in fp32, and a note says so."""
    if precision == "bf16":
        try:
            with autocast(device, precision):
                return compute(), ()
        except NotFiniteError:
            pass
    return compute(), (IN_FP32,) if precision == "bf16" else ()


def attention(device: str, trained_in: Precision) -> str | None:
    """The implementation of attention to train with, by transformers' name; None: its default, SDPA or flash.

    On a CPU the backward pass of SDPA in bf16 is slow. In fp32, and without a backward pass, the default is used.
    """
    return "eager" if device == "cpu" and trained_in == "bf16" else None
