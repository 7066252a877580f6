"""The store against a real S3 server on the loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faulty_proxy import Proxy, Request
from s3_server import make_bucket, s3_server, use_server
from toys import Add, Blob, Chain, Const

from outgrow.executors.inline import Inline
from outgrow.graph import STOPPING, Event, Outcome, Resources, Step, Worker, load, plan, run
from outgrow.store import Damaged, Store, as_digests, digest_of_text, trouble
from outgrow.store.lease import hold
from outgrow.store.storage import Storage
from outgrow.types import UserError

KEY = "const-0123456789ab"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def store(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    use_server(monkeypatch, server)
    return Store(f"s3://{make_bucket(server, tmp_path.name)}/prefix")


def done(step: Step[Any], store: Store) -> Outcome:
    with Inline() as executor:
        return run([step], store, executor)


def test_a_run_on_s3_is_found_again(store: Store, tmp_path: Path) -> None:
    top = Add(terms=(Const(value=1), Const(value=2)))
    assert store.listing() == frozenset()
    outcome = done(top, store)
    assert not outcome.failures, outcome.failures
    assert len(outcome.computed) == 3
    assert load(top, store).value == 3
    assert len(store.listing()) == 3
    assert not plan([top], store).todo
    assert store.storage.names("leases") == set()
    assert len(store.check().intact) == 3


def test_a_manifest_is_read_once(store: Store, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store.commit(KEY, Blob(b"one").save, identity={}, provenance={})
    requested: list[str] = []

    def count(request: Request) -> None:
        requested.append(request.path)

    with Proxy(server, count) as proxy:
        use_server(monkeypatch, proxy.url)
        assert [Blob.load(Store(store.url).fetch(KEY)) for _ in range(2)] == [Blob(b"one")] * 2
    assert not [path for path in requested if "manifests" in path]


def test_a_worker_that_joins_downloads_nothing_that_it_does_not_need(
    store: Store, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = [Add(terms=(Const(value=i),)) for i in range(5)]
    with Inline() as executor:
        assert len(run(finished, store, executor).computed) == 10
    store._known.clear()  # as in another process
    requested: list[str] = []

    def count(request: Request) -> None:
        requested.append(f"{request.method} {request.path}")

    joined = Worker(name="late", resources=Resources(cores=1, gpus=0, memory_gb=4.0))
    with Proxy(server, count) as proxy, Inline() as executor:
        use_server(monkeypatch, proxy.url)
        more = Add(terms=(Const(value=0), Const(value=1)))
        outcome = run([*finished, more], Store(store.url), executor, worker=joined)
    assert outcome.computed == (more,)
    read = [path for path in requested if path.startswith("GET") and "list-type" not in path]
    assert not [path for path in read if "manifests" not in path and "leases" not in path]  # inputs are here already


def test_an_empty_folder_is_listed_by_one_request(store: Store, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store.storage.write("checkpoints/const-0123456789ab/file", b"deeper")
    requested: list[str] = []

    def count(request: Request) -> None:
        requested.append(request.path)

    with Proxy(server, count) as proxy:
        use_server(monkeypatch, proxy.url)
        storage = Store(store.url).storage
        assert storage.names("leases") == set()
        assert storage.files("manifests") == {}
        assert len(requested) == 2
        assert storage.names("checkpoints") == {"const-0123456789ab"}


def test_what_was_set_aside_and_computed_again_is_found(store: Store) -> None:
    store.commit(KEY, Blob(b"one").save, identity={}, provenance={})
    before = store.manifest(KEY)
    store.quarantine(Damaged(KEY, "", "test"))
    store.storage.remove([f"{KEY}/{before.prefix}/{name}" for name in before.files])
    store.commit(KEY, Blob(b"two").save, identity={}, provenance={})
    store._known[KEY] = before  # as in a process that has read it before
    assert Blob.load(store.fetch(KEY)) == Blob(b"two")


def test_rows_are_added_and_read_on_s3(store: Store) -> None:
    digests = as_digests([digest_of_text(f"text {i}") for i in range(9)])
    values = np.arange(27, dtype=np.float32).reshape(9, 3)
    rows = store.rows("rows-0123456789ab")
    rows.add(digests[:5], values[:5], 1.0)
    with rows.filling(0, lambda owner: None):
        rows.add(digests[5:8], values[5:8], 1.0)
    chosen = [8, 7, 0, 5, 2, 4]
    read, found = Store(store.url).rows("rows-0123456789ab").read(digests[chosen])
    assert found.tolist() == [False, True, True, True, True, True]
    assert np.array_equal(read[1:], values[chosen[1:]])
    assert not store.check().rows
    (name,) = [name for name in store.storage.names("rows/rows-0123456789ab") if name.endswith(".values")][:1]
    store.storage.remove([f"rows/rows-0123456789ab/{name}"])
    assert len(store.check().rows) == 1
    assert 0 < rows.read(digests[:8])[1].sum() < 8
    assert store.prune(set()) > 0
    assert not rows.read(digests)[1].any()


def test_the_first_manifest_counts(store: Store) -> None:
    def commit(data: bytes) -> bool:
        return store.commit(KEY, Blob(data).save, identity={}, provenance={})

    assert commit(b"first")
    assert not commit(b"second")
    assert Blob.load(store.fetch(KEY)).data == b"first"
    assert len(store.storage.files(KEY)) == 2


def test_of_many_exclusive_creations_one_succeeds(store: Store) -> None:
    for attempt in range(3):
        won: list[bytes] = []
        gate = threading.Barrier(6)

        def create(name: bytes, path: str, won: list[bytes] = won, gate: threading.Barrier = gate) -> None:
            gate.wait()
            if store.storage.create(path, name):
                won.append(name)

        threads = [threading.Thread(target=create, args=(str(i).encode(), f"once-{attempt}")) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert store.storage.read([f"once-{attempt}"]) == {f"once-{attempt}": won[0]}


def test_a_rival_of_the_same_moment_is_asked_to_try_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    send, calls = s3fs.S3FileSystem.pipe_file, []

    def conflict_first(self: Any, *args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("An error occurred (ConditionalRequestConflict) when calling the PutObject operation")
        return send(self, *args, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "pipe_file", conflict_first)
    assert store.storage.create("once", b"mine")
    assert len(calls) == 2


def test_a_flipped_byte_on_s3_is_set_aside_and_computed_again(store: Store, tmp_path: Path) -> None:
    middle = Add(terms=(Const(value=1),))
    done(middle, store)
    path = f"{middle.key}/{store.manifest(middle.key).prefix}/number.txt"
    store.storage.write(path, b"9.0")
    with pytest.raises(Damaged, match=r"number\.txt"):
        store.fetch(middle.key)
    top = Add(terms=(middle,), weight=Add().weight)
    assert not done(top, store).failures
    assert load(top, store).value == 1
    assert len(store.storage.names("damaged")) == 1


def test_a_flipped_byte_in_the_local_copy_is_downloaded_again(store: Store) -> None:
    step = Const(value=1)
    done(step, store)
    copy = store.fetch(step.key) / "number.txt"
    copy.write_text("9.0")
    assert load(step, store).value == 1


def test_prune_frees_on_s3(store: Store) -> None:
    for value in (1, 2):
        done(Const(value=value), store)
    load(Const(value=2), store)
    assert store.prune({Const(value=1).key}) > 0
    assert store.listing() == {Const(value=1).key}
    assert not store.storage.files(Const(value=2).key)
    assert load(Const(value=1), store).value == 1


def test_a_lease_on_s3_is_waited_for(store: Store) -> None:
    waited: list[str] = []
    with store.leases() as leases:
        taken = leases.take([KEY, "other"])
        assert taken is not None
        threading.Timer(0.5, lambda: taken.keep({"other"})).start()
        with hold(store.storage, KEY, waited.append) as mine:
            assert taken.keys == {"other"}
            assert mine.keys == {KEY}
    assert len(waited) == 1


def test_a_stopped_step_goes_on_on_another_machine(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Chain(seed=3, pieces=40)

    def stop(event: Event) -> None:
        if event.kind == "progress" and (event.fraction or 0) > 0.4:
            STOPPING.set()

    try:
        stopped = run([chain], store, Inline(), watch=stop)
    finally:
        STOPPING.clear()
    assert not stopped.computed
    assert not stopped.failures
    assert store.storage.files("checkpoints")
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "another machine"))
    events: list[Event] = []
    again = run([chain], Store(store.url), Inline(), watch=events.append)
    assert len(again.computed) == 1
    assert min(event.fraction for event in events if event.fraction is not None) > 0.4
    alone = Store(str(tmp_path / "alone"))
    run([chain], alone, Inline())
    assert alone.manifest(chain.key).files == store.manifest(chain.key).files
    assert not store.storage.files("checkpoints")


def test_checkpoints_are_listed_once_a_bundle_and_not_asked_for_step_by_step(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    read: list[str] = []
    names, read_files = Storage.names, Storage.read

    def list_names(self: Storage, folder: str) -> set[str]:
        listed.append(folder)
        return names(self, folder)

    def read_some(self: Storage, paths: Sequence[str]) -> dict[str, bytes]:
        read.extend(paths)
        return read_files(self, paths)

    monkeypatch.setattr(Storage, "names", list_names)
    monkeypatch.setattr(Storage, "read", read_some)
    steps = [Add(terms=(Const(value=i),)) for i in range(10)]
    assert len(run(steps, store, Inline()).computed) == 20
    assert listed.count("checkpoints") == 1
    assert not [path for path in read if path.startswith("checkpoints/")]


def test_a_damaged_checkpoint_of_another_machine_is_left_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, folder = Chain(seed=3, pieces=3), tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "done.txt").write_text("2")
    (folder / "state.bin").write_bytes(b"not the state")
    store.push_checkpoint(chain.key, folder)
    for path in store.storage.files("checkpoints"):
        if path.endswith("state.bin"):
            store.storage.write(path, b"changed since")
    assert len(run([chain], store, Inline()).computed) == 1
    alone = Store(str(tmp_path / "alone"))
    run([chain], alone, Inline())
    assert alone.manifest(chain.key).files == store.manifest(chain.key).files


def test_a_missing_bucket_is_one_line(store: Store) -> None:
    lost = Store("s3://no-such-bucket/prefix")
    (failure,) = done(Const(value=1), lost).failures
    assert failure.user_error
    assert failure.error_text.startswith("the store s3://no-such-bucket/prefix cannot be written to")


def test_an_unreachable_server_is_one_line(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    monkeypatch.setattr(trouble, "RETRIED", 1.0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(UserError, match="cannot be reached"):
        Store("s3://elsewhere/prefix").listing()
    s3fs.S3FileSystem.clear_instance_cache()
