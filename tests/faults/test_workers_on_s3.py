"""Ten workers on one S3 store whose server fails and whose workers are killed: each artifact is committed once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from s3_server import Faults, bucket, environment, served

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


def shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int, workers: int, kills: int, faults: Faults
) -> tuple[list[str], dict[str, Any], set[str], dict[str, Any]]:
    """Run the cells with workers of which some are killed, each then started again. Returns what all of them printed
    and the store."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    rate, faults.rate = faults.rate, 0.0
    with served(faults) as server:
        for name, value in environment(server).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
        url, rng = f"s3://{bucket(server, 'shared')}/prefix", random.Random(1)
        faults.rate = rate
        going = {f"w{i}": start(url, f"w{i}", cells, tmp_path) for i in range(workers)}
        outputs, victims, end = [], list(going)[:kills], time.monotonic() + 900
        while going:
            assert time.monotonic() < end
            time.sleep(0.5)
            if victims and rng.random() < 0.2:
                name = victims.pop()
                if name in going and going[name].poll() is None:
                    going[name].send_signal(signal.SIGKILL)
                    outputs.append(going.pop(name).communicate()[0])
                    going[f"{name}+"] = start(url, f"{name}+", cells, tmp_path)
            for name in [name for name, each in going.items() if each.poll() is not None]:
                outputs.append(going[name].communicate()[0])
                assert going.pop(name).returncode == 0, outputs[-1][-2000:]
        faults.rate = 0.0
        store = Store(url)
        manifests = store.manifests(store.listing())
        leases = store.storage.names("leases")
        found = {key: {name: file[0] for name, file in each.files.items()} for key, each in manifests.items()}
        files = store.storage.files("")
    return outputs, found, leases, files


def alone(tmp_path: Path, cells: int) -> dict[str, Any]:
    store = Store(str(tmp_path / "alone"))
    with Inline() as executor:
        assert not run(targets(cells), store, executor).failures
    return {
        key: {name: file[0] for name, file in each.files.items()}
        for key, each in store.manifests(store.listing()).items()
    }


MANY = pytest.param(1000, 10, 6, marks=[pytest.mark.slow, pytest.mark.timeout(1500)])


@pytest.mark.parametrize(("cells", "workers", "kills"), [(40, 3, 1), MANY])
def test_each_artifact_is_committed_once_whatever_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int, workers: int, kills: int
) -> None:
    faults = Faults(rate=0.1)
    outputs, found, leases, files = shared(tmp_path, monkeypatch, cells, workers, kills, faults)
    assert found == alone(tmp_path, cells)
    assert not any("Traceback" in output for output in outputs)
    committed = [path for path in files if path.startswith("manifests/") and path.endswith(".json")]
    assert len(committed) == len(found)
    assert len(leases) <= kills  # those of killed workers whose steps others had done by then
    assert sum(faults.failed.values()) > 0.05 * sum(faults.asked.values())
    (tmp_path / "requests.json").write_text(json.dumps(faults.asked, indent=1))
    print(dict(faults.asked.most_common()), dict(faults.failed))
