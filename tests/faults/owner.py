"""A run whose leases expire soon, as a process of its own to be suspended and robbed: `owner.py STORE inline|pool`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from toys import Chain

from outgrow.executors.base import Executor
from outgrow.executors.inline import Inline
from outgrow.executors.pool import Pool
from outgrow.graph import Step, run
from outgrow.store import Store, lease

lease.BEAT, lease.PATIENCE = 0.1, 1.5  # workers of a pool import this file too
STEPS = (
    Chain(seed=1, pieces=250),
    Chain(seed=2, pieces=250, after=Chain(seed=1, pieces=250)),
    Chain(seed=3, pieces=250),
)


def main() -> int:
    steps: tuple[Step[object], ...] = STEPS
    executor: Executor = Pool(2) if sys.argv[2] == "pool" else Inline()
    with executor:
        outcome = run(
            steps,
            Store(sys.argv[1]),
            executor,
            watch=lambda event: event.kind != "progress" and print(event.kind, event.key, event.text, flush=True),  # type: ignore[arg-type]
        )
    for failure in outcome.failures:
        print("user error" if failure.user_error else "TRACEBACK", failure.error_text, flush=True)
    return len(outcome.failures)


if __name__ == "__main__":
    sys.exit(main())
