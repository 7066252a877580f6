"""What less padding costs: batches cut into more passes, each padded less. `python -m bench.padding` prints the table.

`batches.cut` splits a batch where that saves more padded tokens than a pass costs, `PASS_TOKENS`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from unittest.mock import patch

from bench.training import HYPER, Shape, outgrow, shapes
from bench.turns import REPEATS, Measured, measured
from outgrow.graph import Settings
from outgrow.training import batches
from outgrow.training.network import open_network
from outgrow.training.precision import has_fast_bf16
from outgrow.types import Ints

COSTS = {"one pass a batch": 10**9, "as shipped": batches.PASS_TOKENS, "96 tokens a pass": 96, "48 tokens a pass": 48}
SHAPES = ("GPT-2, 0.7M", "MiniLM-L6 on SST-2")


def measure(scale: float = 0.5, repeats: int = REPEATS) -> list[Measured]:
    """Padded tokens by real ones, and examples a second of training, in the precision that an experiment would have."""
    found: list[Measured] = []
    with tempfile.TemporaryDirectory() as scratch:
        for shape in shapes(Path(scratch), scale):
            if shape.title in SHAPES:
                run, sizes = outgrow(shape), lengths(shape)
                contestants = {name: partial(_one, run, sizes, cost) for name, cost in COSTS.items()}
                found += measured(shape.title, contestants, "as shipped", repeats)
    return found


def _one(run: Callable[..., Mapping[str, float]], sizes: Ints, cost: int) -> dict[str, float]:
    with patch.object(batches, "PASS_TOKENS", cost):
        speed = run("bf16" if has_fast_bf16("cpu") else "fp32")["examples/s"]
        return {"examples/s": speed, "padded by real tokens": padded_by_real(sizes)}


def padded_by_real(sizes: Ints) -> float:
    """Of an epoch."""
    rows = batches.order(len(sizes), 0, 0)
    parts = [rows[start : start + HYPER.batch] for start in range(0, len(rows), HYPER.batch)]
    padded = sum(len(run) * int(sizes[run].max()) for part in parts for run in batches.cut(part, sizes))
    return padded / float(sizes.sum())


def lengths(shape: Shape) -> Ints:
    network = open_network(shape.folder, "head", Settings(), classes=("0", "1"))
    return network.encode(shape.examples).lengths


if __name__ == "__main__":
    from bench.tables import show

    show("padding", measure())
