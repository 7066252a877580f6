"""How long planning takes: `python bench/planning.py [CELLS ...]`, by default 10 to 10,000 cells.

Columns: cells of the grid, steps they mean, and the seconds of `cells`, of a plan with an empty store, and of a plan
with a store that holds everything.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fakes import FakeLoss, FakeMethod, FakeModel, FakeTask

from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells, targets
from outgrow.experiment.technique import Technique
from outgrow.graph import Step, identity, plan, walk
from outgrow.store import Manifest, Store, versions

SMALL, MEDIUM, LARGE = (FakeModel(size=size).pinned() for size in ("small", "medium", "large"))


def grid(count: int) -> Experiment:
    """Two supervisors, two students, up to ten techniques, and as many seeds as it takes."""
    techniques = min(10, max(1, count // 4))
    return Experiment(
        tasks=(FakeTask(digest="fake"),),
        weak=(SMALL, MEDIUM),
        strong=(MEDIUM, LARGE),
        methods=tuple(Technique(label=f"loss {i}", loss=FakeLoss(weight=i / 10)) for i in range(techniques)),
        seeds=tuple(range(max(1, count // (4 * techniques)))),
        recipes={("fakes", model.name): FakeMethod() for model in (SMALL, MEDIUM, LARGE)},
    )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def finished(steps: tuple[Step[Any], ...], folder: Path) -> Store:
    """A store that holds a manifest of each step, and nothing else: planning looks no further."""
    (folder / "manifests").mkdir(parents=True)
    for step in steps:
        made = Manifest(
            key=step.key, prefix="0" * 32, identity=identity(step), files={}, provenance={"versions": versions()}
        )
        (folder / "manifests" / f"{step.key}.json").write_bytes(made.dump())
    return Store(str(folder))


def main() -> None:
    print(f"{'cells':>8} {'steps':>8} {'cells':>8} {'empty':>8} {'finished':>8}")
    for count in map(int, sys.argv[1:] or ("10", "100", "1000", "10000")):
        with tempfile.TemporaryDirectory() as folder:
            experiment = grid(count)
            made, found = timed(lambda experiment=experiment: cells(experiment))  # type: ignore[misc]
            empty, going = timed(lambda: plan(targets(found), Store(folder)))  # noqa: B023
            store = finished(walk(targets(found)), Path(folder) / "finished")
            full, done = timed(lambda: plan(targets(found), store))  # noqa: B023
            assert not done.todo
            print(f"{len(found):8} {len(going.todo):8} {made:8.2f} {empty:8.2f} {full:8.2f}")


if __name__ == "__main__":
    main()
