"""One worker of many on a store, as a process of its own: `worker.py STORE NAME CELLS`."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from toys import Add, Const, Weight

from outgrow.executors.inline import Inline
from outgrow.graph import Resources, Step, Worker, run
from outgrow.store import Store

running = importlib.import_module("outgrow.graph.run")  # the module, not the function of its name


def targets(cells: int) -> list[Step[Any]]:
    """A score for each cell, of a student that reads one of twenty supervisors."""
    supervisors = [Add(terms=(Const(value=i),)) for i in range(20)]
    students = [Add(terms=(supervisors[i % 20],), weight=Weight(value=i)) for i in range(cells)]
    return [Add(terms=(student,), weight=Weight(value=0.5)) for student in students]


def main() -> int:
    store, name, cells = sys.argv[1:]
    running.FAR = float(os.environ.get("OUTGROW_TEST_FAR", running.FAR))
    with Inline() as executor:
        outcome = run(targets(int(cells)), Store(store), executor, worker=Worker(name=name, resources=Resources()))
    print(f"{name}: {len(outcome.computed)} computed, {len(outcome.cached)} found, idle {outcome.idle:.0%}")
    for failure in outcome.failures:
        print(failure.error_text)
    return len(outcome.failures) + len(outcome.skipped)


if __name__ == "__main__":
    sys.exit(main())
