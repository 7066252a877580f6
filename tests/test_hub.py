"""A hub that does not answer costs a process some seconds once, and every repository after that nothing."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMIT = "0" * 40
PROGRAM = """
import time
from outgrow import hub
from outgrow.types import UserError
hub.TIMEOUT = 1.0
import huggingface_hub
started = time.monotonic()
for i in range(20):
    for ask in (
        lambda: hub.commit_of(f"org/name{i}", "main", "model"),
        lambda: hub.snapshot(f"org/name{i}", "1" * 40, "dataset", ["*"]),
        lambda: hub.snapshot(f"org/name{i}", "1" * 40, "model", ["*"]),
    ):
        try:
            ask()
        except UserError as error:
            print(error)
print(hub.commit_of("org/known", "main", "model"))
print(hub.snapshot("org/known", "0" * 40, "model", ["*"]).name)
print(time.monotonic() - started)
"""


@contextlib.contextmanager
def server(behaviour: str) -> Iterator[int]:
    """A port of the loopback that behaves badly: `hangs`, `resets`, `fails` (500), `drips`, or is `closed`."""
    listening = socket.create_server(("127.0.0.1", 0))
    port, sockets = listening.getsockname()[1], list[socket.socket]()
    if behaviour == "closed":
        listening.close()
        yield port
        return

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                if behaviour == "resets":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()
                    continue
                sockets.append(client)
                if behaviour == "fails":
                    client.recv(65536)
                    client.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    client.close()
                elif behaviour == "drips":
                    threading.Thread(target=drip, args=(client,), daemon=True).start()

    def drip(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for letter in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000:
                client.sendall(bytes([letter]))
                if over.wait(0.1):
                    return

    over = threading.Event()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield port
    over.set()
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()
    for client in sockets:
        client.close()


@pytest.mark.parametrize("behaviour", ["hangs", "resets", "fails", "drips", "closed"])
def test_twenty_repositories_of_a_silent_hub_are_refused_in_seconds(behaviour: str, tmp_path: Path) -> None:
    known = tmp_path / "hub" / "models--org--known"
    (known / "refs").mkdir(parents=True)
    (known / "refs" / "main").write_text(COMMIT)
    (known / "snapshots" / COMMIT).mkdir(parents=True)
    with server(behaviour) as port:
        kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        kept.pop("HF_HUB_OFFLINE", None)
        environment = {**kept, "HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(tmp_path)}
        found = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
    *lines, commit, folder, seconds = found.stdout.splitlines()
    assert len(lines) == 60
    assert lines[:3] == [
        "there is no folder 'org/name0', and the hub cannot be reached: connect once, or give a checkpoint's folder",
        "org/name0 cannot be downloaded (the hub does not answer): "
        "connect once, or set OUTGROW_DATA to a folder that has it",
        "org/name0 cannot be downloaded (the hub does not answer): connect to the hub, or give a folder",
    ]
    assert (commit, folder) == (COMMIT, COMMIT)
    assert found.stderr == ""
    assert float(seconds) < 10  # the client alone takes half a minute for each
