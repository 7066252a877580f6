"""How often do intervals from audits hold the true accuracy, and how wide are they? `python -m bench.audits` prints it.

Each task of the text sets is labelled by a weak source: a bag of words with logistic regression, fitted to 300 rows of
ground truth, that gives probabilities or only classes. Of 4,000 other rows 100 are audited, 1,000 times: all of them at
random, or half by information and half at random, as `outgrow labels --to-audit` does. The intervals are those of
`outgrow.measures.ppi`, with the probable truth of `outgrow.practice.truth` as guesses, and Wilson's from the same
number of random audits alone. Nothing is chosen by looking at the ground truth of the 4,000 rows.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.ppi import classical
from outgrow.practice.audits import NONE, Audits, Why, audited_mean, chosen_rows
from outgrow.practice.data import PracticeData
from outgrow.practice.truth import Truth, probable_truth
from outgrow.text.bag import Bag

TASKS = {
    "ag_news": ("content", "label"), "emotion": ("text", "label"), "mr": ("text", "label"), "subj": ("text", "label"),
    "tweet_offensive": ("text", "label"), "tweet_sentiment": ("text", "label"), "stackoverflow": ("text", "label"),
    "clickbait": ("text", "label"),
}  # fmt: skip
LEARNED, ROWS, AUDITS = 300, 4000, 100

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """accuracy: of the labels. coverage, width: of the intervals of random audits with guesses; mixed_coverage,
    mixed_width: of those of which half are chosen by information; plain_coverage, plain_width: without guesses."""

    task: str
    labels: str
    accuracy: float
    coverage: float
    width: float
    mixed_coverage: float
    mixed_width: float
    plain_coverage: float
    plain_width: float


def labelled(task: str, soft: bool, seed: int = 0) -> tuple[PracticeData, npt.NDArray[np.int64]]:
    """The rows of a task with weak labels, and their ground truth."""
    from sklearn.linear_model import LogisticRegression

    text, label = TASKS[task]
    path = Path(os.environ["OUTGROW_DATA"]) / "text" / f"{task}.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    order = np.random.default_rng(seed).permutation(len(rows))[: LEARNED + ROWS]
    texts = [str(rows[i][text]) for i in order]
    names = sorted({str(row[label]) for row in rows})
    truth = np.array([names.index(str(rows[i][label])) for i in order])
    bag = Bag.of(texts[:LEARNED], (1, 1), 1)
    model: Any = LogisticRegression(C=10.0, max_iter=500).fit(bag.vectors(texts[:LEARNED]), truth[:LEARNED])
    probs = np.zeros((len(order) - LEARNED, len(names)))
    probs[:, model.classes_] = model.predict_proba(bag.vectors(texts[LEARNED:]))
    weak = probs if soft else probs.argmax(1)
    data = PracticeData.from_values(weak, texts[LEARNED:], classes=names, form="probabilities" if soft else "classes")
    return data, truth[LEARNED:]


def measured(task: str, soft: bool, times: int) -> Measured:
    """The coverage and width of the intervals of one task over so many audits."""
    data, gold = labelled(task, soft)
    truth = probable_truth(data)
    right = (truth.labels == gold).astype(np.float64)
    found = np.array([_audited(data, truth, gold, right, seed) for seed in range(times)])
    hits = (found[:, :, 0] <= right.mean()) & (right.mean() <= found[:, :, 1])
    widths = (found[:, :, 1] - found[:, :, 0]).mean(0)
    coverage = hits.mean(0)
    return Measured(
        task=task, labels="probabilities" if soft else "classes", accuracy=float(right.mean()),
        coverage=coverage[0], width=widths[0], mixed_coverage=coverage[1], mixed_width=widths[1],
        plain_coverage=coverage[2], plain_width=widths[2],
    )  # fmt: skip


def _audited(data: PracticeData, truth: Truth, gold: npt.NDArray[np.int64], right: Doubles, seed: int) -> Doubles:
    """The ends of the three intervals of one audit, [3, 2]."""
    drawn = np.random.default_rng(seed).permutation(len(data))[:AUDITS]
    why: list[Why] = ["random"] * AUDITS
    at_random = Audits(places=drawn, why=tuple(why))
    mixed = chosen_rows(data, truth, NONE, AUDITS, seed)
    ends = []
    for audits in (at_random, mixed):
        known = np.full(len(data), -1)
        known[audits.places] = gold[audits.places]
        powered = audited_mean(
            replace(data, gold=known), audits, right, 1 - truth.wrong, np.ones(len(data), dtype=bool)
        )
        assert powered is not None
        ends.append((powered.low, powered.high))
    plain = classical(right[drawn], len(data))
    return np.array([*ends, (plain.low, plain.high)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    chosen = parser.parse_args()
    print("| task | labels | accuracy | random: coverage, width | half by information | without guesses |")
    print("|---|---|---|---|---|---|")
    for task in chosen.tasks:
        for soft in (True, False):
            m = measured(task, soft, chosen.times)
            cells = [(m.coverage, m.width), (m.mixed_coverage, m.mixed_width), (m.plain_coverage, m.plain_width)]
            shown = " | ".join(f"{100 * c:.1f} %, {100 * w:.1f}" for c, w in cells)
            print(f"| {m.task} | {m.labels} | {100 * m.accuracy:.1f} % | {shown} |", flush=True)


if __name__ == "__main__":
    main()
