"""`make bench`, or `python -m bench [PART ...]`: how fast outgrow is, beside plain scripts that do the same work.

Without a name it measures the parts of `COMPARED`, in about 15 minutes on two idle cores; the others take ten more.
Each part is printed when it is done, and written to docs/performance.json, from which `python -m docs.refresh
docs/performance.md` makes the page. A part that is not asked for stays as it was, with the machine and the day on which
it was measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from bench.tables import FILE, show
from bench.turns import Measured, Part, read, write

COMPARED = {
    "training": "training.measure",
    "roofline": "roofline.measure",
    "fit": "work.fit",
    "pair": "work.pair",
    "grid": "work.grid",
    "probes": "probes.measure",
    "heads": "heads.measure",
    "starting": "starting.measure",
}
PARTS = {
    **COMPARED,
    "profile": "profile.measure",
    "padding": "padding.measure",
    "footprint": "footprint.measure",
    "growth": "growth.measure",
}


def main(parts: Mapping[str, Callable[[], list[Measured]]], file: Path) -> None:
    for name, measure in parts.items():
        started = time.perf_counter()
        records = measure()
        show(name, records)
        part = Part(machine=machine(), records=records, seconds=round(time.perf_counter() - started, 1))
        write(file, {**read(file), name: part})


def machine() -> dict[str, str]:
    """What the reader of the numbers should know."""
    from outgrow.training.precision import FAST_BF16, _cpu_flags

    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": (names[0].partition(":")[2].strip() if names else platform.processor())
        + f", {os.cpu_count()} cores, {', '.join(sorted(FAST_BF16 & _cpu_flags())) or 'no fast bf16'}",
        "software": f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "scikit-learn")),
        "day": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def _work(name: str) -> Callable[[], list[Measured]]:
    module, _, function = name.partition(".")
    found: Callable[[], list[Measured]] = getattr(import_module(f"bench.{module}"), function)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--out", type=Path, default=FILE)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {min(unknown)}: choose of {', '.join(PARTS)}")
    main({name: _work(PARTS[name]) for name in arguments.parts or COMPARED}, arguments.out)
