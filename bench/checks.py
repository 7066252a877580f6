"""What the checks before a run cost: `python -m bench.checks [TEXTS]`, by default 20,000 texts of 5 to 25 words.

Seconds of `outgrow plan` with all checks, and of a plan of the same steps without them, each in a process of its own:
first with an empty cache folder, then with a filled one. It needs the extra `models` (MiniLM).
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPEATS = 3
EXPERIMENT = """
task = { name = "text", path = "texts.jsonl", prompt = "{text}", label = "label" }
weak = "minilm/l3"
strong = "minilm/l6"
seeds = [0]
sizes = { weak_train = 2000, transfer = 2000, test = 1000 }
"""
CHECKED = "from outgrow import plan; work = lambda: plan('experiment.toml', store='runs')"
BARE = """
from outgrow.config import read
from outgrow.experiment.grid import cells, targets
from outgrow.graph import plan
from outgrow.store import Store
work = lambda: plan(targets(cells(read("experiment.toml").pinned())), Store("runs"))
"""
TIMED = "\nimport time\nstart = time.perf_counter()\nassert work().todo\nprint(time.perf_counter() - start)"


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else 20_000
    seconds: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write(folder, count)
        for repeat in range(REPEATS):
            for name, code in (("with checks", CHECKED), ("without", BARE)):
                for cache in ("empty", "filled"):
                    found = run(code, folder, folder / f"{name} {repeat}")
                    seconds.setdefault((name, cache), []).append(found)
    for cache in ("empty", "filled"):
        both = {name: statistics.median(seconds[name, cache]) for name in ("with checks", "without")}
        shown = ", ".join(f"{name} {value:.2f} s" for name, value in both.items())
        print(f"{count:,} texts, {cache} cache: {shown}; the checks {both['with checks'] - both['without']:.2f} s")


def write(folder: Path, count: int) -> None:
    words = [a + b + c for a in "bcdfgklmnprst" for b in "aeiou" for c in "bdklmnrst"]
    rng = random.Random(0)
    rows = (
        {"text": " ".join(rng.choices(words, k=rng.randint(5, 25))), "label": rng.choice("ab")} for _ in range(count)
    )
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "experiment.toml").write_text(EXPERIMENT)


def run(code: str, folder: Path, cache: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", code + TIMED],
        cwd=folder,
        env={**os.environ, "OUTGROW_CACHE": str(cache)},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


if __name__ == "__main__":
    main()
