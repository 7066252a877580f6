"""Readers that go away while a run on a pool is at work: a quiet end, nothing mixed up, and the next run goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import QUIZ

HERE = Path(__file__).parents[1]
RUN = "run quiz.toml --on pool --workers 2 --set recipes.fakes/large.seconds=1.2"
# What stands around "outgrow" on a shell's line; GONE is the exit code of a process whose reader has gone.
READERS = {
    "head of stdout": f"OUTGROW {RUN} | head -1",
    "some bytes": f"OUTGROW {RUN} | head -c 7",
    "none": f"OUTGROW {RUN} | true",
    "head of both": f"OUTGROW {RUN} 2>&1 | head -2",
    "one byte of both": f"OUTGROW {RUN} 2>&1 | head -c 1",
    "head of stderr": f"OUTGROW {RUN} 2> >(head -1 >&2) >out.txt",
    "a reader that is killed": f"OUTGROW {RUN} 2>&1 | timeout -s KILL 3 cat",
    "a closed end": f"(exec 3< <(true); sleep 0.2; OUTGROW {RUN} 2>&1 >/dev/full)",
    "a process that ignores the signal": f"trap '' PIPE; OUTGROW {RUN} 2>&1 | head -1",
    "head of a log": f"mkfifo log; (head -1 log &); OUTGROW {RUN} 2>log",
    "a log that is a pipe": f"OUTGROW {RUN} --log /dev/stdout | head -1",
    "no stderr": f"OUTGROW {RUN} 2>&- | head -1",
    "a reader that stops reading": f"OUTGROW {RUN} 2>&1 | (read line; sleep 2)",
    "tee into a full disk": f"OUTGROW {RUN} 2>&1 | tee /dev/full | head -1",
}


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    variables.pop("OUTGROW_STORE", None)
    line = line.replace("OUTGROW", f"{sys.executable} -m outgrow")
    return subprocess.run(["bash", "-c", line], cwd=folder, env=variables, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "quiz.toml").write_text(QUIZ)
    assert shell(folder, f"OUTGROW {RUN}").returncode == 0
    return shell(folder, f"OUTGROW results quiz.toml --format json {RUN.partition('2 ')[2]}").stdout


@pytest.mark.parametrize(
    "name", [each if each == "head of both" else pytest.param(each, marks=pytest.mark.slow) for each in READERS]
)
def test_a_reader_that_goes_away_costs_nothing(name: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "quiz.toml").write_text(QUIZ)
    cut = shell(tmp_path, READERS[name])
    everything = cut.stdout + cut.stderr + "".join(path.read_text() for path in tmp_path.glob("*.txt"))
    assert "Traceback" not in everything, everything
    again = shell(tmp_path, f"OUTGROW {RUN}")
    assert (again.returncode, "Traceback" in again.stderr) == (0, False), again.stderr
    found = shell(tmp_path, f"OUTGROW results quiz.toml --format json {RUN.partition('2 ')[2]}").stdout
    assert json.loads(found) == json.loads(expected)
    assert not list((tmp_path / "runs").glob("leases/*"))
    assert not list((tmp_path / "runs").glob("damaged/*"))
