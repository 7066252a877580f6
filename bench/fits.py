"""What do 100 audited rows add to cheap labels? `python -m bench.fits` prints it.

As in examples/cross-fitting.toml a bag of words that learned from 300 ground-truth examples labels 2,000 others, and a
head on MiniLM-L6 learns from these labels. 100 of the 2,000 rows, drawn at random, are audited. The methods are those
of `outgrow fit --method`; `audited rows alone` is a head that learned from these and nothing else. Accuracy is on 1,500
test examples; intervals are of paired differences, over seeds and examples.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from outgrow import graph
from outgrow.executors.inline import Inline
from outgrow.experiment.steps import predicted
from outgrow.graph import Settings, Step, load
from outgrow.measures.difference import paired
from outgrow.methods.head import Head
from outgrow.models.minilm import MiniLM
from outgrow.practice.data import PracticeData
from outgrow.practice.fit import checked
from outgrow.practice.graph import audited_alone, graph_of, setup_of
from outgrow.store import Store
from outgrow.supervisors.words import Words
from outgrow.tasks.base import ground_truth
from outgrow.tasks.nlp import Nlp
from outgrow.training.word_classifier import fit_words

SETS = ("mr", "ag-news", "subj", "tweet-offensive")
METHODS = ("naive", "audited")
ALONE = "audited rows alone"
LEARNED, ROWS, TEST, AUDITS = 300, 2000, 1500, 100


def data_of(task: Nlp, seed: int) -> tuple[PracticeData, list[str], np.ndarray]:
    """The data of a person, with the test examples as rows without a label; their ids and right classes."""
    train, rows, test = (
        task.examples(*part, seed) for part in (("weak_train", LEARNED), ("transfer", ROWS), ("test", TEST))
    )
    words = Words()
    fitted = fit_words(
        train, ground_truth(task, train), "head", ngrams=words.ngrams, least=words.min_df, penalties=words.penalties,
        folds=words.folds, seed=seed,
    )  # fmt: skip
    weak = np.concatenate([fitted.predict(rows, "head"), np.full((TEST, fitted.classes), np.nan)])
    gold = np.full(ROWS + TEST, -1)
    truth = ground_truth(task, rows).hard()
    chosen, _ = train_test_split(np.arange(ROWS), train_size=AUDITS, random_state=seed)
    gold[chosen] = truth[chosen]
    every = (*rows.rows, *test.rows)
    data = PracticeData.from_values(
        weak,
        [row.prompt for row in every],
        classes=rows.rows[0].choices,
        gold=gold.tolist(),
        ids=[row.id for row in every],
    )
    return data, list(test.ids), ground_truth(task, test).hard()


def measured(name: str, seeds: list[int], store: Store) -> dict[str, np.ndarray]:
    """Whether each method is right on each test example, [seeds, examples]."""
    task = Nlp(set=name).pinned()
    found: dict[str, list[np.ndarray]] = {method: [] for method in (*METHODS, ALONE)}
    for seed in seeds:
        data, ids, truth = data_of(task, seed)
        wanted = checked(data, MiniLM(size="l6"), method="naive", fit_method=Head(), seed=seed, settings=Settings())
        setup = setup_of(wanted, wanted.task)
        steps: dict[str, Step[Any]] = {ALONE: predicted(audited_alone(wanted, setup), setup.splits["test"])}
        for method in METHODS:
            own = checked(data, MiniLM(size="l6"), method=method, fit_method=Head(), seed=seed, settings=Settings())
            steps[method] = graph_of(
                replace(own, data=replace(data, gold=None) if method != "audited" else data)
            ).predictions
        outcome = graph.run(list(steps.values()), store, Inline())
        assert not outcome.failures, outcome.failures[0].error_text
        for method, step in steps.items():
            found[method].append(load(step, store).of(tuple(ids)).hard() == truth)
    return {method: np.array(rows, dtype=np.float64) for method, rows in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="runs")
    parser.add_argument("--seeds", type=int, nargs="*", default=[20, 21, 22, 23, 24])
    parser.add_argument("--sets", nargs="*", default=SETS)
    arguments = parser.parse_args()
    print(f"| set | {' | '.join((*METHODS, ALONE))} | audited − naive | audited − {ALONE} |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in arguments.sets:
        found = measured(name, arguments.seeds, Store(arguments.store))
        shares = " | ".join(f"{100 * found[method].mean():.1f}" for method in (*METHODS, ALONE))
        against = partial(paired, found["audited"], groups=np.arange(TEST))
        differences = " | ".join(
            f"{100 * each.mean:+.1f} ({100 * each.low:.1f} to {100 * each.high:.1f})"
            for each in (against(found["naive"]), against(found[ALONE]))
        )
        print(f"| {name} | {shares} | {differences} |", flush=True)


if __name__ == "__main__":
    main()
