from __future__ import annotations

import errno
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from toys import Add, Blob, Chain, Const, Number

from outgrow.executors.inline import Inline
from outgrow.graph import Event, Outcome, Step, load, run
from outgrow.store import Damaged, Manifest, Store, lease
from outgrow.store.place import Place
from outgrow.types import UserError

KEY = "const-0123456789ab"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def commit(store: Store, key: str = KEY, data: bytes = b"data") -> bool:
    return store.commit(key, Blob(data).save, identity={"value": 1.5}, provenance={"seconds": 2.0})


def done(step: Step[Number] | Step[Blob], store: Store, events: list[Event] | None = None) -> Outcome:
    with Inline() as executor:
        return run([step], store, executor, watch=events.append if events is not None else lambda event: None)


# ---- commit and fetch


def test_what_is_committed_is_found_whole(store: Store) -> None:
    assert not store.has(KEY)
    assert store.listing() == frozenset()
    assert commit(store)
    assert store.has(KEY)
    assert store.listing() == {KEY}
    assert Blob.load(store.fetch(KEY)).data == b"data"
    manifest = store.manifest(KEY)
    assert manifest.identity == {"value": 1.5}
    assert set(manifest.files) == {"deep/blob.bin", "size.txt"}
    assert manifest.bytes == 5


def test_the_first_commit_counts_and_the_second_leaves_nothing(store: Store) -> None:
    assert commit(store, data=b"first")
    assert not commit(store, data=b"second")
    assert Blob.load(store.fetch(KEY)).data == b"first"
    assert len(list((Path(store.url) / KEY).iterdir())) == 1


