"""A server that times out, resets, throttles or forbids now and then: it is asked again, then one line says why."""

from __future__ import annotations

import asyncio
import errno
import http.client
from collections.abc import Callable, Iterator
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from toys import Add, Blob, Const

from outgrow.executors.inline import Inline
from outgrow.graph import load, run
from outgrow.store import Store, trouble
from outgrow.types import UserError

KEY = "const-0123456789ab"


class Flaky(MemoryFileSystem):  # type: ignore[misc]
    """A server that answers as many requests of each kind with an error as `failing` says."""

    protocol = "flaky"
    cachable = False
    store: Any = {}  # noqa: RUF012
    failing = 0
    error: Exception = OSError()
    names: list[str] = []  # noqa: RUF012

    def _answer(self, name: str, *args: Any, **named: Any) -> Any:
        Flaky.names.append(name)
        if Flaky.names.count(name) <= Flaky.failing:
            raise Flaky.error
        return getattr(MemoryFileSystem, name)(self, *args, **named)

    def find(self, *args: Any, **named: Any) -> Any:
        return self._answer("find", *args, **named)

    def cat_file(self, *args: Any, **named: Any) -> Any:
        return self._answer("cat_file", *args, **named)

    def pipe_file(self, *args: Any, **named: Any) -> Any:
        return self._answer("pipe_file", *args, **named)

    def put_file(self, *args: Any, **named: Any) -> Any:
        return self._answer("put_file", *args, **named)

    def get_file(self, *args: Any, **named: Any) -> Any:
        return self._answer("get_file", *args, **named)

    def rm_file(self, *args: Any, **named: Any) -> Any:
        return self._answer("rm_file", *args, **named)


@pytest.fixture
def store(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    fsspec.register_implementation("flaky", Flaky, clobber=True)
    Flaky.store.clear()
    Flaky.names.clear()
    Flaky.failing = 0
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trouble, "PAUSE", 0.001)
    yield Store("flaky://bucket/store")
    Flaky.failing = 0


class AnswerError(Exception):
    """As botocore's: what the server said, with its status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"An error occurred ({status})")
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}}


def _timeout() -> Exception:
    from botocore.exceptions import ReadTimeoutError

    found: Exception = ReadTimeoutError(endpoint_url="http://x")
    return found


PASSING: dict[str, Callable[[], Exception]] = {
    "reset": lambda: ConnectionResetError(errno.ECONNRESET, "reset"),
    "timeout": TimeoutError,
    "timeout of the loop": asyncio.TimeoutError,
    "slow down": lambda: OSError(errno.EBUSY, "Please reduce your request rate."),
    "internal error": lambda: OSError(errno.EREMOTEIO, "We encountered an internal error."),
    "bad gateway": lambda: AnswerError(502),
    "throttled": lambda: AnswerError(429),
    "half an answer": lambda: http.client.IncompleteRead(b"half"),
    "read timeout": _timeout,
    "forbidden now and then": lambda: PermissionError("Access Denied"),
}


@pytest.mark.parametrize("name", PASSING)
def test_every_operation_survives_what_passes(store: Store, name: str) -> None:
    Flaky.error, Flaky.failing = PASSING[name](), 2
    top = Add(terms=(Const(value=1), Const(value=2)))
    with Inline() as executor:
        outcome = run([top], store, executor)
    assert not outcome.failures
    assert load(top, store).value == 3
    assert len(store.check().intact) == 3
    assert store.prune({top.key}) > 0
    assert store.listing() == {top.key}
    assert store.storage.names("leases") == set()
    assert {"find", "cat_file", "pipe_file", "put_file", "get_file", "rm_file"} <= set(Flaky.names)


def test_what_was_read_is_not_asked_for_again(store: Store) -> None:
    store.storage.write("a", b"1")
    store.storage.write("b", b"2")
    Flaky.error, Flaky.failing = TimeoutError(), 1
    assert store.storage.read(["a", "b", "c"]) == {"a": b"1", "b": b"2"}
    assert Flaky.names.count("cat_file") == 4  # the first of three failed, and only it came again


@pytest.mark.parametrize("name", [name for name in PASSING if name not in ("bad gateway", "throttled")])
def test_what_does_not_pass_is_one_line(store: Store, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(trouble, "RETRIED", 0.05)
    monkeypatch.setattr(trouble, "FORBIDDEN", 0.02)
    Flaky.error, Flaky.failing = PASSING[name](), 10**9
    operations: list[Callable[[], Any]] = [
        store.listing,
        lambda: store.manifests([KEY]),
        lambda: store.commit(KEY, Blob(b"x").save, identity={}, provenance={}),
        lambda: store.storage.files(""),
        lambda: store.storage.remove([KEY]),
        lambda: store.leases().take([KEY]),
    ]
    for operation in operations:
        with pytest.raises(UserError, match="flaky://bucket/store") as caught:
            operation()
        assert "\n" not in str(caught.value)


def test_an_answer_that_is_cut_off_is_asked_for_again() -> None:
    """The client's code for it, 400, is not the server's."""
    aiohttp = pytest.importorskip("aiohttp", reason="pip install 'outgrow[s3]'")
    from aiohttp.http_exceptions import ContentLengthError

    error = aiohttp.ClientPayloadError("Response payload is not completed")
    error.__cause__ = ContentLengthError("received 445 of 890 bytes")
    assert trouble.retry_seconds(error) == trouble.RETRIED


def test_what_asking_again_cannot_mend_is_reported_at_once(store: Store) -> None:
    Flaky.failing = 10**9
    for error in (OSError(errno.EINVAL, "no such parameter"), AnswerError(400), ValueError("a fault of ours")):
        Flaky.error = error
        Flaky.names.clear()
        with pytest.raises((UserError, AnswerError, ValueError)):
            store.listing()
        assert Flaky.names == ["find"]


def test_an_exclusive_creation_whose_answer_was_lost_has_succeeded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [TimeoutError()]

    def pipe_file(self: Flaky, path: str, data: bytes, mode: str = "overwrite") -> None:
        if mode == "create" and self.exists(path):
            raise FileExistsError(path)
        MemoryFileSystem.pipe_file(self, path, data)
        if lost:
            raise lost.pop()

    monkeypatch.setattr(Flaky, "pipe_file", pipe_file)
    assert store.storage.create("once", b"mine")
    assert not store.storage.create("once", b"another")
    assert store.storage.read(["once"]) == {"once": b"mine"}


def test_the_pauses_grow_and_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(trouble.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(trouble.time, "sleep", sleep)

    def refuses() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        trouble.with_retries(refuses)
    assert 40 < sum(pauses) <= trouble.RETRIED  # the last pause, of 15 s at most, would have been too long
    assert pauses[0] < trouble.PAUSE <= 4 * pauses[1]
    assert max(pauses) <= trouble.LONGEST_PAUSE


def test_of_many_requests_to_a_slow_server_some_may_fail_as_long_as_others_succeed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, found = [0.0], list[int]()
    monkeypatch.setattr(trouble.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(trouble.time, "sleep", lambda seconds: None)

    def reads_one_more() -> str:
        now[0] += 50.0
        found.append(1)
        if len(found) < 5:
            raise TimeoutError
        return "all"

    assert trouble.with_retries(reads_one_more, lambda: len(found)) == "all"
    found.clear()
    with pytest.raises(TimeoutError):
        trouble.with_retries(reads_one_more)
