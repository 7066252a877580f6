"""A real S3 server on the loopback, in a thread: moto's, with conditional writes that are atomic as S3's are."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "toy", "AWS_SECRET_ACCESS_KEY": "toy", "AWS_DEFAULT_REGION": "us-east-1"}
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")


@contextmanager
def s3_server() -> Iterator[str]:
    """The URL of a server that runs in the `with` block. Skips the test where moto is not installed."""
    moto = pytest.importorskip("moto.moto_server.werkzeug_app")
    pytest.importorskip("s3fs")
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    backend, one_at_a_time = moto.DomainDispatcherApplication(moto.create_backend_app), threading.Lock()

    def atomic(environ: Any, start: Any) -> list[bytes]:
        """moto looks whether a key is there and then writes it: between the two, S3 lets nobody in."""
        with one_at_a_time:
            return list(backend(environ, start))

    running = make_server("127.0.0.1", 0, atomic, threaded=True, request_handler=moto.MotoRequestHandler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()


def make_bucket(server: str, name: str) -> str:
    """Make a bucket of the server, and return its name as S3 accepts it."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    bucket = f"bucket-{name.replace('_', '-').lower()}"[:60].strip("-")
    s3fs.S3FileSystem(endpoint_url=server, key="toy", secret="toy").mkdir(bucket)
    s3fs.S3FileSystem.clear_instance_cache()
    return bucket


def use_server(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let clients of S3 use the server at `url` for the rest of the test."""
    import s3fs

    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()  # a client keeps the server that it was made for
