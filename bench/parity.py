"""Do bf16 and fp32 give the same accuracies? The same experiments in both, seed by seed.

The ladder on chess puzzles, and MiniLM finetuned on AG News (OUTGROW_DATA). `python -m bench.parity` prints, for each
score, its mean in both precisions, the mean difference over the seeds with its 95 % interval (Student's t), and the
standard deviation of a seed in fp32. On a CPU without fast bf16 it takes hours.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import t

import outgrow

SEEDS = [0, 1, 2, 3, 4]
ROLES = ("floor", "label_accuracy", "student", "direct", "ceiling")
CHESS: Mapping[str, Any] = {
    "task": "chess-puzzles",
    "weak": ["ladder/knight"],
    "strong": ["ladder/queen"],
    "seeds": SEEDS,
    "methods": [{"label": "naive"}],
}
TEXT: Mapping[str, Any] = {
    "task": {
        "name": "text",
        "path": "$OUTGROW_DATA/text/ag_news.jsonl.gz",
        "prompt": "{content}",
        "label": "label",
    },
    "weak": ["minilm/l3"],
    "strong": ["minilm/l6"],
    "seeds": SEEDS,
    "sizes": {"weak_train": 500, "transfer": 500, "transfer_validation": 150, "validation": 250, "test": 1500},
    "methods": [{"label": "naive"}],
}
HEADER = ("models", "score", "fp32", "bf16", "bf16 − fp32", "95 % interval", "sd of a seed, fp32")


def scores(experiment: Mapping[str, Any], precision: str, store: str) -> dict[str, list[float]]:
    """Each score of an experiment by name, in percent, one value a seed."""
    found = outgrow.run({**experiment, "precision": precision}, store=store)
    each = sorted((record for record in found.records if record["seed"] is not None), key=lambda record: record["seed"])
    return {role: [100 * record[role] for record in each] for role in ROLES}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--store", default="runs")
    store = parser.parse_args().store
    table = Table(*HEADER)
    for experiment in (CHESS, TEXT):
        fp32, bf16 = (scores(experiment, precision, store) for precision in ("fp32", "bf16"))
        models = f"{experiment['weak'][0]} → {experiment['strong'][0]}"
        for role in ROLES:
            change = np.subtract(bf16[role], fp32[role])
            half = float(t.ppf(0.975, len(SEEDS) - 1)) * change.std(ddof=1) / len(SEEDS) ** 0.5
            mean = change.mean()
            numbers = [f"{np.mean(each[role]):.1f}" for each in (fp32, bf16)]
            interval = f"{mean - half:+.1f} to {mean + half:+.1f}"
            table.add_row(models, role, *numbers, f"{mean:+.1f}", interval, f"{np.std(fp32[role], ddof=1):.1f}")
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
