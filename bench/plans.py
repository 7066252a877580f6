"""The arithmetic of two plans that were not run: `python -m bench.plans grid` and `python -m bench.plans student`.

Counted by the program's own code: steps, memory a device. Assumed, and named so: rates of devices and networks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from bench.planning import grid
from outgrow.experiment.grid import cells, targets
from outgrow.graph import walk
from outgrow.training import footprint
from outgrow.training.footprint import Architecture, Pass

CELLS, WORKERS, CORES = 10_000, 100, 4
REQUESTS = 5.7  # to S3 a step, measured by bench.sharing
PAGE = 1_000  # names of a page of a listing on S3
FIT = (
    48.0  # seconds: MiniLM-L6, 1,000 examples, two epochs, at 41.5 examples a second of one core (docs/performance.md)
)
OTHER = 1.0  # seconds of a step that reads, predicts or scores, with its share of a look at the store
STUDENT = 4 * 22.7e6  # bytes of a stored student
PREDICTIONS = 20e3  # bytes of predictions of 1,000 examples with their ids
START = 30.0  # seconds until a worker has imported and planned

LLAMA = Architecture(
    parameters=70_600_000_000, layers=80, width=8192, inner=28672, heads=64, vocabulary=128_256,
    sides=80 * (16384 + 9216 + 9216 + 16384 + 3 * 36864), gated=True,
)  # fmt: skip
RANK, TOKENS, TEXTS = 8, 512, 10_000
EPOCHS = 2
GPU_FLOPS = 0.4 * 989e12  # assumed: 40 % of the peak of an 80 GB GPU in bf16
LINK = 450e9  # assumed: bytes a second into each GPU, within a node
GPUS = 8


def of_grid() -> Iterable[tuple[str, str]]:
    """10,000 cells on 100 workers of 4 cores, students finetuned."""
    steps = walk(targets(cells(grid(CELLS))))
    fits = sum(step.key.startswith("fit-") for step in steps)
    work = fits * FIT + (len(steps) - fits) * OTHER
    slots = WORKERS * CORES
    minute = WORKERS * -(-len(steps) // PAGE)
    yield "steps, of which fits", f"{len(steps):,}, {fits:,}"
    yield f"hours of one core: fits of {FIT:.0f} s, others of {OTHER:.0f} s", f"{work / 3600:.0f}"
    yield f"hours on {WORKERS} workers of {CORES} cores, 85 % busy", f"{work / slots / 0.85 / 3600 + START / 3600:.2f}"
    yield f"requests of steps, {REQUESTS} each", f"{REQUESTS * len(steps):,.0f}"
    yield "requests of one look of all workers at what is finished", f"{minute:,}"
    yield (
        "GB written: students of 91 MB, predictions of 20 kB",
        f"{(fits * STUDENT + len(steps) * PREDICTIONS) / 1e9:,.0f}",
    )
    yield "GB read: each student once, by its predictions", f"{fits * STUDENT / 1e9:,.0f}"


def of_student() -> Iterable[tuple[str, str]]:
    """A 70B student on one node of eight GPUs of 80 GB."""
    each = Pass(texts=1, length=TOKENS, precision="bf16", outputs=1, gradient_checkpointing=True)
    one = footprint.activations(LLAMA, each) + footprint.gathered_at_once(LLAMA) + footprint.CUDA
    trained = RANK * LLAMA.sides
    for name, weights, devices in (
        ("LoRA, 8 GPUs", footprint.weights_to_learn(LLAMA, trained, "bf16"), GPUS),
        ("all weights, 8 GPUs", footprint.weights_to_learn(LLAMA, LLAMA.parameters, "bf16"), GPUS),
        ("all weights, 32 GPUs", footprint.weights_to_learn(LLAMA, LLAMA.parameters, "bf16"), 4 * GPUS),
    ):
        yield f"GB a device: {name}", f"{(weights / devices + one) / 1e9:.0f}"
    yield "of this activations, gathered weights", f"{(one - footprint.CUDA) / 1e9:.0f}"
    yield (
        "GB of the machine's memory",
        f"{(footprint.VALUE * LLAMA.parameters + GPUS * footprint.CUDA_PROCESS) / 1e9:.0f}",
    )
    passes = EPOCHS * TEXTS / GPUS
    computing = (
        6 * LLAMA.parameters * TOKENS / GPU_FLOPS
    )  # forward twice and the gradients of activations, frozen weights
    moving = 2 * footprint.VALUE * LLAMA.parameters * (GPUS - 1) / GPUS / LINK
    yield f"passes of a device: {EPOCHS} epochs of {TEXTS:,} texts of {TOKENS} tokens", f"{passes:,.0f}"
    yield "seconds a pass: arithmetic, moving weights", f"{computing:.2f}, {moving:.2f}"
    yield (
        "hours, if the two do not overlap, and if they do",
        (f"{passes * (computing + moving) / 3600:.1f}, {passes * max(computing, moving) / 3600:.1f}"),
    )
    yield "GB of the stored student: LoRA, all weights", f"{4 * trained / 1e9:.1f}, {4 * LLAMA.parameters / 1e9:.0f}"
    yield "GB of a checkpoint of LoRA", f"{20 * trained / 1e9:.1f}"


if __name__ == "__main__":
    rows = {"grid": of_grid, "student": of_student}[sys.argv[1]]
    print("| | |\n|---|---:|")
    for what, value in rows():
        print(f"| {what} | {value} |")
