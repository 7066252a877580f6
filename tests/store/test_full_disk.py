"""Disks that are full, broken or closed: one line, nothing half committed, checkpoints kept."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from toys import Add, Blob, Chain, Const, Number

from outgrow.executors.inline import Inline
from outgrow.graph import Context, Event, Outcome, Step, load, run
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


# ---- libraries that wrap what the system says


@dataclass(frozen=True, kw_only=True)
class Weights(Step[Blob]):
    """Half a megabyte of weights, written by the library that writes checkpoints; a checkpoint before it."""

    result = Blob

    def run(self, ctx: Context) -> Blob:
        import numpy as np
        from safetensors.numpy import save_file

        if ctx.last_checkpoint() is None:
            ctx.save_checkpoint(lambda folder: (folder / "small").write_text("kept") and None)
        save_file({"x": np.zeros(131_072, np.float32)}, ctx.scratch / "model.safetensors")
        return Blob(b"done")


def test_a_disk_that_fills_while_a_model_is_saved_is_one_line(small_disk: Path) -> None:
    store = Store(str(small_disk / "store"))
    (failure,) = done(Weights(), store).failures
    assert (failure.user_error, "\n" in failure.error_text) == (True, False), failure.error_text
    assert "is full" in failure.error_text
    assert store.listing() == frozenset()
    (kept,) = Path(store.url, "scratch", Weights().key).glob("*/checkpoint-*/small")
    assert kept.read_text() == "kept"
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    assert not done(Weights(), store).failures


def test_a_limit_on_files_while_a_model_is_saved_is_one_line(store: Store) -> None:
    """As on a full disk, but needs no right to mount one."""
    code = (
        "import resource, sys; sys.path[:0] = sys.argv[2:]\n"
        "import numpy, safetensors.numpy\n"
        "from test_full_disk import Store, Weights, done\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "(failure,) = done(Weights(), Store(sys.argv[1])).failures\n"
        "assert failure.user_error and chr(10) not in failure.error_text, failure.error_text\n"
        "assert 'File too large' in failure.error_text, failure.error_text\n"
    )
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    subprocess.run([sys.executable, "-c", code, store.url, *folders], check=True)
    assert store.listing() == frozenset()
    assert list(Path(store.url, "scratch", Weights().key).glob("*/checkpoint-*/small"))
    assert not done(Weights(), store).failures


def _caused(code: int) -> Exception:
    try:
        raise OSError(code, os.strerror(code))
    except OSError as error:
        found = RuntimeError("cannot write the archive")
        found.__cause__ = error
        return found


def _named(code: int) -> Exception:
    from safetensors import SafetensorError

    found: Exception = SafetensorError(f"Error while serializing: I/O error: {os.strerror(code)} (os error {code})")
    return found


@dataclass(frozen=True, kw_only=True)
class Raises(Step[Number]):
    result = Number

    def run(self, ctx: Context) -> Number:
        raise ERRORS[0]


ERRORS: list[Exception] = []


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (_named(errno.ENOSPC), "is full"),
        (_named(errno.EDQUOT), "is full"),
        (_named(errno.EIO), "failed (Input/output error)"),
        (_caused(errno.ENOSPC), "is full"),
        (_caused(errno.EIO), "failed (Input/output error)"),
        (_named(errno.EROFS), "cannot be written to (Read-only file system)"),  # what ext4 makes of a disk that failed
        (OSError(errno.EROFS, "Read-only file system"), "cannot be written to (Read-only file system)"),
        (OSError(errno.EIO, "Input/output error"), "failed (Input/output error)"),
        (RuntimeError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"), "is full"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("where", ["run", "save", "checkpoint"])
def test_whatever_wraps_a_full_or_broken_disk_it_is_one_line(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception, word: str, where: str
) -> None:
    def fails(*args: Any) -> Any:
        raise error

    step: Step[Any] = Chain(seed=1, pieces=2, piece_seconds=0)
    monkeypatch.setenv("OUTGROW_CHECKPOINT_SECONDS", "0")
    if where == "save":
        monkeypatch.setattr(Blob, "save", fails)
    elif where == "run":
        step = Raises()
        monkeypatch.setattr("test_full_disk.ERRORS", [error])
    else:
        monkeypatch.setattr("outgrow.graph.context.flush", fails)
    (failure,) = done(step, store).failures
    assert (failure.user_error, "\n" in failure.error_text) == (True, False), failure.error_text
    assert word in failure.error_text
    assert str(store) in failure.error_text
    assert store.listing() == frozenset()
    assert not [path for path in Path(store.url).rglob("*") if path.is_file() and "scratch" not in path.parts]


def test_a_library_that_does_not_say_why_on_a_full_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Blob, folder: Path) -> None:
        raise RuntimeError("unexpected pos 64 vs 0")

    monkeypatch.setattr(Blob, "save", fails)
    step = Chain(seed=1, pieces=1, piece_seconds=0)
    (failure,) = done(step, store).failures
    assert not failure.user_error  # there is room: it is something else
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 100, 0))  # type: ignore[attr-defined]
    (failure,) = done(step, store).failures
    assert "is full" in failure.error_text


def test_a_step_that_writes_to_a_read_only_place_of_its_own_keeps_its_traceback(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = OSError(errno.EROFS, os.strerror(errno.EROFS), "/usr/share/words")
    monkeypatch.setattr("test_full_disk.ERRORS", [error])
    (failure,) = done(Raises(), store).failures
    assert not failure.user_error
    assert "/usr/share/words" in failure.error_text


def test_an_error_of_a_step_keeps_its_traceback(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_full_disk.ERRORS", [FileNotFoundError(errno.ENOENT, "No such file", "x")])
    (failure,) = done(Raises(), store).failures
    assert not failure.user_error
    assert "Traceback" in failure.error_text
