"""What takes the time of a training step, by kind of operation, in percent of the processor's time in torch's kernels.

`python -m bench.profile` prints the table, for the shapes of `bench.training` in both precisions.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.training import Shape, outgrow, shapes
from bench.turns import Measured
from outgrow.training.precision import Precision, has_fast_bf16

KINDS = {
    "matrix products": ("mm", "bmm", "linear", "matmul", "attention"),
    "GELU": ("gelu",),
    "softmax": ("softmax",),
    "layer norm": ("layer_norm",),
    "dropout": ("dropout", "bernoulli"),
    "casts and copies": ("copy_", "to_copy", "contiguous", "cat", "clone"),
    "optimiser": ("adam", "foreach"),
    "embedding": ("embedding", "index", "zero", "fill_"),
    "sums and norms": ("sum", "norm", "mean"),
    "element by element": ("add", "mul", "div", "sub", "tanh", "where", "masked"),
}
OTHER = "other"


def measure(scale: float = 0.25) -> list[Measured]:
    import torch

    torch.set_num_threads(1)
    precisions: list[Precision] = ["fp32", "bf16"] if has_fast_bf16("cpu") else ["fp32"]
    found: list[Measured] = []
    with tempfile.TemporaryDirectory() as scratch:
        for shape in shapes(Path(scratch), scale):
            every = {precision: shares(shape, precision) for precision in precisions}
            for kind in (*KINDS, OTHER):
                values: dict[str, list[float]] = {precision: [each.get(kind, 0.0)] for precision, each in every.items()}
                found.append(Measured(work=f"{shape.title}: {kind}", unit="%", values=values))
    return found


def shares(shape: Shape, precision: Precision) -> dict[str, float]:
    """The share of each kind in percent, of one epoch."""
    from torch.profiler import ProfilerActivity, profile

    run = outgrow(shape)
    profiler = profile(activities=[ProfilerActivity.CPU])
    run(precision, profiler)
    time: dict[str, float] = {}
    for event in profiler.key_averages():
        if event.key.startswith(("aten::", "mkldnn::")):
            kind = kind_of(event.key.partition("::")[2])
            time[kind] = time.get(kind, 0.0) + event.self_cpu_time_total
    total = sum(time.values())
    return {kind: 100 * each / total for kind, each in time.items()}


def kind_of(operation: str) -> str:
    """The kind of an operation of torch, by its name."""
    return next((kind for kind, names in KINDS.items() if any(name in operation for name in names)), OTHER)


if __name__ == "__main__":
    from bench.tables import show

    show("profile", measure())
