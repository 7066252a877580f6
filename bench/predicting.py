"""How fast is `outgrow predict`, and does its memory grow with the file? `python -m bench.predicting` prints the table.

Files of made-up texts of eight words, as CSV, are predicted by a head on MiniLM-L6 and by one on a tiny random encoder,
which is as good for the memory of the reading and writing and takes seconds where MiniLM takes minutes. Each file is
predicted in a process of its own; its memory is the largest resident set of that process.
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
import json, resource, sys, time
from pathlib import Path
from outgrow.practice.predict import predict_file
seconds = []
folder, data, out = map(Path, sys.argv[1:])
rows = predict_file(folder, data, out, progress=lambda done, passed: seconds.append(passed))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"rows": rows, "seconds": seconds[-1], "mib": peak}))
"""


def written(path: Path, rows: int) -> Path:
    rng = random.Random(0)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "text", "llm"])
        for i in range(rows):
            table.writerow([i, " ".join(rng.choices(WORDS, k=8)), rng.choice(["good", "bad"])])
    return path


def tiny(folder: Path) -> Path:
    """A random encoder of one layer, with the tokenizer of MiniLM."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    from outgrow.graph import Settings
    from outgrow.models.minilm import MiniLM

    tokenizer = AutoTokenizer.from_pretrained(MiniLM(size="l6").folder(Settings()))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def measured(model: str, folder: Path, rows: int, work: Path) -> str:
    data, out = written(work / "rows.csv", rows), work / "out.parquet"
    run = [sys.executable, "-c", CODE, str(folder), str(data), str(out)]
    found = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    assert found["rows"] == rows
    return f"| {model} | {rows:,} | {found['rows'] / found['seconds']:,.0f} | {found['mib']:,.0f} |"


def main(minilm: list[int], random_encoder: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        learned = written(work / "learned.csv", 300)
        print("| model | rows | rows/s | peak memory, MiB |\n|---|---:|---:|---:|")
        for model, counts in (("minilm/l6", minilm), (str(tiny(work / "tiny")), random_encoder)):
            shown, folder = Path(model).name if model != "minilm/l6" else model, work / f"fitted-{Path(model).name}"
            fit = ["fit", str(learned), "--model", model, "--method", "naive", "--out", str(folder)]
            command = [sys.executable, "-m", "outgrow", *fit, "--store", str(work / "runs"), "--workers", "1"]
            subprocess.run(command, check=True, capture_output=True)
            for rows in counts:
                print(measured(shown, folder, rows, work), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minilm", type=int, nargs="*", default=[2_000, 10_000])
    parser.add_argument("--tiny", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    arguments = parser.parse_args()
    main(arguments.minilm, arguments.tiny)
