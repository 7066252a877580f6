"""Fits of a tiny model on a disk that fails, as a process of its own: `failing_disk.py FOLDER RUNS SEED`.

Each run has a store of its own, in which some calls of the system fail, as `failing_disk.c` can make them. It prints a
line for each run, and at the end how many calls failed in how many runs.
"""

from __future__ import annotations

import ctypes
import errno
import random
import sys
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import tiny
from text_files import reviews, write_jsonl

from outgrow.executors.inline import Inline
from outgrow.experiment.data import Gold, Prepare
from outgrow.experiment.steps import Fit, predicted
from outgrow.graph import Step, run, walk
from outgrow.methods.finetune import Finetune
from outgrow.models.hf import HF
from outgrow.store import Store, lease
from outgrow.tasks.text import Text

DISK = ctypes.CDLL(None)
CALLS = {"write": 1, "sync": 2, "open": 4, "move": 8, "make": 16, "any": 31}
CODES = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS)
FOREVER = 10**6
lease.PATIENCE = 0.5  # the owner of a lease that could not be removed is this process itself


def targets(folder: Path) -> tuple[Step[Any], ...]:
    """A fit that saves its model at every check, and its predictions."""
    task = Text(path=str(write_jsonl(folder / "t.jsonl", reviews(200))), prompt="{body}", label="sentiment")
    model = HF(size=str(tiny.checkpoint(folder / "model"))).pinned()
    task = task.pinned()
    parts = [Prepare(task=task, split=split, n=n) for split, n in (("transfer", 20), ("validation", 4))]  # type: ignore[arg-type]
    fit = Fit(
        model=model,
        readout="head",
        method=Finetune(epochs=2, checks=2, precision="fp32"),
        examples=parts[0],
        labels=Gold(examples=parts[0]),
        validation=parts[1],
        validation_labels=Gold(examples=parts[1]),
    )
    return (predicted(fit, parts[1]),)


def files(store: Store, wanted: tuple[Step[Any], ...]) -> dict[str, Any]:
    return {step.key: store.manifest(step.key).files for step in walk(wanted) if store.fetch(step.key)}


def calls_of(folder: Path, wanted: tuple[Step[Any], ...], name: str) -> int:
    """How many calls of a kind a run makes."""
    store = Store(str(folder / f"counted-{name}"))
    DISK.set_fault(store.url.encode(), CALLS[name], FOREVER, 1, errno.EIO)
    with Inline() as inline:
        assert not run(wanted, store, inline).failures
    return int(DISK.calls_seen())


def broken(
    store: Store, wanted: tuple[Step[Any], ...], rng: random.Random, calls: dict[str, int]
) -> tuple[str, int, list[str]]:
    """A run while calls fail: what was done to it, how many calls failed, and what is wrong with how it ended."""
    name = rng.choice(list(CALLS))
    code = rng.choice(CODES) if name != "write" or rng.random() < 0.8 else 0
    first, many = rng.randrange(calls[name]), rng.choice((1, 1, 2, 5, FOREVER))
    what = f"{name} {errno.errorcode.get(code, 'short')} from {first}, {many} times"
    DISK.set_fault(store.url.encode(), CALLS[name], first, many, code)
    wrong: list[str] = []
    try:
        with Inline() as inline:
            outcome = run(wanted, store, inline)
        wrong += [
            f"{each.step.key}: {each.error_text[-300:]}"
            for each in outcome.failures
            if not each.user_error or "\n" in each.error_text or not each.error_text.strip()
        ]
    except Exception as error:
        if type(error).__name__ not in ("UserError", "StoreError"):
            wrong.append("".join(traceback.format_exception(error))[-600:])
    failed = int(DISK.calls_failed())
    DISK.set_fault(b"", 0, 0, 0, 0)
    return what, failed, wrong


def main() -> int:
    folder, runs, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    folder.mkdir(parents=True, exist_ok=True)
    wanted = targets(folder)
    reference = Store(str(folder / "reference"))
    with Inline() as inline:
        assert not run(wanted, reference, inline).failures
    calls, expected = {name: calls_of(folder, wanted, name) for name in CALLS}, files(reference, wanted)
    found = failed = hit = 0
    for number in range(runs):
        store = Store(str(folder / f"store-{number}"))
        what, broke, wrong = broken(store, wanted, rng, calls)
        with Inline() as inline:
            outcome = run(wanted, store, inline)
        wrong += [each.error_text for each in outcome.failures]
        if not outcome.failures and files(store, wanted) != expected:
            wrong.append("another result than on a disk that works")
        failed, hit, found = failed + broke, hit + bool(broke), found + bool(wrong)
        print(f"{number}: {what}: {broke} failed", *wrong, sep="\n  ", flush=True)
    print(f"calls {calls}, runs {runs}, of which {hit} met {failed} faults; {found} went wrong")
    return found


if __name__ == "__main__":
    sys.exit(main())
