"""A store on a real S3 server behind a proxy that fails: nothing is lost, one commit, one line where a fault lasts."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driver import targets
from faulty_proxy import FAULTS, Proxy, Request, always, at_rates
from s3_server import make_bucket, s3_server, use_server
from toys import Add, Blob, Const

from outgrow.executors.inline import Inline
from outgrow.graph import load, run, walk
from outgrow.store import Store, as_digests, digest_of_text, trouble
from outgrow.types import UserError

KEY = "const-0123456789ab"
FAULT = [name if name in ("500", "lost") else pytest.param(name, marks=pytest.mark.slow) for name in FAULTS]
MIXED = dict.fromkeys(FAULTS, 0.025)  # a quarter of all requests fails


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with s3_server() as server, Proxy(server, silence=0.3) as running:
        yield running


@pytest.fixture
def store(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trouble, "PAUSE", 0.001)
    use_server(monkeypatch, proxy.url)
    proxy.choose = lambda request: None
    yield Store(f"s3://{make_bucket(proxy.url, tmp_path.name)}/store")
    proxy.choose = lambda request: None


def commit(store: Store, data: bytes) -> bool:
    return store.commit(KEY, Blob(data).save, identity={}, provenance={})


@pytest.mark.parametrize("fault", FAULT)
def test_nothing_is_lost_to_a_fault_of_every_third_request(store: Store, proxy: Proxy, fault: str) -> None:
    proxy.counts.clear()
    proxy.choose = at_rates({fault: 0.3}, seed=1)
    top = Add(terms=(Const(value=1), Const(value=2)))
    with Inline() as executor:
        outcome = run([top], store, executor)
    assert not outcome.failures
    assert load(top, store).value == 3
    assert proxy.faults > 5
    proxy.choose = lambda request: None
    assert len(store.check().intact) == 3
    assert not store.check().damaged
    assert store.storage.names("leases") == set()


@pytest.mark.parametrize("fault", ["late 500", "lost"])
def test_a_conditional_write_whose_answer_is_lost_is_one_commit(store: Store, proxy: Proxy, fault: str) -> None:
    creations: list[str] = []

    def lose_the_first(request: Request) -> str | None:
        if request.method == "PUT" and "if-none-match" in request.headers:
            creations.append(request.path)
            return fault if len(creations) == 1 else None
        return None

    proxy.choose = lose_the_first
    assert commit(store, b"mine"), "the write was done, and only its answer was lost"
    assert len(creations) > 1
    assert not commit(store, b"another")
    assert Blob.load(store.fetch(KEY)).data == b"mine"
    assert len(store.storage.files(KEY)) == 2


@pytest.mark.parametrize("fault", ["503", "silent"])
def test_a_server_that_throttles_while_files_are_saved_is_asked_again(store: Store, proxy: Proxy, fault: str) -> None:
    """Every write fails twice. The last one is of the manifest: before it nobody sees the artifact."""
    tries: dict[str, int] = {}

    def throttle(request: Request) -> str | None:
        if request.method != "PUT":
            return None
        tries[request.path] = tries.get(request.path, 0) + 1
        return fault if tries[request.path] <= 2 else None

    proxy.choose = throttle
    assert commit(store, b"mine")
    assert len(tries) == 3, "two files and a manifest"
    assert set(tries.values()) == {3}
    assert KEY in list(tries)[-1], "the manifest, by which others see the artifact, is written last"
    assert list(tries)[-1].endswith(".json")
    proxy.choose = lambda request: None
    assert Blob.load(Store(store.url).fetch(KEY)).data == b"mine"


def test_a_server_that_throttles_for_ever_while_files_are_saved_is_one_line_and_leaves_nothing_to_see(
    store: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trouble, "RETRIED", 0.05)
    first: list[str] = []

    def throttle(request: Request) -> str | None:
        if request.method != "PUT":
            return None
        first[:] = first or [request.path]
        return None if request.path == first[0] else "503"

    proxy.choose = throttle
    with pytest.raises(UserError, match=r"^the store s3://.* cannot be written to") as caught:
        commit(store, b"mine")
    assert "\n" not in str(caught.value)
    proxy.choose = lambda request: None
    assert Store(store.url).listing() == frozenset()
    assert commit(store, b"later")
    assert Blob.load(store.fetch(KEY)).data == b"later"


def test_of_rivals_behind_a_faulty_server_one_commits(store: Store, proxy: Proxy) -> None:
    proxy.choose = at_rates(MIXED, seed=2)
    won: list[bytes] = []
    gate = threading.Barrier(4)

    def contend(name: bytes) -> None:
        rival = Store(store.url)
        gate.wait()
        if commit(rival, name):
            won.append(name)

    threads = [threading.Thread(target=contend, args=(str(i).encode(),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.choose = lambda request: None
    assert len(won) == 1
    assert Blob.load(store.fetch(KEY)).data == won[0]


def test_rows_and_deletions_survive_a_faulty_server(store: Store, proxy: Proxy) -> None:
    proxy.choose = at_rates(MIXED, seed=3)
    digests = as_digests([digest_of_text(f"text {i}") for i in range(6)])
    values = np.arange(18, dtype=np.float32).reshape(6, 3)
    rows = store.rows("rows-0123456789ab")
    rows.add(digests, values, 1.0)
    read, found = Store(store.url).rows("rows-0123456789ab").read(digests)
    assert found.all()
    assert np.array_equal(read, values)
    assert commit(store, b"x")
    assert store.prune(set()) > 0
    proxy.choose = lambda request: None
    assert store.storage.files("") == {}


def _operations(store: Store) -> list[Callable[[], Any]]:
    return [
        store.listing,
        lambda: store.manifests([KEY]),
        lambda: store.storage.files(""),
        lambda: commit(store, b"x"),
        lambda: store.storage.create("once", b"x"),
        lambda: store.storage.remove([KEY]),
        lambda: store.leases().take([KEY]),
    ]


@pytest.mark.parametrize("fault", FAULT)
def test_a_fault_that_lasts_is_one_line(
    store: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(trouble, "RETRIED", 0.05)
    monkeypatch.setattr(trouble, "FORBIDDEN", 0.02)
    proxy.choose = always(fault)
    for operation in _operations(store):
        with pytest.raises(UserError, match=r"^the store s3://") as caught:
            operation()
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500


def test_a_server_that_cannot_be_reached_for_a_moment_is_asked_again(store: Store, proxy: Proxy) -> None:
    left = [5]

    def reset_at_first(request: Request) -> str | None:
        left[0] -= 1
        return "reset" if left[0] >= 0 else None

    proxy.choose = reset_at_first
    assert store.listing() == frozenset()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(int(os.environ.get("OUTGROW_FAULTY_RUNS", "5"))))
def test_runs_behind_a_faulty_server_end_as_without_faults(
    store: Store, proxy: Proxy, tmp_path: Path, seed: int
) -> None:
    """The artifacts of a graph of long steps, run by two processes' worth of executors at once, byte for byte."""
    reference = Store(str(tmp_path / "reference"))
    with Inline() as executor:
        run(targets(4), reference, executor)
    proxy.counts.clear()
    proxy.choose = at_rates(MIXED, seed)
    outcomes: list[Any] = []

    def work() -> None:
        with Inline() as executor:
            outcomes.append(run(targets(4), Store(store.url), executor))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{proxy.faults} faults in {sum(proxy.counts.values())} requests")
    assert [outcome.failures for outcome in outcomes] == [(), ()]
    proxy.choose = lambda request: None
    steps = list(walk(targets(4)))
    assert {step.key: store.manifest(step.key).files for step in steps} == {
        step.key: reference.manifest(step.key).files for step in steps
    }
    assert len(store.check().intact) == len({step.key for step in steps})
