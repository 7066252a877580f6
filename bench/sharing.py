"""Workers that share a store on S3, beside a pool on a folder: time, and requests by kind.

    python -m bench.sharing 1000

The S3 server (moto) and a proxy that counts requests run on this machine, which costs the workers time that a remote
server would not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from faulty_proxy import Proxy, Request
from s3_server import ENVIRONMENT, PROXIES, make_bucket, s3_server

from bench.cells import targets
from outgrow.executors.pool import Pool
from outgrow.graph import run
from outgrow.store import Store

SECONDS = 0.25  # that a step waits
WORKERS = 2
WORKER = """
import sys
from bench.cells import targets
from outgrow.executors.inline import Inline
from outgrow.graph import Resources, Worker, run
from outgrow.store import Store
url, name, cells, seconds = sys.argv[1:]
with Inline() as executor:
    worker = Worker(name=name, resources=Resources())
    outcome = run(targets(int(cells), float(seconds)), Store(url), executor, worker=worker)
sys.exit(len(outcome.failures) + len(outcome.skipped))
"""


def pooled(cells: int, seconds: float, folder: Path) -> float:
    """The seconds of a pool of as many workers, on a folder."""
    started = time.monotonic()
    with Pool(WORKERS) as pool:
        outcome = run(targets(cells, seconds), Store(str(folder)), pool)
    assert not outcome.failures, outcome.failures
    return time.monotonic() - started


def shared(cells: int, seconds: float, cache: Path) -> tuple[float, Counter[str]]:
    """The seconds of workers on S3, and the requests by kind."""
    kinds: Counter[str] = Counter()

    def count(request: Request) -> None:
        kinds[kind_of_request(request)] += 1

    with s3_server() as server, Proxy(server, count) as proxy:
        url = f"s3://{make_bucket(server, f'cells-{cells}-{os.getpid()}')}/runs"
        cleared = {name: value for name, value in os.environ.items() if name not in PROXIES}
        paths = os.pathsep.join([str(Path(__file__).parents[1]), cleared.get("PYTHONPATH", "")])
        environment = {**cleared, **ENVIRONMENT, "AWS_ENDPOINT_URL": proxy.url, "PYTHONPATH": paths}
        started = time.monotonic()
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, url, f"w{i}", str(cells), str(seconds)],
                env={**environment, "OUTGROW_CACHE": str(cache / f"w{i}")},
            )
            for i in range(WORKERS)
        ]
        codes = [worker.wait() for worker in workers]
        took = time.monotonic() - started
    assert codes == [0] * WORKERS, codes
    return took, kinds


def kind_of_request(request: Request) -> str:
    listing = "list-type=2" in request.path
    named = request.path.replace("%2F", "/").partition("prefix=")[2] if listing else request.path
    where = next((each for each in ("manifests", "leases", "checkpoints") if f"/{each}" in named), "files")
    return f"{'LIST' if listing else request.method} {where}"


def main() -> None:
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        alone = pooled(cells, SECONDS, folder / "pool")
        together, kinds = shared(cells, SECONDS, folder)
    steps = 2 * cells + 20
    print(f"| {cells} cells, {steps} steps of {SECONDS} s, {WORKERS} processes | seconds | steps a second |")
    print("|---|---:|---:|")
    print(f"| pool on a folder | {alone:.0f} | {steps / alone:.2f} |")
    print(f"| workers on S3 | {together:.0f} | {steps / together:.2f} |")
    print(f"\nThroughput on S3 is {alone / together:.0%} of the pool's; load average {os.getloadavg()[0]:.1f}.")
    print("\n| request | number | a step |\n|---|---:|---:|")
    for kind, number in kinds.most_common():
        print(f"| {kind} | {number} | {number / steps:.2f} |")
    print(f"| all | {kinds.total()} | {kinds.total() / steps:.2f} |")


if __name__ == "__main__":
    main()
