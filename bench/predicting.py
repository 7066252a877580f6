"""How fast is `outgrow predict`, and does its memory grow with the file? `python -m bench.predicting` prints the table.

Files of made-up texts of eight words, as CSV, are predicted by a head on MiniLM-L6, and by a stub that gives every text
the same answer at once, so that long files take seconds: the memory of reading and writing is the same for any model.
Each file is predicted in a process of its own, whose memory is its largest resident set.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

WORDS = ("plot", "cast", "music", "script", "camera", "ending", "dialogue", "great", "dull", "slow", "lovely", "sharp")
CODE = """
import json, resource, sys
from pathlib import Path
import numpy as np
from outgrow.practice import checkpoint
from outgrow.practice.predict import predict_file
folder, data, out = map(Path, sys.argv[1:4])
if sys.argv[4] == "stub":
    checkpoint.Loaded.predict = lambda self, texts: np.tile([0.3, 0.7], (len(texts), 1))
seconds = []
found = predict_file(folder, data, out, progress=lambda done, passed: seconds.append(passed))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"rows": found.rows, "seconds": seconds[-1], "mib": peak}))
"""


def written(path: Path, rows: int) -> Path:
    rng = random.Random(0)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "text", "llm"])
        for i in range(rows):
            table.writerow([i, " ".join(rng.choices(WORDS, k=8)), rng.choice(["good", "bad"])])
    return path


def measured(answers: str, folder: Path, rows: int, work: Path) -> str:
    data, out = written(work / "rows.csv", rows), work / "out.parquet"
    run = [sys.executable, "-c", CODE, str(folder), str(data), str(out), answers]
    found = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    assert found["rows"] == rows
    return f"| {answers} | {rows:,} | {found['rows'] / found['seconds']:,.0f} | {found['mib']:,.0f} |"


def main(minilm: list[int], stub: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        work, folder = Path(name), Path(name) / "model"
        fit = ["fit", str(written(work / "learned.csv", 300)), "--method", "naive", "--out", str(folder)]
        command = [sys.executable, "-m", "outgrow", *fit, "--store", str(work / "runs"), "--workers", "1"]
        subprocess.run(command, check=True, capture_output=True)
        print("| answers | rows | rows/s | peak memory, MiB |\n|---|---:|---:|---:|", flush=True)
        for answers, counts in (("minilm/l6", minilm), ("stub", stub)):
            for rows in counts:
                print(measured(answers, folder, rows, work), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minilm", type=int, nargs="*", default=[2_000, 10_000])
    parser.add_argument("--stub", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    arguments = parser.parse_args()
    main(arguments.minilm, arguments.stub)
