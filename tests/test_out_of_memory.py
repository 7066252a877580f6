"""Lack of memory, as the libraries report it and in a process that has little."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from test_cli import QUIZ
from toys import Boom

from outgrow.executors.inline import Inline
from outgrow.graph import Context, run
from outgrow.memory import HINT, at_most, out_of_memory
from outgrow.store import Store

HERE = Path(__file__).parent
LINE = f"error: not enough memory: {HINT}\n"
ERRORS = [
    MemoryError(),
    RuntimeError("std::bad_alloc"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried 4 bytes"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ImportError("libarrow.so.2600: failed to map segment from shared object"),
    OSError(12, "Cannot allocate memory"),
    RuntimeError("can't start new thread"),
]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_every_library_is_understood(error: Exception) -> None:
    wrapped = ValueError("loading failed")
    wrapped.__cause__ = error
    assert out_of_memory(error) == out_of_memory(wrapped) == f"not enough memory: {HINT}"


def test_limits_of_several_threads_leave_none_behind() -> None:
    """The second one begins while the first still holds, and ends after it."""
    before, began = resource.getrlimit(resource.RLIMIT_AS), threading.Event()

    def limited() -> None:
        began.set()
        with at_most(2**32):
            pass

    second = threading.Thread(target=limited)
    with at_most(2**32):
        second.start()
        began.wait()
        second.join(0.2)  # without a lock it would be done by now, with this limit as the one before its own
        assert second.is_alive()
        assert resource.getrlimit(resource.RLIMIT_AS) != before
    second.join()
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_other_errors_are_not_of_memory() -> None:
    circular = ValueError("a")
    circular.__cause__ = KeyError("b")
    circular.__cause__.__cause__ = circular
    assert out_of_memory(circular) is out_of_memory(None) is out_of_memory(OSError(28, "No space left")) is None


def test_a_step_without_memory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate(self: Boom, ctx: Context) -> None:
        raise MemoryError

    monkeypatch.setattr(Boom, "run", allocate)
    with Inline() as executor:
        (failure,) = run([Boom()], Store(str(tmp_path)), executor).failures
    assert (failure.user_error, failure.error_text) == (True, f"not enough memory: {HINT}")


def limited(folder: Path, megabytes: int, *args: str) -> subprocess.CompletedProcess[str]:
    """A command in a process with so much address space."""
    env = {
        **os.environ,
        "OUTGROW_CACHE": str(folder / "cache"),
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
    }
    command = ["bash", "-c", f'ulimit -v {megabytes * 1024}; exec "$@"', "bash", sys.executable, "-m", "outgrow", *args]
    (folder / "quiz.toml").write_text(QUIZ)
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux")
def test_a_process_with_too_little_says_so(tmp_path: Path) -> None:
    done = limited(tmp_path, 80, "plan", "quiz.toml")
    assert (done.returncode, done.stderr[-len(LINE) :]) == (2, LINE)
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux")
@pytest.mark.parametrize("megabytes", range(100, 1500, 100))
def test_any_limit_ends_without_a_traceback_and_in_time(tmp_path: Path, megabytes: int) -> None:
    """-6: a library in Rust or C++ aborts the process when it cannot allocate, which Python cannot catch."""
    done = limited(tmp_path, megabytes, "plan")
    assert done.returncode in (0, 1, 2, -6), done.stderr
    assert "Traceback" not in done.stderr
