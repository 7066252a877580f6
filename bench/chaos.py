"""Workers on one S3 store whose server fails and that are killed: nothing is lost, and each artifact is committed once.

    python -m bench.chaos 1000 10                # cells, workers
    python -m bench.chaos 100 5 --kills 5 --every 4 --look 2

A tenth of all requests fails, of every kind, on its way through a proxy to an S3 server (moto) on this machine. Workers
are killed (SIGKILL) at random moments, and another is started for each. At the end every artifact is compared with what
one process computes in a folder.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.cells import targets
from bench.sharing import kind_of_request
from bench.turns import ROOT

sys.path.insert(0, str(ROOT / "tests"))

from faulty_proxy import Proxy, Request, at_rates
from s3_server import ENVIRONMENT, PROXIES, make_bucket, s3_server

# A silent server costs a worker ten seconds, so it is rare.
RATES = {"500": 0.015, "503": 0.015, "403": 0.015, "EIO": 0.01, "late 500": 0.01, "lost": 0.01, "reset": 0.015}
RATES |= {"truncated": 0.008, "silent": 0.002}
TIMEOUT, SILENCE = 10, 12.0  # seconds that a client waits for an answer, and that a silent server gives none


@dataclass(frozen=True, kw_only=True)
class Size:
    """kills: how many workers are killed, after `every` seconds on average. look: seconds between two looks of a worker
    that waits. minutes: after which all is stopped."""

    cells: int
    workers: int
    kills: int
    every: float = 20.0
    look: float = 12.5
    minutes: float = 40.0
    rates: dict[str, float] = field(default_factory=lambda: dict(RATES))


@dataclass(frozen=True, kw_only=True)
class Ended:
    """outputs: what each worker printed. codes: with what they exited, those that were not killed. requests: by kind,
    such as `LIST manifests`; faults: by kind and fault. stored: the checksums of the files of each artifact. left:
    files that no manifest names; leases: of workers that were killed. in_time: whether all workers ended."""

    outputs: list[str]
    codes: list[int]
    killed: int
    requests: Counter[str]
    faults: Counter[tuple[str, str]]
    stored: dict[str, dict[str, str]]
    damaged: int
    left: int
    leases: int
    seconds: float
    in_time: bool


class Chooser:
    """Which requests fail, and how many of each kind there were."""

    def __init__(self, rates: dict[str, float]) -> None:
        self._choose = at_rates(rates, seed=0)
        self.requests: Counter[str] = Counter()
        self.faults: Counter[tuple[str, str]] = Counter()

    def __call__(self, request: Request) -> str | None:
        kind = kind_of_request(request)
        fault: str | None = self._choose(request)
        self.requests[kind] += 1
        if fault:
            self.faults[kind, fault] += 1
        return fault


def chaos(size: Size, folder: Path) -> Ended:
    """Run the cells with workers of which some are killed."""
    chooser, started = Chooser(size.rates), time.monotonic()
    with s3_server() as server, Proxy(server, chooser, silence=SILENCE) as proxy:
        url = f"s3://{make_bucket(server, f'chaos-{os.getpid()}-{size.cells}')}/runs"
        with _environment(proxy.url, folder / "cache"):
            outputs, codes, killed = _worked(size, url, folder, chooser)
        seconds = time.monotonic() - started
        with _environment(server, folder / "cache"):
            found = _stored(url, folder / "copy")
    return Ended(
        outputs=outputs,
        codes=codes,
        killed=killed,
        requests=chooser.requests,
        faults=chooser.faults,
        seconds=seconds,
        in_time=len(codes) == size.workers,
        **found,
    )


def _worked(size: Size, url: str, folder: Path, chooser: Chooser) -> tuple[list[str], list[int], int]:
    """What all workers printed, the exit codes of those that ended, and how many were killed: from the first commit
    on."""
    rng, end = random.Random(1), time.monotonic() + 60 * size.minutes
    logs, codes, killed = list[Path](), list[int](), 0
    going: dict[str, subprocess.Popen[bytes]] = {}
    with ExitStack() as files:

        def start(name: str) -> None:
            logs.append(folder / f"{name}.log")
            log = files.enter_context(logs[-1].open("wb"))
            command = [sys.executable, "-m", "bench.chaos", "--work", url, name, str(size.look), str(size.cells)]
            environment = {**os.environ, "OUTGROW_CACHE": str(folder / name)}
            going[name] = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)

        for i in range(size.workers):
            start(f"w{i}")
        next_kill: float | None = None
        while going and time.monotonic() < end:
            time.sleep(0.2)
            for name in [name for name, each in going.items() if each.poll() is not None]:
                codes.append(going.pop(name).returncode)
            if next_kill is None and chooser.requests["PUT manifests"]:
                next_kill = time.monotonic() + rng.expovariate(1 / size.every)
            if next_kill and time.monotonic() > next_kill and going and killed < size.kills:
                name = rng.choice(sorted(going))
                going[name].send_signal(signal.SIGKILL)
                going.pop(name).wait()
                killed, next_kill = killed + 1, time.monotonic() + rng.expovariate(1 / size.every)
                start(f"{name}+")
        for each in going.values():
            each.kill()
            each.wait()
    return [log.read_text(errors="replace") for log in logs], codes, killed


def _stored(url: str, copy: Path) -> dict[str, Any]:
    """What is in the store, read from a copy of all its files."""
    import s3fs

    from outgrow.store import Store

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().get(f"{url}/", str(copy), recursive=True)
    store = Store(str(copy))
    keys = store.listing()
    return {
        "stored": checksums(copy),
        "damaged": len(store.check().damaged),
        "left": sum(len(store.storage.names(key)) - 1 for key in keys),
        "leases": len(store.storage.names("leases")),
    }


def checksums(folder: Path) -> dict[str, dict[str, str]]:
    """The checksums of the files of every artifact of a store, by key."""
    from outgrow.store import Manifest, Store

    store = Store(str(folder))
    manifests = store.manifests(store.listing())
    each = {key: manifest for key, manifest in manifests.items() if isinstance(manifest, Manifest)}
    return {key: {name: file[0] for name, file in manifest.files.items()} for key, manifest in each.items()}


def alone(cells: int, folder: Path) -> dict[str, dict[str, str]]:
    """The checksums of the same steps, computed by one process in a folder."""
    from outgrow.executors.inline import Inline
    from outgrow.graph import run
    from outgrow.store import Store

    with Inline() as executor:
        assert not run(targets(cells, 0.0), Store(str(folder)), executor).failures
    return checksums(folder)


def wrong(ended: Ended, expected: dict[str, dict[str, str]]) -> list[str]:
    """What is not as it should be, one line each. A worker that is killed between its files and their manifest leaves
    files that nothing refers to, and its lease, which is removed when its steps are needed."""
    stored = ended.stored
    checks = {
        "the workers did not end in time": not ended.in_time,
        f"{sum(map(bool, ended.codes))} workers ended with an error": any(ended.codes),
        f"{len(expected.keys() - stored.keys())} artifacts are lost": bool(expected.keys() - stored.keys()),
        f"{len(stored.keys() - expected.keys())} artifacts nobody asked for": bool(stored.keys() - expected.keys()),
        "artifacts differ": any(stored[key] != expected[key] for key in stored.keys() & expected.keys()),
        f"{ended.damaged} artifacts are damaged": bool(ended.damaged),
        f"{ended.left} artifacts have files of two commits": ended.left > ended.killed,
        f"{ended.leases} leases are left": ended.leases > ended.killed,
        "a worker printed a traceback": any("Traceback" in output for output in ended.outputs),
        "too few requests failed": ended.faults.total() < 0.05 * ended.requests.total(),
    }
    return [what for what, is_so in checks.items() if is_so]


def table(size: Size, ended: Ended, problems: list[str]) -> str:
    """What happened, as Markdown."""
    each: Counter[str] = Counter()
    methods: Counter[str] = Counter()
    for (kind, fault), number in ended.faults.items():
        each[fault] += number
        methods["listings" if kind.startswith("LIST") else "reads" if kind[0] in "GH" else "writes"] += number
    steps = 2 * size.cells + 20
    rows = {
        "cells, steps, workers": f"{size.cells:,}, {steps:,}, {size.workers}",
        "artifacts stored": f"{len(ended.stored):,}",
        "workers killed": f"{ended.killed}",
        "requests": f"{ended.requests.total():,} ({ended.requests.total() / steps:.1f} a step)",
        "of these failed": f"{ended.faults.total():,} ({ended.faults.total() / ended.requests.total():.1%})",
        "by request": ", ".join(f"{number} {what}" for what, number in methods.most_common()),
        "by fault": ", ".join(f"{number} × {fault}" for fault, number in each.most_common()),
        "commits cut off by a kill": f"{ended.left}",
        "minutes": f"{ended.seconds / 60:.1f}",
        "wrong": "; ".join(problems) or "nothing",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


@contextmanager
def _environment(server: str, cache: Path) -> Iterator[None]:
    """Clients of S3 use the server in the `with` block."""
    import s3fs

    options = {"config_kwargs": {"read_timeout": TIMEOUT, "retries": {"max_attempts": 1}}}
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    given = {**ENVIRONMENT, "AWS_ENDPOINT_URL": server, "FSSPEC_S3": json.dumps(options), "PYTHONPATH": paths}
    given["OUTGROW_CACHE"] = str(cache)
    before = dict(os.environ)
    os.environ.update(given)
    for name in PROXIES:
        os.environ.pop(name, None)
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        s3fs.S3FileSystem.clear_instance_cache()


def work(url: str, name: str, look: float, cells: int) -> int:
    """One worker, in a process of its own."""
    import importlib

    from outgrow.executors.inline import Inline
    from outgrow.graph import Resources, Worker
    from outgrow.store import Store
    from outgrow.types import UserError

    running = importlib.import_module("outgrow.graph.run")
    vars(running)["FAR"] = look
    worker = Worker(name=name, resources=Resources())
    try:
        with Inline() as executor:
            outcome = running.run(targets(cells, 0.0), Store(url), executor, worker=worker)
    except UserError as error:  # as the command line has it
        print(f"error: {error}")
        return 2
    print(f"{name}: {len(outcome.computed)} computed, {len(outcome.cached)} found, idle {outcome.idle:.0%}")
    for failure in outcome.failures:
        print(failure.error_text)
    return len(outcome.failures) + len(outcome.skipped)


def main() -> int:
    if sys.argv[1:2] == ["--work"]:
        url, name, look, cells = sys.argv[2:]
        return work(url, name, float(look), int(cells))
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cells", type=int)
    parser.add_argument("workers", type=int)
    parser.add_argument("--kills", type=int)
    for name in ("every", "look", "minutes"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Size, name))
    given = vars(parser.parse_args())
    size = Size(**{**given, "kills": given["kills"] if given["kills"] is not None else 2 * given["workers"]})
    with tempfile.TemporaryDirectory() as temporary:
        ended = chaos(size, Path(temporary))
        problems = wrong(ended, alone(size.cells, Path(temporary) / "alone"))
    print(table(size, ended, problems))
    return len(problems)


if __name__ == "__main__":
    sys.exit(main())
