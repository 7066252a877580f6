"""What it takes before anything is computed: to start, to plan, to find that all is stored, and to read results.

Each in a process of its own, with grids of 10, 100 and 1,000 cells that are invented, so that nothing is trained.
`python -m bench.starting` prints the table.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.turns import REPEATS, Measured, measured, process

CELLS = (10, 100, 1000)
EXAMPLES = 500  # of the test split
STARTS = {
    "python -c pass": ["bench.starting", "nothing"],
    "import outgrow": ["bench.starting", "import"],
    "outgrow --help": ["outgrow", "--help"],
    "outgrow plan, the demo": ["outgrow", "plan", "examples/chess.toml", "--store", "/nonexistent/runs"],
}


def measure(cells: Sequence[int] = CELLS, repeats: int = REPEATS) -> list[Measured]:
    found = []
    for work, command in STARTS.items():
        found += measured(work, {"outgrow": partial(process, command)}, "", repeats)
    for count in cells:
        with tempfile.TemporaryDirectory() as folder:
            process(["bench.starting", "fill", folder, f"{count}"])
            for what in ("plan", "run", "results"):
                command = ["bench.starting", what, folder, f"{count}"]
                work = {"plan": "planning", "run": "a run with all stored", "results": "results"}[what]
                found += measured(f"{work}, {count:,} cells", {"outgrow": partial(process, command)}, "", repeats)
    return [record for record in found if record.unit != "s of a core"]


def _work(what: str, folder: str, count: str) -> None:
    from bench.report import fill, grid
    from outgrow import api, graph
    from outgrow.experiment.grid import cells, targets
    from outgrow.report import results
    from outgrow.store import Store

    experiment, store = grid(int(count)), Store(folder)
    if what == "fill":
        fill(experiment, store, EXAMPLES)
    elif what == "plan":
        graph.plan(targets(cells(experiment)), Store(f"{folder}/empty"))
    elif what == "run":
        with api.executor("inline") as runner:
            outcome = graph.run(targets(cells(experiment)), store, runner)
        assert not outcome.computed, "something was not stored"
    else:
        results.read(experiment, store)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["nothing"]:
            Path()
        case ["import"]:
            import outgrow  # noqa: F401
        case ["fill" | "plan" | "run" | "results" as what, folder, count]:
            _work(what, folder, count)
        case _:
            from bench.tables import show

            show("starting", measure())
