"""How long the numbers of a large experiment take and how much memory: `python -m bench.report [students] [examples]`.

The store is filled with invented scores and predictions, nothing is trained. Memory is the peak of what Python and
numpy allocate while all records are made.
"""

from __future__ import annotations

import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.experiment.scoring import Score
from outgrow.experiment.technique import Technique
from outgrow.graph import Settings, Step, identity
from outgrow.methods.finetune import Finetune
from outgrow.models.base import Model
from outgrow.report.results import Results, read
from outgrow.store import Store, versions
from outgrow.tasks.base import Readout, Task
from outgrow.types import Example, Examples, Labels, Scores

SEEDS, METHODS = 5, 4


@dataclass(frozen=True, kw_only=True)
class Invented(Task):
    readout: ClassVar[Readout] = "tokens"

    def pinned(self) -> Self:
        return self


@dataclass(frozen=True, kw_only=True)
class Nobody(Model):
    @property
    def name(self) -> str:
        return f"nobody/{self.size}"

    def pinned(self) -> Self:
        return self

    def folder(self, settings: Settings) -> Path:
        return Path("/nonexistent")


def grid(students: int) -> Experiment:
    """As many students as asked for, or a few more: of one supervisor, five seeds and four methods."""
    sizes = range(1, -(-students // (SEEDS * METHODS)) + 1)
    return Experiment(
        tasks=(Invented(),),
        weak=(Nobody(size="0"),),
        strong=tuple(Nobody(size=str(size)) for size in sizes),
        methods=tuple(Technique(label=f"method {i}", fit=Finetune(epochs=i + 1)) for i in range(METHODS)),
        seeds=tuple(range(SEEDS)),
    )


def fill(experiment: Experiment, store: Store, examples: int) -> None:
    """Commit what a report reads: scores of about 0.5, 0.7 and 0.9, predictions, test examples."""
    rng = np.random.default_rng(0)
    ids, groups = tuple(f"row-{i}" for i in range(examples)), tuple(f"group-{i // 2}" for i in range(examples))
    rows = tuple(Example(id=id, group=group, prompt=f"question {id}", choices=("no", "yes"))
                 for id, group in zip(ids, groups, strict=True))  # fmt: skip
    done: set[str] = set()

    def commit(step: Step[Any], artifact: Examples | Labels | Scores) -> None:
        if step.key not in done:
            done.add(step.key)
            store.commit(step.key, artifact.save, identity=identity(step), provenance={"versions": versions()})

    for role, score in _scores(experiment):
        right = rng.random(examples) < {"floor": 0.5, "student": 0.7, "ceiling": 0.9}.get(role, 0.6)
        probs = np.stack([right, ~right], axis=1).astype(np.float64)
        commit(score, Scores(ids=ids, groups=groups, correct=right.astype(np.float64)))
        commit(score.predictions, Labels.from_rows(ids, probs))
        commit(score.examples, Examples(rows=rows))


def _scores(experiment: Experiment) -> Iterator[tuple[str, Score]]:
    for cell in cells(experiment):
        for role, score in vars(cell).items():
            if isinstance(score, Score):
                yield role, score


def measured(experiment: Experiment, store: Store) -> tuple[Results, float, float]:
    """The results, seconds, and the peak in MB."""
    started = time.perf_counter()
    found = read(experiment, store)
    seconds = time.perf_counter() - started
    tracemalloc.start()
    read(experiment, store)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return found, seconds, peak


def main(students: int = 1000, examples: int = 1000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        experiment, store = grid(students), Store(folder)
        fill(experiment, store, examples)
        started = time.perf_counter()
        cells(experiment)
        planned = time.perf_counter() - started
        found, seconds, peak = measured(experiment, store)
        print(f"{len(found.grid)} students, {examples} test examples: records in {seconds:.1f} s "
              f"({planned:.1f} s of it for the grid), peak {peak:.0f} MB", flush=True)  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
