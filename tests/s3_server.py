"""A real S3 server on the loopback (moto), which can fail as servers and networks do."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

KINDS = ("500", "503", "403", "reset before", "reset after")
LATE = 0.02  # of the failures are late answers, which cost the most time


@dataclass
class Faults:
    """rate: the share of requests that fail. asked: requests by method and kind of path. failed: by kind of failure.

    late: seconds that a late answer takes, longer than the client's patience.
    """

    rate: float = 0.0
    late: float = 12.0
    seed: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def drawn(self) -> str:
        """The failure of the next request; "" if it does not fail."""
        if self._random.random() >= self.rate:
            return ""
        return "late" if self._random.random() < LATE else self._random.choice(KINDS)


@contextmanager
def served(faults: Faults | None = None) -> Iterator[str]:
    """The URL of a server."""
    moto = pytest.importorskip("moto.moto_server.werkzeug_app")
    pytest.importorskip("s3fs")
    from werkzeug.serving import make_server

    backend, one_at_a_time = moto.DomainDispatcherApplication(moto.create_backend_app), threading.Lock()
    found = faults or Faults()

    def application(environ: Any, start: Any) -> list[bytes]:
        with one_at_a_time:
            found.asked[_kind(environ)] += 1
            kind = found.drawn()
            found.failed[kind] += bool(kind)
        if kind.isdecimal():
            start(f"{kind} Failed", [("Content-Type", "text/plain"), ("Content-Length", "0")])
            return []
        if kind == "late":
            time.sleep(found.late)
        if kind == "reset before":
            return _reset(environ)
        # moto looks whether a key is there and then writes it: between the two, S3 lets nobody in
        with one_at_a_time:
            answer = list(backend(environ, start))
        return _reset(environ) if kind == "reset after" else answer

    running = make_server("127.0.0.1", 0, application, threaded=True, request_handler=moto.MotoRequestHandler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        thread.join()


def environment(url: str) -> dict[str, str]:
    """The variables with which a client finds the server, and loses patience within ten seconds."""
    keys = {"AWS_ACCESS_KEY_ID": "toy", "AWS_SECRET_ACCESS_KEY": "toy", "AWS_DEFAULT_REGION": "us-east-1"}
    patience = '{"config_kwargs": {"read_timeout": 10, "connect_timeout": 10, "retries": {"max_attempts": 1}}}'
    return {**keys, "AWS_ENDPOINT_URL": url, "FSSPEC_S3": patience}


def bucket(url: str, name: str) -> str:
    """A new bucket."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem(endpoint_url=url).mkdir(name)
    return name


def _kind(environ: Any) -> str:
    """`PUT manifests`, `LIST leases` and so on."""
    query, path = environ.get("QUERY_STRING", ""), environ.get("PATH_INFO", "")
    folders = ("manifests", "leases", "checkpoints", "rows", "damaged")
    named = query.replace("%2F", "/") if "list-type" in query else path
    where = next((each for each in folders if f"/{each}" in named), "files")
    return f"{'LIST' if 'list-type' in query else environ['REQUEST_METHOD']} {where}"


def _reset(environ: Any) -> list[bytes]:
    """Close the connection without an answer."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError
