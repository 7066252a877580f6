"""What packing gains: batches of which layers read the real tokens alone, beside padded ones that are cut into passes.

`python -m bench.padding` prints the table. `batches.cut` splits a padded batch where that saves more tokens than a pass
costs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from unittest.mock import patch

from bench.training import HYPER, Shape, binary, outgrow, shapes
from bench.turns import REPEATS, Measured, measured
from outgrow.graph import Settings
from outgrow.tasks.chess_puzzles import ChessPuzzles
from outgrow.training import batches, packing
from outgrow.training.network import open_network
from outgrow.training.precision import has_fast_bf16
from outgrow.types import Ints

PADDED, PACKED = "padded", "packed"


def measure(scale: float = 0.5, repeats: int = REPEATS) -> list[Measured]:
    """Tokens that layers read by real ones, and examples a second of training, in the precision of an experiment."""
    found: list[Measured] = []
    with tempfile.TemporaryDirectory() as scratch:
        for shape in (*shapes(Path(scratch), scale), puzzles(Path(scratch), scale)):
            run, sizes = outgrow(shape), lengths(shape)
            contestants = {PADDED: partial(_padded, run, sizes), PACKED: partial(_packed, run)}
            found += measured(shape.title, contestants, PADDED, repeats)
    return found


def puzzles(scratch: Path, scale: float) -> Shape:
    """The largest model of the ladder, on the prompts that it learns from in the experiments."""
    drawn = ChessPuzzles().examples("transfer", int(640 * scale), 0)
    prompts = binary([row.prompt for row in drawn.rows])
    folder = Path(str(files("outgrow"))) / "chess/ladder/queen"
    return Shape(title="queen on chess puzzles", folder=folder, examples=prompts, scratch=scratch)


def _padded(run: Callable[..., Mapping[str, float]], sizes: Ints) -> dict[str, float]:
    with patch.object(packing, "packing_of", lambda module: None):
        return {**_packed(run), "tokens read by real": padded_by_real(sizes)}


def _packed(run: Callable[..., Mapping[str, float]]) -> dict[str, float]:
    return {"examples/s": run("bf16" if has_fast_bf16("cpu") else "fp32")["examples/s"], "tokens read by real": 1.0}


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
