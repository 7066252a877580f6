"""A run of toy steps as a process of its own, to be killed: `driver.py STORE inline|pool`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from toys import Chain

from outgrow.executors.base import Executor
from outgrow.executors.inline import Inline
from outgrow.executors.pool import Pool
from outgrow.graph import Event, Step, run
from outgrow.store import Store


def targets(pieces: int) -> list[Step[Any]]:
    base = Chain(seed=0, pieces=pieces)
    return [*(Chain(seed=seed, pieces=pieces, after=base) for seed in (1, 2)), Chain(seed=3, pieces=pieces)]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("store")
    parser.add_argument("executor", choices=("inline", "pool"))
    parser.add_argument("--pieces", type=int, default=40)
    options = parser.parse_args()

    def watch(event: Event) -> None:
        if event.kind != "progress":
            print(event.kind, event.key, flush=True)

    executor: Executor = Pool(2) if options.executor == "pool" else Inline()
    with executor:
        outcome = run(targets(options.pieces), Store(options.store), executor, watch=watch)
    for step in outcome.computed:
        print("computed", step.key)
    for failure in outcome.failures:
        print(failure.error_text)
    return len(outcome.failures)


if __name__ == "__main__":
    sys.exit(main())
