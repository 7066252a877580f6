"""A store that somebody else wrote: no name and no link makes a file appear or be read outside its folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import Blob

from outgrow.store import Damaged, Manifest, Store, lease
from outgrow.store.names import fault, is_key
from outgrow.store.store import _manifests_of
from outgrow.types import UserError

KEY = "const-0123456789ab"
PREFIX = "f" * 32
DATA = b"data"
FILE = (hashlib.sha256(DATA).hexdigest(), len(DATA))
HOSTILE = ["../x", "/abs", "C:\\x", "C:x", "a//b", ".", "..", "a/../../b", "a/./b", "", "a/", "/", "a\0b", "a\nb",
           "x" * 300, "a/" * 500 + "a", "\\\\server\\x", "a\\..\\b", "\ud800"]  # fmt: skip
names = st.text(max_size=12) | st.sampled_from(HOSTILE) | st.lists(
    st.sampled_from(["a", "..", ".", "", "b"]), min_size=1, max_size=5
).map("/".join)  # fmt: skip


def written(**changes: Any) -> bytes:
    """A manifest with a checksum that is right: whoever can write to a store can compute one."""
    body = {"key": KEY, "prefix": PREFIX, "identity": {}, "files": {"a": FILE}, "provenance": {}, **changes}
    body = json.loads(json.dumps(body))
    checksum = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return json.dumps({"checksum": checksum, **body}).encode()


def seen(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@contextmanager
def remote(folder: Path) -> Iterator[Store]:
    """A store elsewhere whose copies lie in `folder`/cache."""
    fsspec.filesystem("memory").store.clear()
    _manifests_of.cache_clear()  # of the store of an earlier example
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTGROW_CACHE", str(folder / "cache"))
        yield Store("memory://bucket/store")


@given(names)
def test_a_name_that_is_allowed_stays_inside_a_folder(name: str) -> None:
    if not fault([name]):
        assert Path("/root/folder", name).resolve().is_relative_to("/root/folder")
        assert Path("/root/folder", name) == Path(os.path.normpath(f"/root/folder/{name}"))
        name.encode()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused(name: str) -> None:
    assert fault([name])
    with pytest.raises(Damaged):
        Manifest.parse(KEY, written(files={name: FILE}))


@pytest.mark.parametrize("name", ["model.safetensors", "deep/er/model-00001-of-2.bin", "ä b.json", "..a", "a..", ".x"])
def test_ordinary_names_are_allowed(name: str) -> None:
    assert not fault([name])


@pytest.mark.parametrize("both", [("A", "a"), ("ä", "a\u0308"), ("x", "x/y"), ("ſ/a", "S/A"), ("X", "x/y")])
def test_names_that_are_one_file_on_some_systems_are_refused(both: tuple[str, str]) -> None:
    assert fault(both)
    assert not any(fault([name]) for name in both)


@pytest.mark.parametrize(
    "changes",
    [
        {"prefix": "../" * 3 + "x"},
        {"prefix": "/tmp"},
        {"prefix": ""},
        {"prefix": None},
        {"prefix": f"{PREFIX}/.."},
        {"key": "other-0123456789ab"},
        {"files": []},
        {"files": {"a": ["0", 1]}},
        {"files": {"a": [FILE[0], -1]}},
        {"files": {"a": [FILE[0], True]}},
        {"files": {"a": [FILE[0], 10**200]}},
        {"files": {"a": FILE[0]}},
        {"identity": []},
        {"provenance": {"versions": {"torch": 2}}},
        {"provenance": {"machine": 1}},
        {"provenance": {"started": 1e300}},
    ],
)
def test_a_manifest_that_no_commit_would_have_written_is_damaged(changes: dict[str, Any]) -> None:
    Manifest.parse(KEY, written())
    with pytest.raises(Damaged):
        Manifest.parse(KEY, written(**changes))


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        written(identity={"a": "A"}).replace(b'"A"', b"[" * 500 + b"]" * 500),
        written(provenance={"a": "A"}).replace(b'"A"', b"9" * 6000),
        written(provenance={"a": "A"}).replace(b'"A"', b"NaN"),
        written().replace(b'"identity": {}', b'"identity": {}, "identity": {}'),
        b"",
        b"null",
        b"\xff\xfe",
    ],
    ids=["deep", "deep inside", "huge number", "no number", "twice", "empty", "null", "no text"],
)
def test_json_that_is_odd_is_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        Manifest.parse(KEY, data)


def test_a_manifest_of_a_newer_format_is_refused_and_not_damaged() -> None:
    """A damaged artifact is set aside and computed again: what a newer version has written must be left alone."""
    with pytest.raises(UserError, match="newer version of outgrow \\('compression'\\): update it"):
        Manifest.parse(KEY, written(compression="zstd"))
    with pytest.raises(Damaged):
        Manifest.parse(KEY, written(compression="zstd").replace(b"zstd", b"gzip"))


def test_a_deep_identity_with_the_right_checksum_is_damaged() -> None:
    deep: Any = 0
    for _ in range(200):
        deep = [deep]
    with pytest.raises(Damaged, match="too deep"):
        Manifest.parse(KEY, written(identity={"a": deep}))


@given(name=names, prefix=st.sampled_from([PREFIX, "../" + PREFIX, "..", "/x"]))
def test_no_name_in_a_manifest_writes_outside_the_cache(name: str, prefix: str) -> None:
    with TemporaryDirectory() as temporary, remote(Path(temporary)) as store:
        try:
            manifest = written(files={name: FILE}, prefix=prefix)
        except UnicodeEncodeError:
            return
        store.storage.write(f"manifests/{KEY}.json", manifest)
        fs = fsspec.filesystem("memory")
        fs.pipe_file(f"/bucket/store/{KEY}/{prefix}/{name}".replace("\0", ""), DATA)
        before = seen(Path(temporary))
        try:
            store.fetch(KEY)
        except Damaged:
            assert seen(Path(temporary)) == before
        store.check()
        assert all(path.split("/")[0] == "cache" for path in seen(Path(temporary)))


@given(st.text(max_size=20) | st.sampled_from(["../x", "/abs", "..", "a-0123456789ab/../x", "a\0-0123456789ab"]))
def test_a_key_that_is_none_is_refused_by_every_operation(key: str) -> None:
    if is_key(key):
        return
    with TemporaryDirectory() as temporary:
        store = Store(f"{temporary}/store")
        for operation in (store.has, store.manifest, store.fetch, store.scratch):
            with pytest.raises(UserError, match="is not a key"):
                operation(key)
        with pytest.raises(UserError, match="is not a key"):
            store.commit(key, Blob(DATA).save, identity={}, provenance={})
        assert not seen(Path(temporary))


# ---- symbolic links


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(str(tmp_path / "store"))
    store.commit(KEY, Blob(DATA).save, identity={}, provenance={})
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(DATA)
    return store


def test_a_file_that_is_a_link_to_outside_is_damaged_even_with_the_right_content(store: Store, tmp_path: Path) -> None:
    path = store.fetch(KEY) / "deep" / "blob.bin"
    path.unlink()
    path.symlink_to(tmp_path / "outside" / "secret")
    with pytest.raises(Damaged, match="symbolic link"):
        store.fetch(KEY)
    assert list(store.check().damaged) == [KEY]


def test_a_folder_that_is_a_link_to_outside_is_damaged(store: Store, tmp_path: Path) -> None:
    folder = store.fetch(KEY)
    folder.rename(tmp_path / "outside" / "moved")
    folder.symlink_to(tmp_path / "outside" / "moved")
    with pytest.raises(Damaged, match="symbolic link"):
        store.fetch(KEY)
    before = seen(tmp_path / "outside")
    store.prune(set())
    assert seen(tmp_path / "outside") == before


def test_a_manifest_that_is_a_link_is_not_copied_into_the_store(store: Store, tmp_path: Path) -> None:
    other = "const-ffffffffffff"
    (Path(store.url) / "manifests" / f"{other}.json").symlink_to(tmp_path / "outside" / "secret")
    damage = store.manifests([other])[other]
    assert isinstance(damage, Damaged)
    store.quarantine(damage)
    assert not store.has(other)
    assert (tmp_path / "outside" / "secret").read_bytes() == DATA
    assert all(path.read_bytes() != DATA for path in (Path(store.url) / "damaged").iterdir())


@pytest.mark.parametrize("name", ["manifests", "leases", f"scratch/{KEY}", "const-ffffffffffff", "damaged"])
def test_nothing_is_written_or_removed_through_a_link(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(lease, "PATIENCE", 0.1)
    link = Path(store.url) / name
    link.parent.mkdir(exist_ok=True)
    if link.exists():
        link.rename(tmp_path / "was")
    (tmp_path / "outside" / f"{KEY}.json").write_bytes(b"mine")
    link.symlink_to(tmp_path / "outside")
    before = seen(tmp_path / "outside")

    def locked() -> None:
        with store.leases() as leases:
            leases.take([KEY])

    operations: list[Any] = [
        lambda: store.commit("const-ffffffffffff", Blob(DATA).save, identity={}, provenance={}),
        lambda: store.scratch(KEY),
        lambda: store.quarantine(Damaged(KEY, "", "test")),
        lambda: store.prune(set()),
        locked,
    ]
    for operation in operations:
        with suppress(UserError):
            operation()
    assert seen(tmp_path / "outside") == before
    assert (tmp_path / "outside" / f"{KEY}.json").read_bytes() == b"mine"


def test_an_artifact_with_a_link_to_outside_is_not_committed(store: Store, tmp_path: Path) -> None:
    def save(folder: Path) -> None:
        (folder / "link").symlink_to(tmp_path / "outside" / "secret")

    with pytest.raises(UserError, match="link is a symbolic link that leads out"):
        store.commit("const-ffffffffffff", save, identity={}, provenance={})
    assert store.listing() == {KEY}


def test_checkpoints_are_not_taken_from_outside(store: Store, tmp_path: Path) -> None:
    (tmp_path / "outside" / "checkpoint-000000009").mkdir()
    above = Path(store.url) / "scratch" / KEY
    above.mkdir(parents=True)
    (above / "evil").symlink_to(tmp_path / "outside")
    assert not list(store.scratch(KEY, "me").iterdir())
    assert (tmp_path / "outside" / "checkpoint-000000009").exists()


def test_a_folder_or_a_pipe_where_a_file_belongs_is_damaged(store: Store) -> None:
    path = store.fetch(KEY) / "size.txt"
    path.unlink()
    path.mkdir()
    with pytest.raises(Damaged, match="missing"):
        store.fetch(KEY)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(Damaged, match="missing"):
        store.fetch(KEY)
    manifest = Path(store.url) / "manifests" / f"{KEY}.json"
    manifest.unlink()
    os.mkfifo(manifest)
    assert isinstance(store.manifests([KEY])[KEY], Damaged)
