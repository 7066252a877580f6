from __future__ import annotations

import os
import pickle
import re
import threading
import time
from pathlib import Path

import pytest
from toys import Blob, Number

from outgrow.executors.inline import Inline
from outgrow.graph import Event, Outcome, Step, run
from outgrow.store import Damaged, Manifest, Store
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


def test_an_artifact_that_has_gone_and_come_again_is_not_set_aside(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    key = "blob-0123456789ab"
    with pytest.raises(Damaged, match="gone from the store") as gone:
        store.fetch(key)
    store.commit(key, Blob(b"again").save, identity={}, provenance={})
    store.quarantine(gone.value)
    assert Blob.load(store.fetch(key)) == Blob(b"again")


def test_what_was_set_aside_in_a_remote_store_is_not_fetched_any_more() -> None:
    """Not from the manifests that this process knows either."""
    store = Store("memory://bucket/set-aside")
    commit(store)
    store.fetch(KEY)
    store.quarantine(Damaged(KEY, "", "a test"))
    with pytest.raises(Damaged, match="gone from the store"):
        store.fetch(KEY)


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
    store.quarantine(damage)
    assert not store.has(KEY)
    commit(store)
    store.quarantine(damage)
    assert store.has(KEY)


def test_a_store_can_be_pickled_and_does_not_print_secrets() -> None:
    store = Store("s3://user:secret@bucket/prefix?token=secret")
    assert pickle.loads(pickle.dumps(store)).url == store.url
    assert "secret" not in f"{store!r} {store} {store.storage!r}"
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
    with store.leases() as leases:
        assert leases.take([KEY])
        assert store.prune(set()) == 0
    assert store.prune(set()) > 0


def test_a_manifest_survives_its_file() -> None:
    files = {"deep/x": ("0" * 64, 3)}
    manifest = Manifest(key=KEY, prefix="f" * 32, identity={"a": [1, 2.5, None]}, files=files, provenance={})
    assert Manifest.parse(KEY, manifest.dump()) == manifest


def test_rivals_may_empty_a_folder_that_another_writes_to(tmp_path: Path) -> None:
    storage = Store(str(tmp_path)).storage
    failed: list[BaseException] = []

    def come_and_go(name: str) -> None:
        try:
            for turn in range(150):
                storage.write(f"leases/{name}", b"here")
                assert storage.create(f"leases/{name}-{turn}", b"once")
                storage.remove([f"leases/{name}", f"leases/{name}-{turn}"])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=come_and_go, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
