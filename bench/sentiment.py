"""Sentiment from a lexicon, SST-2: students of outgrow, beside setfit on the same labels and audited rows alone.

`python -m bench.sentiment` prints the table. Of SST-2 2,000 rows are labelled by `examples/rules/lexicon.py`, which was
written without data and abstains on three rows of four; 1,500 other rows are the test set. Everything reads MiniLM-L6:
`outgrow` finetunes it, or fits a head on its frozen features; setfit (Tunstall et al. 2022) finetunes it contrastively
on the most voted class of each labelled row, and then fits a head. Each seed draws its rows, of which 100 are audited.
Every fit is kept in `--kept`, so that a run which was cut off goes on, and several may share the work (`--only`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import runpy
import sys
import time
from collections.abc import Callable, Iterable, Sequence
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
SEEDS = (10, 11, 12, 13, 14)  # none of these drew rows while the recipe was chosen
PAIRS = 2  # of setfit, of either kind for each row: its `num_iterations`
RULES = Path(__file__).parents[1] / "examples" / "rules" / "lexicon.py"

Rows = tuple[list[str], npt.NDArray[np.int64]]
Fit = Callable[[list[str], npt.NDArray[np.int64], npt.NDArray[np.int64], int, str], Any]


def rows(split: Any, count: int | None, seed: int) -> Rows:
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


def drawn(texts: Sequence[str], seed: int) -> npt.NDArray[np.int64]:
    """The rows that are audited."""
    return np.random.default_rng(seed).permutation(len(texts))[:AUDITED]


def cheap(texts: list[str], weak: Any, gold: Any, seed: int, store: str, finetune: bool = True) -> Any:
    return WeakToStrongClassifier(finetune=finetune, seed=seed, store=store).fit(texts, weak).predict


def frozen(texts: list[str], weak: Any, gold: Any, seed: int, store: str) -> Any:
    return cheap(texts, weak, gold, seed, store, finetune=False)


def with_audits(texts: list[str], weak: Any, gold: Any, seed: int, store: str) -> Any:
    known, at = np.full(len(texts), -1), drawn(texts, seed)
    known[at] = gold[at]
    return WeakToStrongClassifier(finetune=True, seed=seed, store=store).fit(texts, weak, gold=known).predict


def audited_alone(texts: list[str], weak: Any, gold: Any, seed: int, store: str, finetune: bool = True) -> Any:
    at = drawn(texts, seed)
    classifier = WeakToStrongClassifier(method="naive", finetune=finetune, seed=seed, store=store)
    return classifier.fit([texts[i] for i in at], gold[at]).predict


def frozen_audited_alone(texts: list[str], weak: Any, gold: Any, seed: int, store: str) -> Any:
    return audited_alone(texts, weak, gold, seed, store, finetune=False)


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


FITS: dict[str, tuple[Fit, str]] = {
    "finetuned": (cheap, "outgrow, finetuned on the lexicon's labels"),
    "with-audits": (with_audits, f"the same, with {AUDITED} audited rows"),
    "audited-alone": (audited_alone, f"the same on {AUDITED} audited rows alone"),
    "setfit": (setfit, "setfit on the most voted class of the same labels"),
    "frozen": (frozen, "a head on frozen features, the lexicon's labels"),
    "frozen-audited-alone": (frozen_audited_alone, f"a head on frozen features, {AUDITED} audited rows alone"),
    "ceiling": (ceiling, "a head on frozen features, the ground truth of all rows"),
}


def fit_all(kept: Path, seeds: Iterable[int], only: Sequence[str]) -> None:
    """Fit what is not kept yet: the answers to the test rows, and the seconds of processor time."""
    kept.mkdir(parents=True, exist_ok=True)
    test_texts, _ = rows("test", TEST, 0)
    for seed in seeds:
        texts, gold = rows("transfer", ROWS, seed)
        weak = weak_labels(texts)
        for name in only:
            if (path := kept / f"{name}-{seed}.json").exists():
                continue
            started = time.process_time()
            predict = FITS[name][0](texts, weak, gold, seed, str(kept / "runs"))
            seconds = time.process_time() - started
            answers = np.asarray(predict(test_texts)).astype(int).tolist()
            path.write_text(json.dumps({"seconds": seconds, "answers": answers}))
            print(f"{path.stem}: {seconds:.0f} s", file=sys.stderr, flush=True)


def table(kept: Path, seeds: Sequence[int], only: Sequence[str]) -> str:
    """The table, in Markdown, of the seeds that all fits have."""
    test_texts, truth = rows("test", TEST, 0)
    labels = voted(weak_labels(test_texts))
    done = [seed for seed in seeds if all((kept / f"{name}-{seed}.json").exists() for name in only)]
    found = {name: [json.loads((kept / f"{name}-{seed}.json").read_text()) for seed in done] for name in only}
    right = {name: np.array([each["answers"] for each in own]) == truth for name, own in found.items()}
    given = labels >= 0
    lines = [
        f"Where the lexicon says something, on {100 * given.mean():.0f} % of the {TEST:,} test rows, it is right on "
        f"{100 * (labels[given] == truth[given]).mean():.1f} %. {len(done)} seeds.",
        "",
        "| fit | accuracy | minus the first row | seconds of one core |",
        "|---|---:|---:|---:|",
    ]
    groups, first = np.arange(len(truth)), right[only[0]].astype(np.float64)  # every row is a group of its own
    for name, correct in right.items():
        own, versus = accuracy(correct.astype(np.float64), groups), paired(correct.astype(np.float64), first, groups)
        shown = "—" if name == only[0] else _interval(versus, signed=True)
        seconds = np.mean([each["seconds"] for each in found[name]])
        lines.append(f"| {FITS[name][1]} | {_interval(own)} | {shown} | {seconds:,.0f} |")
    return "\n".join(lines)


def _interval(found: Any, signed: bool = False) -> str:
    value = f"{100 * found.mean:+.1f}" if signed else f"{100 * found.mean:.1f}"
    return f"{value} ({100 * found.low:.1f} to {100 * found.high:.1f})".replace("-", "−")


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    parser.add_argument("--only", nargs="*", choices=list(FITS), default=list(FITS), help="these fits alone")
    parser.add_argument("--kept", type=Path, default=Path("runs/sentiment"))
    arguments = parser.parse_args()
    fit_all(arguments.kept, arguments.seeds, arguments.only)
    print(table(arguments.kept, arguments.seeds, arguments.only))
