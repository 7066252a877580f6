"""How fast is `outgrow predict`, and does its memory grow with the file? `python -m bench.predicting` prints the table.

Files of made-up texts of eight words, as CSV, are predicted by a head on MiniLM-L6, and by a stub that gives every text
the same answer at once, so that long files take seconds: the memory of reading and writing is the same for any model.
The stub also reads Parquet files, whose row groups have 20,000 rows. Each file is predicted in a process of its own,
whose memory is its largest resident set.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

WORDS = ("plot", "cast", "music", "script", "camera", "ending", "dialogue", "great", "dull", "slow", "lovely", "sharp")
GROUP = 20_000  # rows of a group in a Parquet file
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
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "text", "llm"])
        table.writerows(made(range(rows)))
    return path


def written_as_parquet(path: Path, rows: int) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in ("id", "text", "llm")])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, GROUP):
            columns = zip(*made(range(start, min(start + GROUP, rows))), strict=True)
            writer.write_table(pa.table(list(map(pa.array, columns)), schema=schema), row_group_size=GROUP)
    return path


def made(numbers: range) -> Iterator[tuple[str, str, str]]:
    rng = random.Random(numbers.start)
    for i in numbers:
        yield str(i), " ".join(rng.choices(WORDS, k=8)), rng.choice(["good", "bad"])


def measured(answers: str, suffix: str, folder: Path, rows: int, work: Path) -> str:
    write = written_as_parquet if suffix == "parquet" else written
    data, out = write(work / f"rows.{suffix}", rows), work / "out.parquet"
    run = [sys.executable, "-c", CODE, str(folder), str(data), str(out), answers]
    found = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    assert found["rows"] == rows
    return f"| {answers} | {suffix} | {rows:,} | {found['rows'] / found['seconds']:,.0f} | {found['mib']:,.0f} |"


def main(minilm: list[int], stub: list[int], parquet: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        work, folder = Path(name), Path(name) / "model"
        fit = ["fit", str(written(work / "learned.csv", 300)), "--method", "naive", "--out", str(folder)]
        command = [sys.executable, "-m", "outgrow", *fit, "--store", str(work / "runs"), "--workers", "1"]
        subprocess.run(command, check=True, capture_output=True)
        print("| answers | file | rows | rows/s | peak memory, MiB |\n|---|---|---:|---:|---:|", flush=True)
        for answers, suffix, counts in (
            ("minilm/l6", "csv", minilm),
            ("stub", "csv", stub),
            ("stub", "parquet", parquet),
        ):
            for rows in counts:
                print(measured(answers, suffix, folder, rows, work), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minilm", type=int, nargs="*", default=[2_000, 10_000])
    parser.add_argument("--stub", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--parquet", type=int, nargs="*", default=[20_000, 200_000], help="also with the stub")
    arguments = parser.parse_args()
    main(arguments.minilm, arguments.stub, arguments.parquet)
