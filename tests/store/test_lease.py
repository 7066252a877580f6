"""One owner at a time, whoever dies, sleeps or writes nonsense."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from toys import Chain

from outgrow.graph import Context
from outgrow.store import Lease, LeaseLost, Store, lease, owner
from outgrow.store.storage import Storage
from outgrow.types import UserError

KEY = "const-0123456789ab"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def leased(store: Store, waiting: Callable[[str], None] = lambda owner: None) -> AbstractContextManager[Lease]:
    return lease.hold(store.storage, KEY, waiting)


def test_a_live_owner_is_waited_for(store: Store) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def tell(owner: str) -> None:
        order.append(owner)
        waiting.set()

    def second() -> None:
        with leased(store, tell):
            order.append("second")

    with leased(store):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(5)
        order.append("first done")
    thread.join(5)
    assert order[1:] == ["first done", "second"]
    assert str(os.getpid()) in order[0]
    assert store.storage.names("leases") == set()


def test_many_rivals_hold_a_lease_one_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[int] = []
    most: list[int] = []
    write = Storage.write

    def late(self: Storage, path: str, data: bytes) -> None:  # so that all have looked before the first has written
        time.sleep(0.05)
        write(self, path, data)

    monkeypatch.setattr(Storage, "write", late)

    def baseline_cell() -> None:
        with leased(store):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.03)
            inside.pop()

    threads = [threading.Thread(target=baseline_cell) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [1] * 5


def test_a_dead_owner_on_this_host_is_followed_at_once(store: Store) -> None:
    code = (
        "import os, sys, signal; from outgrow.store import Store; s = Store(sys.argv[1]);\n"
        f"s.leases().take([{KEY!r}]); (s.scratch({KEY!r}) / 'left').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, store.url], check=False)
    assert store.storage.names("leases") != set()
    waited: list[str] = []
    started = time.monotonic()
    with leased(store, waited.append):
        assert (store.scratch(KEY) / "left").exists()
    assert time.monotonic() - started < 2
    assert not waited
    assert store.storage.names("leases") == set()


def test_a_silent_owner_elsewhere_is_followed_in_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = {"host": "elsewhere", "pid": 1, "started": "1", "beat": 3, "keys": [KEY]}
    store.storage.write("leases/abc", json.dumps(owner).encode())
    monkeypatch.setattr(lease, "PATIENCE", 0.8)
    waited: list[str] = []
    started = time.monotonic()
    with leased(store, waited.append):
        assert time.monotonic() - started > 0.8
    assert waited == ["process 1 on elsewhere"]


def test_a_beating_owner_elsewhere_lives_whatever_its_clock_says(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "PATIENCE", 0.8)
    stop = threading.Event()

    def beat() -> None:
        for i in range(1000):
            owner = {"host": "far", "pid": 1, "started": "1", "beat": i, "keys": [KEY]}
            store.storage.write("leases/abc", json.dumps(owner).encode())
            if stop.wait(0.1):
                store.storage.remove(["leases/abc"])
                return

    thread = threading.Thread(target=beat)
    thread.start()
    threading.Timer(2, stop.set).start()
    time.sleep(0.1)
    started = time.monotonic()
    with leased(store):
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


# ---- bundles of keys


def test_keys_that_another_run_has_are_given_up_and_the_others_are_kept(store: Store) -> None:
    with store.leases() as mine, store.leases() as theirs:
        first = mine.take(["a", "b"])
        second = theirs.take(["b", "c"])
        assert first is not None
        assert second is not None
        assert (first.keys, second.keys) == ({"a", "b"}, {"c"})
        assert str(os.getpid()) in theirs.holder("b")
        assert theirs.take(["a", "b"]) is None
        first.keep({"a"})
        theirs.look()
        assert theirs.holder("b") == ""
        third = theirs.take(["a", "b"])
        assert third is not None
        assert third.keys == {"b"}
    assert store.storage.names("leases") == set()


def test_a_bundle_is_one_file_and_one_listing_whatever_its_size(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    listings: list[str] = []
    files = Storage.files
    monkeypatch.setattr(Storage, "files", lambda self, folder: listings.append(folder) or files(self, folder))
    with store.leases() as leases:
        lease = leases.take([f"const-{i:012}" for i in range(600)])
        assert lease is not None
        assert len(lease.keys) == 600
        assert len(store.storage.names("leases")) == 1
    assert listings == ["leases"]


def test_a_file_is_read_once_until_its_keys_change(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.leases() as mine, store.leases() as theirs:
        lease = theirs.take(["a", "b", "c"])
        assert lease is not None
        mine.look()
        paths_read: list[str] = []
        read = Storage.read
        monkeypatch.setattr(Storage, "read", lambda self, paths: paths_read.extend(paths) or read(self, paths))
        mine.look()
        assert paths_read == []
        monkeypatch.undo()
        lease.keep({"a"})
        mine.look()
        assert mine.holder("a")
        assert not mine.holder("c")


# ---- files with other content


ODD: list[Any] = [
    {},
    {"host": 1, "pid": 1, "started": "1"},
    {"host": "here"},
    {"host": "here", "pid": "1", "started": "1"},
    {"host": "here", "pid": 10**30, "started": "1"},
    {"host": "here", "pid": -1, "started": "1"},
    {"host": "here", "pid": True, "started": "1"},
    {"host": "here", "pid": 1.5, "started": ["x"]},
    {"host": "a\nb\x1b[31m", "pid": 1, "started": "1"},
]


@pytest.mark.parametrize("fields", ODD)
def test_a_lease_of_an_unknown_owner_expires(
    store: Store, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    monkeypatch.setattr(owner, "_host", lambda: "here")
    monkeypatch.setattr(lease, "PATIENCE", 0.2)
    store.storage.write("leases/odd", json.dumps({**fields, "keys": [KEY, 7]}).encode())
    store.prune(set())
    waited: list[str] = []
    with leased(store, waited.append) as own:
        assert store.storage.names("leases") == {own.owner}
    (who,) = waited
    assert who.isprintable()


@pytest.mark.parametrize(
    "content",
    ["[]", "7", "null", '"text"', '{"keys": 7}', '{"keys": [[1], {}]}', "[" * 100_000, "9" * 6000, "", "\x00", "{ "],
)
def test_a_file_that_names_no_keys_stops_nobody(store: Store, content: str) -> None:
    store.storage.write("leases/odd", content.encode())
    store.prune(set())
    with leased(store, pytest.fail):
        assert "odd" in store.storage.names("leases")


# ---- owners that sleep


def test_a_heart_goes_on_after_any_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.02)
    errors = iter([OSError("gone"), ValueError("odd"), MemoryError(), UserError("no"), RuntimeError("never")])
    read, beaten = Storage.read, threading.Event()

    def fails(self: Storage, paths: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            for error in errors:
                raise error
            beaten.set()
        return read(self, paths)

    monkeypatch.setattr(Storage, "read", fails)
    with leased(store):
        assert beaten.wait(20)


def test_a_robbed_owner_stops_before_it_touches_anything(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Chain(seed=1)
    monkeypatch.setattr(lease, "BEAT", 1000.0)  # the heart is suspended
    monkeypatch.setattr(lease, "PATIENCE", 0.2)
    with lease.hold(store.storage, step.key, pytest.fail) as mine:
        context = Context(step=step, store=store, lease=mine.ticket)
        context.save_checkpoint(lambda folder: (folder / "state").write_text("first") and None)
        with lease.hold(store.storage, step.key, lambda owner: None) as theirs:
            taken = Context(step=step, store=store, lease=theirs.ticket)
            last = taken.last_checkpoint()
            assert last is not None
            assert (last / "state").read_text() == "first"
            for touch in (
                context.last_checkpoint,
                lambda: context.progress(0.5),
                lambda: context.save_checkpoint(pytest.fail),
            ):
                with pytest.raises(LeaseLost):
                    touch()
            assert [path.name for path in taken.scratch.parent.iterdir()] == [taken.scratch.name]
            assert [path.name for path in taken.scratch.iterdir()] == ["checkpoint-000000000"]


def test_an_owner_that_was_only_slow_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT", 1000.0)
    monkeypatch.setattr(lease, "PATIENCE", 0.1)
    with leased(store) as mine:
        time.sleep(0.3)
        mine.check()


def test_of_two_that_meet_after_a_long_silence_the_sleeper_withdraws(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the rival's file and the removal of the sleeper's: the sleeper's file is still there, and it writes."""
    monkeypatch.setattr(lease, "BEAT", 1000.0)
    monkeypatch.setattr(lease, "PATIENCE", 0.1)
    with leased(store) as mine:
        time.sleep(0.2)
        rival = {"keys": [KEY], "host": "a rival that has seen nobody live"}
        store.storage.write("leases/rival", json.dumps(rival).encode())
        with pytest.raises(LeaseLost):
            mine.check()
    assert store.storage.names("leases") == {"rival"}


