"""One owner at a time, whoever dies, sleeps or writes nonsense."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from toys import Blob

from outgrow.store import Store, lease
from outgrow.store.place import Place

KEY = "const-0123456789ab"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def commit(store: Store, key: str = KEY, data: bytes = b"data") -> bool:
    return store.commit(key, Blob(data).save, identity={"value": 1.5}, provenance={"seconds": 2.0})


def test_a_live_owner_is_waited_for(store: Store) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def tell(owner: str) -> None:
        order.append(owner)
        waiting.set()

    def second() -> None:
        with store.lease(KEY, tell):
            order.append("second")

    with store.lease(KEY):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(5)
        order.append("first done")
    thread.join(5)
    assert order[1:] == ["first done", "second"]
    assert str(os.getpid()) in order[0]
    assert store.place.names("leases") == set()


def test_a_waiter_goes_on_when_the_artifact_is_there(store: Store) -> None:
    with store.lease(KEY):
        commit(store)
        with store.lease(KEY):
            pass


def test_many_rivals_hold_a_lease_one_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[int] = []
    most: list[int] = []
    write = Place.write

    def late(self: Place, path: str, data: bytes) -> None:  # so that all have looked before the first has written
        time.sleep(0.05)
        write(self, path, data)

    monkeypatch.setattr(Place, "write", late)

    def rival() -> None:
        with store.lease(KEY):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.03)
            inside.pop()

    threads = [threading.Thread(target=rival) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [1] * 5


def test_a_dead_owner_on_this_host_is_followed_at_once(store: Store) -> None:
    code = (
        "import os, sys, signal; from outgrow.store import Store; s = Store(sys.argv[1]);\n"
        f"with s.lease({KEY!r}): (s.scratch({KEY!r}) / 'left').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, store.url], check=False)
    assert store.place.names("leases") != set()
    told: list[str] = []
    started = time.monotonic()
    with store.lease(KEY, told.append):
        assert (store.scratch(KEY) / "left").exists()
    assert time.monotonic() - started < 2
    assert not told
    assert store.place.names("leases") == set()


def test_a_silent_owner_elsewhere_is_followed_in_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = {"host": "elsewhere", "pid": 1, "started": "1", "beat": 3}
    store.place.write(f"leases/{KEY}.abc", json.dumps(owner).encode())
    monkeypatch.setattr(lease, "PATIENCE", 0.8)
    told: list[str] = []
    started = time.monotonic()
    with store.lease(KEY, told.append):
        assert time.monotonic() - started > 0.8
    assert told == ["process 1 on elsewhere"]


def test_a_beating_owner_elsewhere_lives_whatever_its_clock_says(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "PATIENCE", 0.8)
    stop = threading.Event()

    def beat() -> None:
        for i in range(1000):
            owner = {"host": "far", "pid": 1, "started": "1", "beat": i}
            store.place.write(f"leases/{KEY}.abc", json.dumps(owner).encode())
            if stop.wait(0.1):
                store.place.remove([f"leases/{KEY}.abc"])
                return

    thread = threading.Thread(target=beat)
    thread.start()
    threading.Timer(2, stop.set).start()
    time.sleep(0.1)
    started = time.monotonic()
    with store.lease(KEY):
        assert time.monotonic() - started > 1.5
    thread.join()


def test_two_runs_on_one_store_commit_once_and_both_succeed(tmp_path: Path) -> None:
    url = str(tmp_path / "store")
    driver = Path(__file__).parents[1] / "faults" / "driver.py"
    command = [sys.executable, str(driver), url, "inline", "--pieces", "10"]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in runs]
    assert [process.returncode for process in runs] == [0, 0]
    computed = [line.split()[1] for output in outputs for line in output.splitlines() if line.startswith("computed")]
    assert len(computed) == len(set(computed)) == 4
    assert all(len(list((tmp_path / "store" / key).iterdir())) == 1 for key in computed)
