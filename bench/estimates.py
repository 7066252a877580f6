"""Fit what `outgrow.estimate` predicts with: `python -m bench.estimates` writes src/outgrow/practice/estimate.json.

It reads the stored cells of examples/estimate.toml. Of the clues that need no more than weak labels and out-of-fold
predictions it takes the one with the smallest mean error on tasks that are left out, among those that are surely
related to the gain (Holm over all of these clues), or none. Line and interval are those of single runs, a seed each,
since that is what a person has. `--check stackoverflow` writes nothing: it prints what the file predicts for a text set
that it was not fitted to, beside its gains.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.analyses.without_truth import gain
from outgrow.experiment.cell import Cell
from outgrow.experiment.grid import cells
from outgrow.graph import load
from outgrow.measures.clues import LABEL_CLUES
from outgrow.measures.left_out import covered, left_out, line_through, reach
from outgrow.measures.rank import rank_correlations
from outgrow.numbers import signed, span
from outgrow.practice import estimate
from outgrow.source import resolved
from outgrow.store import Store
from outgrow.types import Doubles

LEVEL = 0.8
OUT = Path(estimate.__file__).with_name(estimate.FITTED)


def table(found: Sequence[Cell], values: Sequence[float]) -> Doubles:
    """The values of all cells by task, [T, C, S]: equal pairs and methods of all tasks, each with its seeds."""
    tasks, seeds = len({cell.task.name for cell in found}), len({cell.seed for cell in found})
    return np.asarray(values, dtype=np.float64).reshape(tasks, -1, seeds)


def fitted(gains: Doubles, clues: dict[str, Doubles]) -> dict[str, Any]:
    """The clue that is taken, its line and its interval. gains and each clue: [T, C, S]."""
    means = [clue.mean(2) for clue in clues.values()]
    found = dict(zip(clues, rank_correlations(means, gains.mean(2)), strict=True))
    errors = {
        name: np.abs(left_out(x, gains.mean(2)) - gains.mean(2)).mean() for name, x in zip(clues, means, strict=True)
    }
    sure = [name for name, each in found.items() if each.certain]
    clue = min(sure, key=errors.__getitem__) if sure else ""
    y = gains.reshape(len(gains), -1)
    x = clues[clue].reshape(y.shape) if clue else np.zeros_like(y)
    line = line_through(x, y)
    return {
        "clue": clue,
        "intercept": line.intercept,
        "slope": line.slope,
        "values": [float(x.min()), float(x.max())],
        "level": LEVEL,
        "reach": reach(x, y, LEVEL),
        "covered": float(covered(x, y, LEVEL).mean()),
        "rank correlation of tasks left out": rank_correlations([left_out(x, y)], y)[0].interval.mean,
    }


def _error(x: Doubles, y: Doubles) -> float:
    return float(np.abs(left_out(x, y) - y).mean())


def read_cells(
    experiment: str, overrides: Sequence[str], store: Store, task: str = ""
) -> tuple[list[Cell], list[dict[str, Any]]]:
    """The cells whose clues are read, and what is stored of them. task: of this one alone, if given."""
    every = cells(resolved(experiment, overrides=overrides))
    found = [cell for cell in every if cell.evidence["without-truth"] and (not task or cell.task.name == task)]
    return found, [{name: load(step, store) for name, step in cell.evidence["without-truth"].items()} for cell in found]


def check(name: str, experiment: str, store: Store) -> None:
    """Print the predicted and the true gain of each run on a text set."""
    known = estimate.coefficients()
    names = ", ".join(f'{{ name = "nlp", set = "{task.removeprefix("nlp/")}" }}' for task in (*known["tasks"], name))
    found, read = read_cells(experiment, [f"task = [{names}]"], store, f"nlp/{name}")
    print("| cell | seed | predicted gain | interval | gain | inside |\n|---|---:|---:|---:|---:|---|")
    for cell, each in zip(found, read, strict=True):
        predicted = estimate.predicted_gain(each["clues"].values[known["clue"]])
        own = gain(each["student"], each["floor"])
        inside = "yes" if predicted.low <= own <= predicted.high else "no"
        name_of_cell = f"{cell.weak.name} → {cell.strong.name}, {cell.method.shown}"
        beyond = ", its clue was never as large or small" if predicted.outside else ""
        print(
            f"| {name_of_cell} | {cell.seed} | {signed(predicted.gain)} | {span(predicted.low, predicted.high)} | "
            f"{signed(own)} | {inside}{beyond} |"
        )


def write(experiment: str, store: Store) -> None:
    """Fit, and write the file that ships."""
    found, read = read_cells(experiment, (), store)
    gains = table(found, [gain(each["student"], each["floor"]) for each in read])
    clues = {name: table(found, [each["clues"].values[name] for each in read]) for name in LABEL_CLUES}
    keys = sorted(step.key for cell in found for step in cell.evidence["without-truth"].values())
    result = {
        "command": f"python -m bench.estimates {experiment}",
        **fitted(gains, clues),
        "tasks": list(dict.fromkeys(cell.task.name for cell in found)),
        "cells": gains.shape[0] * gains.shape[1],
        "digest of the steps": hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16],
        "fitted to": [
            f"{cell.task.name}, {cell.weak.name} → {cell.strong.name}, {cell.method.shown}, seed {cell.seed}: "
            f"gain {own:.4f}"
            for cell, own in zip(found, gains.ravel(), strict=True)
        ],
    }
    OUT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    for name, value in result.items():
        if name != "fitted to":
            print(f"{name}: {json.dumps(value, ensure_ascii=False)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", nargs="?", default="examples/estimate.toml")
    parser.add_argument("--store", default="runs")
    parser.add_argument("--check", metavar="SET", default="")
    arguments = parser.parse_args()
    if arguments.check:
        check(arguments.check, arguments.experiment, Store(arguments.store))
    else:
        write(arguments.experiment, Store(arguments.store))


if __name__ == "__main__":
    main()
