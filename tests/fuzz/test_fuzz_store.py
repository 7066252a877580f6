"""A store after somebody's harm: every operation gives a result, Damaged or a line for the user, and stays inside."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from toys import Add, Blob, Chain, Const

from outgrow.executors.inline import Inline
from outgrow.graph import load, plan, run
from outgrow.store import Damaged, Store, lease
from outgrow.types import UserError

TOP = Add(terms=(Const(value=1), Const(value=2)))
CHAIN = Chain(seed=1, pieces=2, piece_seconds=0)
NAMES = ["../x", "/tmp/outgrow-fuzz", "a/../../../x", "", ".", "..", "a//b", "C:\\x", "a\0", "\ud800", "A", "a", "a/b"]
NONSENSE: list[Any] = [None, True, -1, 0, 1e308, 10**400, "", "x", [], {}, [[]], {"": {}}, {"a": [1, "b"]}, *NAMES]


def nonsense(rng: Random) -> Any:
    if rng.random() < 0.05:
        deep: Any = 0
        for _ in range(rng.choice([10, 100, 900])):
            deep = [deep] if rng.random() < 0.5 else {"a": deep}
        return deep
    return rng.choice(NONSENSE)


def changed(item: Any, rng: Random) -> Any:
    """Somewhere in the data something else, something more or something less."""
    if not (isinstance(item, dict | list) and item) or rng.random() < 0.2:
        return nonsense(rng)
    names = list(item) if isinstance(item, dict) else list(range(len(item)))
    at, copy = rng.choice(names), item.copy()
    match rng.randrange(4):
        case 0:
            del copy[at]
        case 1 if isinstance(copy, dict):
            copy[rng.choice([*NAMES, "key", "prefix", "@kind", "@step"])] = copy.pop(at)
        case _:
            copy[at] = changed(copy[at], rng)
    return copy


def bytes_of(data: bytes, rng: Random) -> bytes:
    match rng.randrange(6):
        case 0:
            return data[: rng.randrange(len(data) + 1)]
        case 1:
            return rng.randbytes(rng.choice([0, 1, 50, 5000]))
        case 2 if data:
            at = rng.randrange(len(data))
            return data[:at] + rng.randbytes(rng.choice([0, 1, 3])) + data[at + 1 :]
        case 3:
            return rng.choice([b"[", b'{"a":']) * rng.choice([1, 1000, 100_000])
        case 4:
            return data * 2
        case _:
            return rng.choice([b"9" * 6000, b"NaN", b"null", b"\xff\xfe\x00", b'"\\ud800"'])


def json_of(data: bytes, rng: Random) -> bytes:
    """Other data, and a checksum that is right again: whoever writes a store can compute one."""
    try:
        body = json.loads(data)
        for _ in range(rng.randrange(1, 4)):
            body = changed(body, rng)
        if isinstance(body, dict):
            body.pop("checksum", None)
            checksum = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
            body = {"checksum": checksum, **body}
        return json.dumps(body).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError, TypeError):
        return data


def harm(root: Path, outside: Path, rng: Random) -> None:
    """One harm to one file or folder of the store."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    manifests = [path for path in files if path.parent.name == "manifests"]
    path = rng.choice(manifests if rng.random() < 0.5 and manifests else files)
    match rng.randrange(8):
        case 0 | 1 if path in manifests:
            path.write_bytes(json_of(path.read_bytes(), rng))
        case 2:
            path.unlink()
            path.symlink_to(rng.choice([outside / "secret", outside, root, Path("/dev/zero"), path, root / "nowhere"]))
        case 3:
            path.unlink()
            path.mkdir()
        case 4:
            folder = rng.choice([path.parent, *[each for each in root.iterdir() if each.is_dir()]])
            if folder not in (root, root.parent) and not folder.is_symlink():
                shutil.rmtree(folder)
                folder.symlink_to(rng.choice([outside, root, root / "nowhere"]))
        case 5:
            name = rng.choice(
                [f"{TOP.key}.x", f"{CHAIN.key}.{'0' * 32}", "x", "-", f"{TOP.key}.json", ".json", "ä.json"]
            )
            (root / rng.choice(["leases", "manifests", "damaged", "scratch"])).mkdir(exist_ok=True)
            folder = root / rng.choice(["leases", "manifests", "damaged"])
            if folder.is_dir() and not folder.is_symlink():
                fields = {name: nonsense(rng) for name in ("host", "pid", "started", "keys", "running")}
                owner = json.dumps(fields)
                (folder / name).write_bytes(rng.choice([owner.encode(), bytes_of(owner.encode(), rng)]))
        case 6:
            os.rename(path, path.with_name(rng.choice(["x", f"{CHAIN.key}.json", "-", "a" * 200])))  # noqa: PTH104
        case _:
            path.write_bytes(bytes_of(path.read_bytes(), rng))


def operations(store: Store, keys: list[str]) -> Iterator[Callable[[], Any]]:
    def locked(key: str) -> None:
        with store.leases() as leases:
            leases.look()
            leases.take([key])
            store.scratch(key, "me")

    def computed() -> None:
        with Inline() as executor:
            for failure in run([TOP, CHAIN], store, executor).failures:
                assert failure.user_error or "more than once in this run" in failure.error_text, failure.error_text

    yield store.listing
    yield store.check
    yield lambda: store.manifests(keys)
    yield lambda: plan([TOP, CHAIN], store).why
    for key in keys:
        yield lambda key=key: store.has(key)  # type: ignore[misc]
        yield lambda key=key: store.fetch(key)  # type: ignore[misc]
        yield lambda key=key: locked(key)  # type: ignore[misc]
        yield lambda key=key: store.commit(key, Blob(b"x").save, identity={}, provenance={})  # type: ignore[misc]
        yield lambda key=key: store.quarantine(Damaged(key, "", "test"))  # type: ignore[misc]
    yield computed
    yield lambda: load(TOP, store)
    yield lambda: store.prune({TOP.key})
    yield lambda: store.prune(set())


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


@pytest.mark.timeout(200)
def test_no_harm_to_a_store_is_a_traceback_or_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Callable[[], Iterator[Random]]
) -> None:
    monkeypatch.setattr(lease, "PATIENCE", 0.01)
    monkeypatch.setattr(lease.random, "uniform", lambda low, high: 0.002)  # so that nobody waits for long
    whole = tmp_path / "whole"
    with Inline() as executor:
        assert not run([TOP, CHAIN], Store(str(whole)), executor).failures
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("mine")
    (tmp_path / "outside" / f"{TOP.key}.json").write_text("mine too")
    before = content(tmp_path / "outside")
    for rng in inputs():
        root = tmp_path / "store"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(whole, root)
        store = Store(str(root))
        for _ in range(rng.randrange(1, 4)):
            try:
                harm(root, tmp_path / "outside", rng)
            except (OSError, IndexError):
                continue
        keys = [TOP.key, CHAIN.key, rng.choice([*NAMES, Const(value=1).key])]
        every = list(operations(store, keys))
        for operation in rng.sample(every, k=rng.randrange(1, len(every) + 1)):
            try:
                operation()
            except (UserError, Damaged) as error:
                assert "\n" not in str(error)  # noqa: PT017
            except KeyError as error:
                assert "holds no" in str(error)  # noqa: PT017
        assert content(tmp_path / "outside") == before
        assert {path.name for path in tmp_path.iterdir()} == {"whole", "outside", "store"}
