"""Disks that are full, broken or closed: one line, nothing half committed, checkpoints kept."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from toys import Add, Blob, Chain, Const, Number

from outgrow.executors.inline import Inline
from outgrow.graph import Event, Outcome, Step, load, run
from outgrow.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def done(step: Step[Number] | Step[Blob], store: Store, events: list[Event] | None = None) -> Outcome:
    with Inline() as executor:
        return run([step], store, executor, watch=events.append if events is not None else lambda event: None)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_costs_nothing_finished(small_disk: Path) -> None:
    store = Store(str(small_disk / "store"))
    done(Const(value=1), store)
    (small_disk / "ballast").write_bytes(b"x" * 170_000)
    big = Chain(seed=1, pieces=12, piece_seconds=0)  # its result has 50 kB
    filler = Const(value=2)
    with suppress(OSError):
        (small_disk / "ballast2").write_bytes(b"x" * 300_000)
    (failure,) = done(big, store).failures
    assert failure.user_error
    assert "\n" not in failure.error_text
    assert str(store) in failure.error_text
    assert "full" in failure.error_text
    assert load(Const(value=1), store).value == 1
    for name in ("ballast", "ballast2"):
        (small_disk / name).unlink()
    assert not done(big, store).failures
    assert not done(filler, store).failures


def test_a_full_disk_keeps_the_last_checkpoint(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGROW_CHECKPOINT_SECONDS", "0")
    step = Chain(seed=1, pieces=10, piece_seconds=0)
    reference = Store(store.url + "-reference")
    done(step, reference)
    with monkeypatch.context() as patch:

        def full(self: Blob, folder: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(Blob, "save", full)
        (failure,) = done(step, store).failures
    assert failure.user_error
    assert "is full" in failure.error_text
    assert [path.name for path in store.scratch(step.key).iterdir()] == ["checkpoint-000000009"]
    events: list[Event] = []
    assert not done(step, store, events).failures
    assert not [e for e in events if e.kind == "progress"]  # nothing was left to compute
    assert store.manifest(step.key).files == reference.manifest(step.key).files


def test_a_read_only_store_can_be_read_and_says_so_when_it_cannot_be_written(small_disk: Path) -> None:
    store = Store(str(small_disk / "store"))
    top = Add(terms=(Const(value=2),))
    done(top, store)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    again = done(top, store)
    assert not again.failures
    assert not again.computed
    assert load(top, store).value == 2
    (failure,) = done(Const(value=3), store).failures
    assert failure.user_error
    assert failure.error_text.startswith(f"the store {store} cannot be written to")
    assert "--store" in failure.error_text
    assert "\n" not in failure.error_text


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
def test_what_the_system_says_becomes_one_line(store: Store, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    (failure,) = done(Const(value=3), store).failures
    assert failure.user_error
    assert str(store) in failure.error_text
    assert "--store" in failure.error_text
    assert "\n" not in failure.error_text
