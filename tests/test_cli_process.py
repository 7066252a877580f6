"""The command line as a process of its own: exit codes, interrupts, how quick it is."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_cli import QUIZ

HERE = Path(__file__).parent


def start(folder: Path, *args: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    env.pop("OUTGROW_STORE", None)
    command = [sys.executable, "-m", "outgrow", *args]
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outgrow(folder: Path, *args: str) -> tuple[int, str, str]:
    process = start(folder, *args)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "quiz.toml").write_text(QUIZ)
    return tmp_path


def test_help_is_quick(tmp_path: Path) -> None:
    """Within 0.3 s on a quiet machine. Processor time, because the wall clock of a busy one says little."""
    outgrow(tmp_path, "--help")  # compiles what it imports
    times = []
    for _ in range(5):
        before = _spent()
        code, out, _ = outgrow(tmp_path, "--help")
        times.append(_spent() - before)
        assert code == 0
    for verb in ("run", "plan", "results", "report", "list", "check", "pretrain", "mine", "collect", "move-values"):
        assert f"\n  {verb} " in out
    assert min(times) < 0.6


def test_a_user_error_has_no_traceback(folder: Path) -> None:
    code, out, err = outgrow(folder, "run", "quiz.toml", "--set", "weak=ladder")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert "Traceback" not in err


def test_a_store_that_cannot_be_written(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o500)
    store = "/sys/outgrow" if os.geteuid() == 0 else str(closed / "runs")  # root may write anywhere but there
    if not Path(store).parent.is_dir():
        pytest.skip("no folder that root cannot write")
    code, _, err = outgrow(folder, "run", "quiz.toml", "--on", "inline", "--store", store)
    assert code == 2
    assert "Traceback" not in err
    assert store in err


def test_a_store_that_is_a_file(folder: Path) -> None:
    code, _, err = outgrow(folder, "run", "quiz.toml", "--on", "inline", "--store", "quiz.toml")
    assert code == 2
    assert "Traceback" not in err


@pytest.mark.parametrize("on", ["inline", "pool"])
def test_an_interrupt_keeps_what_is_finished(folder: Path, on: str) -> None:
    slow = ["--set", "recipes.fakes/large.seconds=30"]
    process = start(folder, "run", "quiz.toml", "--on", on, "--workers", "2", *slow)
    manifests = folder / "runs" / "manifests"
    deadline = time.monotonic() + 60
    while not any(manifests.glob("fit-*")) and time.monotonic() < deadline:  # a supervisor is there, students are not
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted: finished steps are stored, run again to go on" in err
    assert "Traceback" not in err
    code, out, _ = outgrow(folder, "plan", "quiz.toml", *slow)
    assert code == 0
    assert ", 0 cached" not in out.splitlines()[0]


SIGNALS = {signal.SIGTERM: "terminated\n", signal.SIGINT: "interrupted\n", signal.SIGHUP: "hung up\n"}

# Runs the command line as `python -m outgrow` does, and stops it by a signal when a module is imported.
STOPPED = """
import os, sys
module, number = sys.argv[1:]
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), int(number))
sys.meta_path.insert(0, Finder())
from outgrow.__main__ import main
sys.argv[1:] = ["plan", "quiz.toml"]
main()
"""


@pytest.mark.parametrize("module", ["outgrow.cli", "typer", "pydantic"])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_during_imports_is_one_line(folder: Path, module: str, number: signal.Signals) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", STOPPED, module, str(int(number))]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", SIGNALS[number])


# As when a signal arrives while dataclasses run generated code, or Python makes a class.
INSIDE = {
    "exec": "exec('import os; os.kill(os.getpid(), int(sys.argv[1])); [0 for _ in range(1000)]')",
    "class": "type('Made', (), {'field': Field()})",
}
MAIN = """
import os, sys
class Field:
    def __set_name__(self, owner, name):
        os.kill(os.getpid(), int(sys.argv[1])); [0 for _ in range(1000)]
import outgrow.cli
def command_line(arguments):
    CODE
outgrow.cli.main = command_line
from outgrow.__main__ import main
main()
"""


@pytest.mark.parametrize("where", INSIDE)
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_inside_generated_code_keeps_its_exit_code(folder: Path, where: str, number: signal.Signals) -> None:
    script = folder / "script.py"
    script.write_text(MAIN.replace("CODE", INSIDE[where]))
    done = subprocess.run([sys.executable, str(script), str(int(number))], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (128 + number, SIGNALS[number])


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_at_any_moment(folder: Path, number: signal.Signals) -> None:
    """From when the handlers are installed to the end of a plan: the signal's code and line, or the plan is done."""
    for moment in range(2, 22):
        process = start(folder, "plan", "quiz.toml")
        time.sleep(moment / 10)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) in [(128 + number, SIGNALS[number]), (-number, ""), (0, "")], moment


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here")
def test_under_nohup_a_hang_up_is_ignored(folder: Path) -> None:
    command = ["nohup", sys.executable, "-m", "outgrow", "plan", "quiz.toml"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "steps to do" in out


def test_a_cached_run_is_quick(folder: Path) -> None:
    """Within 4 s on a quiet machine. Processor time, because the wall clock of a busy one says little."""
    assert outgrow(folder, "run", "quiz.toml", "--on", "inline")[0] == 0
    before = _spent()
    code, out, _ = outgrow(folder, "run", "quiz.toml")
    assert code == 0
    assert "\n0 steps computed, " in out
    assert _spent() - before < 4


def _spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("on", ["inline", "pool"])
def test_a_closed_pipe_ends_it_as_it_ends_other_programs(folder: Path, on: str) -> None:
    """`outgrow run 2>&1 | head -1`"""
    command = [sys.executable, "-m", "outgrow", "run", "quiz.toml", "--on", on]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        assert b"steps to do" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 141
    assert outgrow(folder, "check")[0] == 0
    code, _, err = outgrow(folder, "run", "quiz.toml", "--on", on)
    assert code == 0, err
