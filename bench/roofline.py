"""The roofline of one core: what matrix products reach at the shapes that models have, beside what the processor could.

A product of [tokens, width] with [width, 4 width], the largest of a layer, does 2 · tokens · width · 4 width operations
on (tokens · 5 width + 4 width²) numbers. It can reach no more than the peak, and no more than its operations a byte
times the memory's bandwidth. `python -m bench.roofline` prints the table.
"""

from __future__ import annotations

import time
from typing import Any

from bench.turns import REPEATS, Measured, measured

TOKENS = 1024  # of a micro-batch
WIDTHS = {"GPT-2, 0.7M": 96, "GPT-2, 5M": 256, "MiniLM-L6": 384, "GPT-2, 20M": 512, "GPT-2, 100M": 1024}
BUFFER = 1 << 26  # numbers of fp32 that are copied to measure the bandwidth: more than caches hold


def measure(repeats: int = REPEATS, buffer: int = BUFFER) -> list[Measured]:
    import torch

    torch.set_num_threads(1)
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
    bytes_a_second = bandwidth(buffer)
    found = measured("peak: product of 1024²", {n: lambda k=k: _speed(peak(k)) for n, k in kinds.items()}, "", repeats)  # type: ignore[misc]
    for title, width in WIDTHS.items():
        work = f"{title}: {TOKENS} × {width} by {width} × {4 * width}"
        turns = {n: lambda k=k, w=width: _speed(product(TOKENS, w, 4 * w, k)) for n, k in kinds.items()}
        for record in measured(work, turns, "", repeats):
            limits = {f"{n}: memory's limit": [_limit(width, k, bytes_a_second)] * repeats for n, k in kinds.items()}
            found.append(Measured(work=work, unit=record.unit, load=record.load, values={**record.values, **limits}))
    return found


def _speed(flops: float) -> dict[str, float]:
    return {"GFLOP/s": flops / 1e9}


def _limit(width: int, kind: Any, bytes_a_second: float) -> float:
    """GFLOP/s that a product could reach if all its numbers came from memory."""
    moved = (TOKENS * 5 * width + 4 * width**2) * kind.itemsize
    return float(2 * TOKENS * 4 * width**2 / moved * bytes_a_second / 1e9)


def peak(kind: Any) -> float:
    """FLOP/s of a 1024² matrix product."""
    return product(1024, 1024, 1024, kind)


def product(rows: int, inner: int, columns: int, kind: Any) -> float:
    """FLOP/s of a matrix product on this thread, the best of 8."""
    import torch

    a, b, best = torch.randn(rows, inner).to(kind), torch.randn(inner, columns).to(kind), float("inf")
    for _ in range(8):
        started = time.process_time()
        a @ b
        best = min(best, time.process_time() - started)
    return 2 * rows * inner * columns / best


def bandwidth(numbers: int = BUFFER) -> float:
    """Bytes a second that one core reads and writes, the best of 5 copies."""
    import torch

    a, b, best = torch.ones(numbers), torch.ones(numbers), float("inf")
    for _ in range(5):
        started = time.process_time()
        b.copy_(a)
        best = min(best, time.process_time() - started)
    return 2 * 4 * numbers / best


if __name__ == "__main__":
    from bench.tables import show

    show("roofline", measure())
