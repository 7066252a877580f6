"""Measurements side by side: what is compared is run in turns, A B A B, and the load of the machine is noted."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REPEATS = 3
POLL = 0.02  # seconds between two looks at the memory of a process
FASTER = ("examples/s", "GFLOP/s")  # units of which more is better; of all others less is


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured of one piece of work.

    values: for each contestant, one value a turn. baseline: whom the others are compared with; "": nobody. load: the
    load average of the machine at the start of each turn, the benchmark included.
    """

    work: str
    unit: str
    values: Mapping[str, Sequence[float]]
    baseline: str = ""
    load: Sequence[float] = field(default_factory=tuple)

    def median(self, name: str) -> float:
        return statistics.median(self.values[name])

    def ratios(self, name: str) -> list[float]:
        """How many times better than the baseline, turn by turn, sorted; above 1 is better, whatever the unit."""
        pairs = zip(self.values[name], self.values[self.baseline], strict=True)
        return sorted(a / b if self.unit in FASTER else b / a for a, b in pairs)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the benchmark: what was measured, and the machine, software and day on which it was. Parts that were
    measured on different machines stand in one file. seconds: how long measuring took, 0 where that was not noted."""

    machine: Mapping[str, str]
    records: Sequence[Measured]
    seconds: float = 0

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Part:
        return cls(**{**stored, "records": [Measured(**record) for record in stored["records"]]})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def in_turns(
    contestants: Mapping[str, Callable[[], Mapping[str, float]]], repeats: int = REPEATS
) -> tuple[dict[str, dict[str, list[float]]], list[float]]:
    """Run each contestant `repeats` times, one after the other. What each call gives, unit by unit: {unit: {name:
    values}}; and the load at the start of each turn."""
    found: dict[str, dict[str, list[float]]] = {}
    load = []
    for _ in range(repeats):
        load.append(round(os.getloadavg()[0], 2))
        for name, work in contestants.items():
            for unit, value in work().items():
                found.setdefault(unit, {}).setdefault(name, []).append(value)
    return found, load


def measured(
    work: str, contestants: Mapping[str, Callable[[], Mapping[str, float]]], baseline: str = "", repeats: int = REPEATS
) -> list[Measured]:
    """A record for each unit that the contestants give."""
    found, load = in_turns(contestants, repeats)
    return [
        Measured(work=work, unit=unit, values=values, load=load, baseline=baseline if baseline in values else "")
        for unit, values in found.items()
    ]


def process(command: Sequence[str], threads: int = 1, folder: Path = ROOT) -> dict[str, float]:
    """Run a module of Python in a process of its own: seconds on the clock, seconds of processors, and the peak memory
    of it and its workers together in MB. A failure ends the benchmark with what it printed."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    env = {**os.environ, **limits, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    peak, started = 0.0, time.perf_counter()
    with tempfile.TemporaryFile() as printed:
        child = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, env=env, stdout=printed, stderr=subprocess.STDOUT
        )
        while True:
            peak = max(peak, sum(map(_memory, _family(child.pid))))
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(POLL)
        seconds, child.returncode = time.perf_counter() - started, os.waitstatus_to_exitcode(status)
        if child.returncode:
            printed.seek(0)
            text = printed.read().decode(errors="replace")
            raise SystemExit(f"{' '.join(command)} failed:\n{text[-2000:]}")
    return {"s": seconds, "s of a core": usage.ru_utime + usage.ru_stime, "MB": peak}


def _family(pid: int) -> list[int]:
    """A process and its descendants, whichever of its threads started them."""
    children: list[str] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it has ended
            children += thread.read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _memory(pid: int) -> float:
    """What a process holds in memory now, in MB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def read(path: Path) -> dict[str, Part]:
    """What a benchmark wrote, part by part; nothing where it has not run."""
    stored: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return {name: Part.from_dict(part) for name, part in stored.items()}


def write(path: Path, parts: Mapping[str, Part]) -> None:
    path.write_text(json.dumps({name: part.to_dict() for name, part in parts.items()}, indent=1) + "\n")
