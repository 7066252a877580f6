"""Sentiment from a lexicon, SST-2: a student of outgrow, beside setfit on the same labels and audited rows alone.

`python -m bench.sentiment` prints the table. Of SST-2 2,000 rows are labelled by `examples/rules/lexicon.py`, which was
written without data and abstains on three rows of four; 1,500 other rows are the test set. Everything reads MiniLM-L6:
`outgrow` fits a head on its frozen features; setfit (Tunstall et al. 2022) finetunes it contrastively on the most voted
class of each labelled row, and then fits a head. Each seed draws its rows, of which 100 are audited.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import runpy
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.accuracy import accuracy
from outgrow.measures.difference import paired
from outgrow.practice.classifier import WeakToStrongClassifier
from outgrow.tasks.base import ground_truth
from outgrow.tasks.nlp import Nlp

ROWS, TEST, AUDITED = 2000, 1500, 100
PAIRS = 2  # of setfit, of either kind for each row: its `num_iterations`
RULES = Path(__file__).parents[1] / "examples" / "rules" / "lexicon.py"

Rows = tuple[list[str], npt.NDArray[np.int64]]
Fit = Callable[[list[str], npt.NDArray[np.int64], npt.NDArray[np.int64], int, str], Any]


def rows(split: Any, count: int, seed: int) -> Rows:
    """Texts and their classes, 0 or 1."""
    task = Nlp(set="sst2").pinned()
    found = task.examples(split, count, seed)
    return [row.prompt for row in found.rows], ground_truth(task, found).hard()


def weak_labels(texts: list[str]) -> npt.NDArray[np.int64]:
    """The class by each rule, -1 for none, [n, rules]."""
    rules = [f for name, f in runpy.run_path(str(RULES)).items() if callable(f) and not name.startswith("_")]
    return np.array([[{"no": 0, "yes": 1}.get(rule(text), -1) for rule in rules] for text in texts])


def voted(weak: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The class that most rules say, -1 where none does or they are even."""
    balance = (weak == 1).sum(1) - (weak == 0).sum(1)
    return np.where(balance == 0, -1, (balance > 0).astype(np.int64))


def cheap(texts: list[str], weak: Any, gold: Any, seed: int, store: str) -> Any:
    return WeakToStrongClassifier(seed=seed, store=store).fit(texts, weak).predict


def with_audits(texts: list[str], weak: Any, gold: Any, seed: int, store: str) -> Any:
    drawn = np.random.default_rng(seed).permutation(len(texts))[:AUDITED]
    known = np.full(len(texts), -1)
    known[drawn] = gold[drawn]
    return WeakToStrongClassifier(seed=seed, store=store).fit(texts, weak, gold=known).predict


def audited_alone(texts: list[str], weak: Any, gold: Any, seed: int, store: str) -> Any:
    drawn = np.random.default_rng(seed).permutation(len(texts))[:AUDITED]
    own = [texts[i] for i in drawn]
    return WeakToStrongClassifier(method="naive", seed=seed, store=store).fit(own, gold[drawn]).predict


def ceiling(texts: list[str], weak: Any, gold: Any, seed: int, store: str) -> Any:
    return WeakToStrongClassifier(method="naive", seed=seed, store=store).fit(texts, gold).predict


def setfit(texts: list[str], weak: Any, gold: Any, seed: int, store: str) -> Any:
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    from outgrow.graph import Settings
    from outgrow.models.minilm import MiniLM

    labels = voted(weak)
    at = np.flatnonzero(labels >= 0)
    data = Dataset.from_dict({"text": [texts[i] for i in at], "label": labels[at].tolist()})
    model = SetFitModel.from_pretrained(str(MiniLM(size="l6").folder(Settings())))
    args = TrainingArguments(
        output_dir=f"{store}/setfit", batch_size=16, num_epochs=1, num_iterations=PAIRS, seed=seed, report_to="none",
        save_strategy="no", show_progress_bar=False,
    )  # fmt: skip
    with contextlib.redirect_stdout(sys.stderr):  # it prints its losses
        Trainer(model=model, args=args, train_dataset=data).train()
    return lambda texts: np.asarray(model.predict(texts, show_progress_bar=False))


FITS: dict[str, Fit] = {
    "outgrow, the lexicon's labels alone": cheap,
    f"outgrow, with {AUDITED} audited rows": with_audits,
    f"the same head on {AUDITED} audited rows alone": audited_alone,
    "setfit on the same labels' most voted class": setfit,
    "the same head on the ground truth of all rows": ceiling,
}


def measured(seeds: int, fits: Mapping[str, Fit]) -> str:
    """The table, in Markdown."""
    test_texts, truth = rows("test", TEST, 0)
    labels = voted(weak_labels(test_texts))
    right: dict[str, list[npt.NDArray[np.bool_]]] = {name: [] for name in fits}
    seconds: dict[str, list[float]] = {name: [] for name in fits}
    with tempfile.TemporaryDirectory() as store:
        for seed in range(seeds):
            texts, gold = rows("transfer", ROWS, seed)
            weak = weak_labels(texts)
            for name, fit in fits.items():
                started = time.monotonic()
                predict = fit(texts, weak, gold, seed, store)
                seconds[name].append(time.monotonic() - started)
                right[name].append(np.asarray(predict(test_texts)) == truth)
    given = labels >= 0
    lines = [
        f"Where the lexicon says something, on {100 * given.mean():.0f} % of the {TEST:,} test rows, it is right on "
        f"{100 * (labels[given] == truth[given]).mean():.1f} %. {seeds} seeds.",
        "",
        "| fit | accuracy | minus the first row | seconds |",
        "|---|---:|---:|---:|",
    ]
    each = np.arange(len(test_texts))  # every row is a group of its own
    first = np.array(next(iter(right.values())), dtype=np.float64)
    for name, correct in right.items():
        table = np.array(correct, dtype=np.float64)
        own, versus = accuracy(table, each), paired(table, first, each)
        shown = "—" if not np.any(table - first) else _interval(versus, signed=True)
        lines.append(f"| {name} | {_interval(own)} | {shown} | {np.mean(seconds[name]):.0f} |")
    return "\n".join(lines)


def _interval(found: Any, signed: bool = False) -> str:
    value = f"{100 * found.mean:+.1f}" if signed else f"{100 * found.mean:.1f}"
    return f"{value} ({100 * found.low:.1f} to {100 * found.high:.1f})".replace("-", "−")


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--without-setfit", action="store_true")
    arguments = parser.parse_args()
    print(
        measured(
            arguments.seeds,
            {name: fit for name, fit in FITS.items() if fit is not setfit or not arguments.without_setfit},
        )
    )
