"""How cost grows: 10,000 steps planned, 1,000 cells that are stored, a small step, a file of 1M rows, a listing on S3.

`python -m bench.growth` prints the table. On a busy machine seconds on the clock say little: "s of a core" is the time
that processors worked.
"""

from __future__ import annotations

import csv
import os
import resource
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from bench.turns import Measured, measured, process

CELLS, STEPS, ROWS, ARTIFACTS = 1_000, 10_000, 1_000_000, 10_000
SMALL = 200  # small steps in a warm pool
WORDS = 5_000


def measure() -> list[Measured]:
    found: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        process(["bench.growth", "write", folder])
        for work, what in (
            (f"planning about {STEPS:,} steps", "plan"),
            (f"a run of {CELLS:,} cells, all stored", "run"),
            (f"results of {CELLS:,} cells", "results"),
            (f"preparing a split of a file of {ROWS:,} rows", "prepare"),
            ("the same, once the machine has read the file", "prepare"),
        ):
            found += measured(work, {"outgrow": partial(process, ["bench.growth", what, folder])}, "", 1)
    found.append(Measured(work="a small step in a warm pool of one", unit="s", values={"outgrow": [_small_step()]}))
    requests = _listing_requests()
    found.append(
        Measured(work=f"listing {ARTIFACTS:,} artifacts on S3", unit="requests", values={"outgrow": [requests]})
    )
    return found


def _small_step() -> float:
    """Seconds a step that does nothing, once the process of the pool has imported all that it needs."""
    from bench.cells import targets
    from outgrow.executors.pool import Pool
    from outgrow.graph import run, walk
    from outgrow.store import Store

    with tempfile.TemporaryDirectory() as folder, Pool(1) as pool:
        run(targets(1, 0.0), Store(f"{folder}/warm"), pool)
        steps = targets(SMALL // 2, 0.0)
        started = time.perf_counter()
        outcome = run(steps, Store(f"{folder}/measured"), pool)
        assert len(outcome.computed) == len(walk(steps)), outcome.failures
        return (time.perf_counter() - started) / len(outcome.computed)


def _listing_requests() -> float:
    """Requests to S3 for the keys of all artifacts of a store."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from faulty_proxy import Proxy
    from s3_server import ENVIRONMENT, PROXIES, make_bucket, s3_server

    from outgrow.store import Store

    for name in PROXIES:
        os.environ.pop(name, None)
    number = 0

    def count(request: object) -> None:
        nonlocal number
        number += 1

    with s3_server() as server, Proxy(server, count) as proxy:
        bucket = make_bucket(server, "growth")
        _put_manifests(bucket)
        os.environ.update({**ENVIRONMENT, "AWS_ENDPOINT_URL": proxy.url})
        assert len(Store(f"s3://{bucket}/runs").listing()) == ARTIFACTS
    return number


def _put_manifests(bucket: str) -> None:
    """So many manifests, put into the memory of the server, which runs in this process."""
    from moto.s3.models import s3_backends

    backend = s3_backends["123456789012"]["aws"]
    for i in range(ARTIFACTS):
        backend.put_object(bucket, f"runs/manifests/fit-{i:012x}.json", b"{}")


def _write(folder: Path) -> None:
    from bench.report import fill, grid
    from outgrow.store import Store

    fill(grid(CELLS), Store(str(folder / "cells")), 500)
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(WORDS)])
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for _ in range(ROWS // 10_000):
            for row in words[rng.integers(0, WORDS, (10_000, 20))]:
                writer.writerow([" ".join(row), "good" if row[0] < "w3" else "bad"])


def _work(what: str, folder: Path) -> None:
    if what == "plan":
        from bench.planning import grid as fakes
        from outgrow.experiment.grid import cells, targets
        from outgrow.graph import plan
        from outgrow.store import Store

        going = plan(targets(cells(fakes(STEPS // 4))), Store(str(folder / "empty")))
        assert len(going.todo) >= 0.9 * STEPS, len(going.todo)
    elif what in ("run", "results"):
        from bench.report import grid
        from outgrow import api, graph
        from outgrow.experiment.grid import cells, targets
        from outgrow.report import results
        from outgrow.store import Store

        experiment, store = grid(CELLS), Store(str(folder / "cells"))
        if what == "results":
            results.read(experiment, store)
            return
        with api.executor("inline") as runner:
            assert not graph.run(targets(cells(experiment)), store, runner).computed
    else:
        from outgrow.tasks.text import Text

        os.environ["OUTGROW_CACHE"] = str(folder / "cache")  # which is empty the first time
        task = Text(path=str(folder / "rows.csv"), prompt="{text}", label="label").pinned()
        assert len(task.examples("transfer", 1000, 0, 0, frozenset())) == 1000
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", folder]:
            _write(Path(folder))
        case ["plan" | "run" | "results" | "prepare" as what, folder]:
            _work(what, Path(folder))
        case _:
            from bench.tables import show

            show("growth", measure())
