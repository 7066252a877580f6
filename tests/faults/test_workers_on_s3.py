"""Ten workers on one S3 store whose server fails and whose workers are killed: each artifact is committed once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import s3fs
from faulty_proxy import Proxy, Request, at_rates
from s3_server import make_bucket, s3_server, use_server

from outgrow.executors.inline import Inline
from outgrow.graph import run
from outgrow.store import Store

sys.path.insert(0, str(Path(__file__).parent))

from worker import targets

DRIVER = Path(__file__).with_name("worker.py")


def start(url: str, name: str, cells: int, cache: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "OUTGROW_CACHE": str(cache / name)}
    command = [sys.executable, str(DRIVER), url, name, str(cells)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


# A silent server costs ten seconds, so it is rare.
RATES = {"500": 0.02, "503": 0.015, "403": 0.015, "late 500": 0.01, "lost": 0.015, "reset": 0.015, "truncated": 0.008}
RATES |= {"silent": 0.002}


class Counted:
    """Which requests fail, and how many of each kind there were, such as `LIST manifests`."""

    def __init__(self, rates: dict[str, float]) -> None:
        self._choose = at_rates(rates, seed=0)
        self.kinds: Counter[str] = Counter()

    def __call__(self, request: Request) -> str | None:
        listing = "list-type=2" in request.path
        named = request.path.replace("%2F", "/").partition("prefix=")[2] if listing else request.path
        where = next((each for each in ("manifests", "leases", "checkpoints") if f"/{each}" in named), "files")
        self.kinds[f"{'LIST' if listing else request.method} {where}"] += 1
        return self._choose(request)


def shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int, workers: int, kills: int
) -> tuple[list[str], Store, Counter[str], int]:
    """Run the cells with workers of which some are killed, each then started again. What all of them printed, the
    store's copy in a folder, requests by kind, and how many of them failed."""
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FSSPEC_S3", '{"config_kwargs": {"read_timeout": 10, "retries": {"max_attempts": 1}}}')
    monkeypatch.setenv("OUTGROW_TEST_FAR", "12.5" if cells > 100 else "2")
    rates = {name: rate for name, rate in RATES.items() if cells > 100 or name != "silent"}
    counted, rng = Counted(rates), random.Random(1)
    with s3_server() as server, Proxy(server, counted, silence=12.0) as proxy:
        url = f"s3://{make_bucket(server, tmp_path.name)}/prefix"
        use_server(monkeypatch, proxy.url)
        going = {f"w{i}": start(url, f"w{i}", cells, tmp_path) for i in range(workers)}
        outputs, victims, end = [], list(going)[:kills], time.monotonic() + 900
        while going:
            assert time.monotonic() < end
            time.sleep(0.5)
            if victims and rng.random() < 0.2:
                name = victims.pop()
                if going[name].poll() is None:
                    going[name].send_signal(signal.SIGKILL)
                    outputs.append(going.pop(name).communicate()[0])
                    going[f"{name}+"] = start(url, f"{name}+", cells, tmp_path)
            for name in [name for name, each in going.items() if each.poll() is not None]:
                outputs.append(going[name].communicate()[0])
                assert going.pop(name).returncode == 0, outputs[-1][-2000:]
        use_server(monkeypatch, server)
        s3fs.S3FileSystem.clear_instance_cache()
        Store(url).storage._opened[0].get(f"{url}/", str(tmp_path / "copy"), recursive=True)
    return outputs, Store(str(tmp_path / "copy")), counted.kinds, proxy.faults


def files_of(store: Store) -> dict[str, Any]:
    """The checksums of the files of every artifact, by key."""
    assert not store.check().damaged
    manifests = store.manifests(store.listing())
    return {key: {name: file[0] for name, file in each.files.items()} for key, each in manifests.items()}


def alone(tmp_path: Path, cells: int) -> Store:
    """The same computed by one process in a folder."""
    store = Store(str(tmp_path / "alone"))
    with Inline() as executor:
        assert not run(targets(cells), store, executor).failures
    return store


MANY = pytest.param(100, 5, 3, marks=[pytest.mark.slow, pytest.mark.timeout(1500)])


@pytest.mark.parametrize(("cells", "workers", "kills"), [(20, 2, 1), MANY])
def test_each_artifact_is_committed_once_whatever_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int, workers: int, kills: int
) -> None:
    outputs, store, kinds, failed = shared(tmp_path, monkeypatch, cells, workers, kills)
    assert files_of(store) == files_of(alone(tmp_path, cells))
    assert not any("Traceback" in output for output in outputs)
    # One commit each. A worker that is killed between its files and their manifest leaves files that nothing refers to.
    assert sum(len(store.storage.names(key)) - 1 for key in store.listing()) <= kills
    assert len(store.storage.names("leases")) <= kills  # of killed workers, whose steps others had done by then
    assert failed > 0.05 * kinds.total()
    print(f"{cells} cells, {workers} workers: {kinds.total()} requests, {failed} failed: {dict(kinds.most_common())}")
