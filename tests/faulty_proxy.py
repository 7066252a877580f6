"""An HTTP proxy before a server that fails as networks and servers fail: for tests of a remote store.

    with Proxy("http://127.0.0.1:5000", at_rates({"500": 0.1, "reset": 0.05}, seed=0)) as proxy:
        ...  # clients use proxy.url in place of the server's

As a program it prints its URL and runs until it is stopped: `python tests/faulty_proxy.py SERVER 500=0.1 reset=0.05`
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

ANSWERS = {
    "500": ("500", "InternalError"),
    "503": ("503", "SlowDown"),
    "403": ("403", "AccessDenied"),
    "EIO": ("500", "DiskError"),  # a code that s3fs does not know, which it raises as an OSError with errno EIO
}  # statuses and the codes that S3 gives
FAULTS = {
    **dict.fromkeys(ANSWERS, "the status, without asking the server"),
    "late 500": "the server does what it is asked, and the client gets a 500",
    "lost": "the server does what it is asked, and the connection is reset before the answer",
    "reset": "the connection is reset before the server is asked",
    "closed": "the connection is closed without a word",
    "truncated": "half of the answer, then the connection is closed",
    "silent": "no answer for `silence` seconds, then the connection is closed",
    "garbled": "an answer that is not HTTP",
}


@dataclass(frozen=True)
class Request:
    """What a client asked: GET, PUT, …, the path with its query, and the header lines in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


Choose = Callable[[Request], str | None]  # the fault of a request, one of FAULTS, or None: it is passed on


def at_rates(rates: Mapping[str, float], seed: int) -> Choose:
    """Each fault at its rate, a share of all requests; the same faults in the same order for the same seed."""
    if unknown := set(rates) - set(FAULTS):
        raise ValueError(f"no fault is called {sorted(unknown)}: there are {', '.join(FAULTS)}")
    rng, names, weights = random.Random(seed), list(rates), list(rates.values())
    return lambda request: rng.choices([*names, None], [*weights, max(0.0, 1 - sum(weights))])[0]


def always(fault: str, method: str = "") -> Choose:
    """One fault for every request, or for every one of a method."""
    return lambda request: fault if method in ("", request.method) else None


class Proxy:
    """A proxy on the loopback, in a thread of its own. `choose` may be set while it runs; `counts` has the faults by
    (method, fault), with fault "" for what was passed on."""

    def __init__(self, upstream: str, choose: Choose = lambda request: None, silence: float = 3.0) -> None:
        self.choose, self.silence = choose, silence
        self.counts: Counter[tuple[str, str]] = Counter()
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = ""

    @property
    def faults(self) -> int:
        """How many requests failed so far."""
        return sum(count for (_, fault), count in self.counts.items() if fault)

    def __enter__(self) -> Proxy:
        self._thread.start()
        server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *error: object) -> None:
        self._run(self._cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, which is closed after one answer."""
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            request = _parsed(head)
            if request.headers.get("expect"):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await _body(request, reader)
            fault = self.choose(request)
            self.counts[request.method, fault or ""] += 1
            await self._answer(request, fault, head, body, writer)
        with suppress(Exception):
            writer.close()

    async def _answer(
        self, request: Request, fault: str | None, head: bytes, body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        answer = b""
        if fault in (None, "late 500", "lost", "truncated"):
            answer = await self._forwarded(head, body)
        if fault in ("reset", "lost"):
            _reset(writer)
            return
        if fault == "silent":
            await asyncio.sleep(self.silence)
        if fault in ("closed", "silent"):
            return
        if fault == "garbled":
            answer = bytes(range(128, 256)) * 4
        elif fault == "truncated":
            answer = _half(answer)
        elif fault is not None:
            answer = _error(fault.removeprefix("late "), has_body=request.method != "HEAD")
        writer.write(answer)
        await writer.drain()

    async def _forwarded(self, head: bytes, body: bytes) -> bytes:
        """The server's whole answer."""
        reader, writer = await asyncio.open_connection(*self._upstream)
        lines = [line for line in head.split(b"\r\n") if line.partition(b":")[0].lower() not in SINGLE]
        writer.write(b"\r\n".join([lines[0], b"Connection: close", *lines[1:]]) + body)
        answer = await reader.read()
        writer.close()
        return answer


SINGLE = (b"connection", b"expect")  # headers of one connection, which are not passed on


def _parsed(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    return Request(method, path, {name.lower(): value.strip() for name, _, value in pairs})


async def _body(request: Request, reader: asyncio.StreamReader) -> bytes:
    """The bytes after the head, as they were sent."""
    if "chunked" in request.headers.get("transfer-encoding", ""):
        parts = []
        while True:
            size = await reader.readuntil(b"\r\n")
            parts += [size, await reader.readexactly(int(size.split(b";")[0], 16) + 2)]
            if int(size.split(b";")[0], 16) == 0:
                return b"".join(parts)
    return await reader.readexactly(int(request.headers.get("content-length", 0)))


def _half(answer: bytes) -> bytes:
    head, blank, body = answer.partition(b"\r\n\r\n")
    return head + blank + body[: len(body) // 2] if body else answer[: len(answer) // 2]


def _error(fault: str, has_body: bool) -> bytes:
    status, code = ANSWERS[fault]
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>a test</Message></Error>".encode()
    head = f"HTTP/1.1 {status} x\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + (body if has_body else b"")


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection so that the client sees a reset, not an end."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


if __name__ == "__main__":
    rates = {name: float(rate) for name, _, rate in (word.partition("=") for word in sys.argv[2:])}
    with Proxy(sys.argv[1], at_rates(rates, seed=0)) as running:
        print(running.url, flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
        print(dict(running.counts))