def test_without_a_manifest_nothing_exists(store: Store) -> None:
    def dies(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.commit(KEY, dies, identity={}, provenance={})
    assert store.listing() == frozenset()
    with pytest.raises(KeyError):
        store.manifest(KEY)
    with pytest.raises(Damaged, match="gone"):
        store.fetch(KEY)


@pytest.mark.parametrize("name", ["deep/blob.bin", "size.txt"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_every_harm_to_a_file_is_found(store: Store, name: str, harm: str) -> None:
    commit(store)
    path = store.fetch(KEY) / name
    data = path.read_bytes()
    match harm:
        case "flip":
            path.write_bytes(bytes([data[0] ^ 128]) + data[1:])
        case "cut":
            path.write_bytes(data[:-1])
        case "remove":
            path.unlink()
    with pytest.raises(Damaged, match=re.escape(name)):
        store.fetch(KEY)
    assert list(store.check().damaged) == [KEY]


def test_every_flipped_bit_of_a_manifest_is_found_or_harmless(store: Store) -> None:
    commit(store)
    path = Path(store.url) / "manifests" / f"{KEY}.json"
    data, whole = path.read_bytes(), store.manifest(KEY)
    for i in range(len(data)):
        path.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        found = store.manifests([KEY])[KEY]
        assert isinstance(found, Damaged) or found == whole, data[i : i + 20]


def test_set_aside_spares_what_was_committed_since(store: Store) -> None:
    commit(store)
    old = store.manifest(KEY)
    damage = Damaged(KEY, old.prefix, "test")
    store.set_aside(damage)
    assert not store.has(KEY)
    commit(store)
    store.set_aside(damage)
    assert store.has(KEY)


def test_a_store_can_be_pickled_and_does_not_print_secrets() -> None:
    store = Store("s3://user:secret@bucket/prefix?token=secret")
    assert pickle.loads(pickle.dumps(store)).url == store.url
    assert "secret" not in f"{store!r} {store} {store.place!r}"
    assert str(store) == "s3://bucket/prefix"


def test_an_unknown_protocol_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be opened"):
        Store("nosuch://x").listing()


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another"):
        Store(str(tmp_path / "file")).listing()
    with pytest.raises(UserError, match="cannot be written"):
        commit(Store(str(tmp_path / "file")))


# ---- check and prune


def test_prune_frees_what_is_not_kept_and_nothing_else(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, other, unfinished = KEY, "fit-aaaaaaaaaaaa", "fit-bbbbbbbbbbbb"
    root = Path(store.url)
    for key in (kept, other):
        commit(store, key)
    half = root / unfinished / ("0" * 32) / "half"
    half.parent.mkdir(parents=True, exist_ok=True)
    half.write_text("half")
    mine = root / "thesis.tex"
    mine.write_text("not a store's")
    (root / "thesis-figures").mkdir()
    (root / "thesis-figures" / "a.png").write_text("nor this")
    for key in (kept, other):
        (store.scratch(key) / "checkpoint").write_text("x")
    expected = store.manifest(other).bytes + (root / "manifests" / f"{other}.json").stat().st_size + 1
    assert store.prune({kept}) == expected
    assert store.check().intact == (kept,)
    assert half.exists()  # perhaps a commit going on elsewhere
    assert (store.scratch(kept) / "checkpoint").exists()
    old = time.time() - 100_000
    os.utime(half, (old, old))
    assert store.prune({kept}) == 4
    assert mine.exists()
    assert (root / "thesis-figures" / "a.png").exists()
    assert store.prune(set()) > 0
    assert store.listing() == frozenset()


def test_prune_stays_away_from_live_work(store: Store) -> None:
    commit(store)
    with store.lease(KEY):
        assert store.prune(set()) == 0
    assert store.prune(set()) > 0


# ---- leases


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
    driver = Path(__file__).parent / "faults" / "driver.py"
    command = [sys.executable, str(driver), url, "inline", "--pieces", "10"]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in runs]
    assert [process.returncode for process in runs] == [0, 0]
    computed = [line.split()[1] for output in outputs for line in output.splitlines() if line.startswith("computed")]
    assert len(computed) == len(set(computed)) == 4
    assert all(len(list((tmp_path / "store" / key).iterdir())) == 1 for key in computed)


# ---- stores that cannot be written


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_costs_nothing_finished(small_disk: Path) -> None:
    store = Store(str(small_disk / "store"))
    done(Const(value=1), store)
    (small_disk / "ballast").write_bytes(b"x" * 170_000)
    big = Chain(seed=1, pieces=12, piece_seconds=0)  # its result has 50 kB
    filler = Const(value=2)
    with suppress(OSError):
        (small_disk / "ballast2").write_bytes(b"x" * 300_000)
    (failure,) = done(big, store).failures
    assert failure.user_error
    assert "\n" not in failure.error_text
    assert str(store) in failure.error_text
    assert "full" in failure.error_text
    assert load(Const(value=1), store).value == 1
    for name in ("ballast", "ballast2"):
        (small_disk / name).unlink()
    assert not done(big, store).failures
    assert not done(filler, store).failures


def test_a_full_disk_keeps_the_last_checkpoint(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGROW_CHECKPOINT_SECONDS", "0")
    step = Chain(seed=1, pieces=10, piece_seconds=0)
    reference = Store(store.url + "-reference")
    done(step, reference)
    with monkeypatch.context() as patch:

        def full(self: Blob, folder: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(Blob, "save", full)
        (failure,) = done(step, store).failures
    assert failure.user_error
    assert "is full" in failure.error_text
    assert [path.name for path in store.scratch(step.key).iterdir()] == ["checkpoint-000000009"]
    events: list[Event] = []
    assert not done(step, store, events).failures
    assert not [e for e in events if e.kind == "progress"]  # nothing was left to compute
    assert store.manifest(step.key).files == reference.manifest(step.key).files


def test_a_read_only_store_can_be_read_and_says_so_when_it_cannot_be_written(small_disk: Path) -> None:
    store = Store(str(small_disk / "store"))
    top = Add(terms=(Const(value=2),))
    done(top, store)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    again = done(top, store)
    assert not again.failures
    assert not again.computed
    assert load(top, store).value == 2
    (failure,) = done(Const(value=3), store).failures
    assert failure.user_error
    assert failure.error_text.startswith(f"the store {store} cannot be written to")
    assert "--store" in failure.error_text
    assert "\n" not in failure.error_text


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
def test_what_the_system_says_becomes_one_line(store: Store, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    (failure,) = done(Const(value=3), store).failures
    assert failure.user_error
    assert str(store) in failure.error_text
    assert "--store" in failure.error_text
    assert "\n" not in failure.error_text


def test_a_manifest_survives_its_file() -> None:
    manifest = Manifest(key=KEY, prefix="p", identity={"a": [1, 2.5, None]}, files={"x": ("00", 3)}, provenance={})
    assert Manifest.parse(KEY, manifest.dump()) == manifest


def test_rivals_may_empty_a_folder_that_another_writes_to(tmp_path: Path) -> None:
    place = Store(str(tmp_path)).place
    failed: list[BaseException] = []

    def come_and_go(name: str) -> None:
        try:
            for turn in range(150):
                place.write(f"leases/{name}", b"here")
                assert place.create(f"leases/{name}-{turn}", b"once")
                place.remove([f"leases/{name}", f"leases/{name}-{turn}"])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=come_and_go, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