SLEEPER = """
import sys
from toys import Chain
from outgrow.executors.inline import Inline
from outgrow.graph import load, run
from outgrow.store import Store, lease
lease.BEAT, lease.PATIENCE = 0.1, 2.0
with Inline() as inline:
    store, step = Store(sys.argv[1]), Chain(seed=7, pieces=int(sys.argv[2]))
    events = []
    outcome = run([step], store, inline, watch=lambda e: e.kind != "progress" and print(e.kind, e.text, flush=True))
    print("failures", len(outcome.failures), len(load(step, store).data), flush=True)
"""


def test_a_stopped_process_that_was_robbed_waits_and_finds_the_result(store: Store, tmp_path: Path) -> None:
    """SIGSTOP for longer than the patience of the other, SIGCONT while the other is at work or after it."""
    script = tmp_path / "sleeper.py"
    script.write_text(SLEEPER)
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OUTGROW_CHECKPOINT_SECONDS": "0.05"}
    command = [sys.executable, str(script), store.url, "300"]
    reference = Store(f"{store.url}-reference")
    chain = Chain(seed=7, pieces=300, piece_seconds=0.01)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as first:
        scratch = Path(store.url, "scratch", chain.key)
        end = time.monotonic() + 60
        while not list(scratch.glob("*/checkpoint-*")):
            assert time.monotonic() < end
            time.sleep(0.01)
        first.send_signal(signal.SIGSTOP)
        second = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert second.stdout is not None
        while "started" not in second.stdout.readline():
            assert second.poll() is None
        first.send_signal(signal.SIGCONT)
        output, other = first.communicate(timeout=120)[0], second.communicate(timeout=120)[0]
    assert "another run took over" in output
    assert "failures 0 9632" in other
    assert "failures 0 9632" in output
    subprocess.run([*command[:2], reference.url, "300"], env=environment, check=True, stdout=subprocess.DEVNULL)
    assert store.manifest(chain.key).files == reference.manifest(chain.key).files
    assert store.storage.names("leases") == set()
