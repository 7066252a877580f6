"""Which hyperparameters suit a model on a task? `python -m bench.recipes examples/text-saliency.toml` prints the table.

Only floors (the weak models, on weak_train) and ceilings (the strong ones, on the ground truth of transfer) are
fitted, and only validation is read: never a student, never test. What is chosen goes into src/outgrow/recipes.toml,
under the kind of the task (`text`, `reward`) or its name. Probes on frozen features have nothing to choose.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from rich.console import Console
from rich.table import Table

from outgrow import graph
from outgrow.api import executor
from outgrow.config import read
from outgrow.executors.base import Executor
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.experiment.steps import Fit, Predict
from outgrow.methods.finetune import Finetune
from outgrow.store import Store


def fits(experiment: Experiment) -> Iterator[tuple[str, Fit]]:
    """The floors and ceilings of an experiment that are finetuned, each once."""
    found: dict[str, tuple[str, Fit]] = {}
    for cell in cells(experiment):
        assert isinstance(cell.ceiling.predictions, Predict)
        ceiling = ("ceiling", cell.ceiling.predictions.fitted)
        for role, fit in (*(("floor", fit) for fit in cell.supervisors), ceiling):
            if not fit.features:
                found[fit.key] = (role, fit)
    return iter(found.values())


def tried(experiment: Experiment, methods: Sequence[Finetune], store: Store, runner: Executor) -> Table:
    """Every floor and ceiling by every method, and the best of its checks on validation. What failed is said."""
    wanted = [(role, replace(step, method=method)) for role, step in fits(experiment) for method in methods]
    outcome = graph.run([step for _, step in wanted], store, runner)
    for failure in outcome.failures:
        print(failure.step.title, failure.error_text)
    show = Table("task", "model", "role", "rate", "epochs", "seed", "best at", "loss", "accuracy")
    for role, step in wanted:
        if not store.has(step.key):
            continue
        curve = json.loads((graph.load(step, store).folder / "curve.json").read_text())
        best = min(curve, key=lambda epoch: epoch["validation_loss"])
        assert isinstance(step.method, Finetune)
        hyperparameters = (f"{step.method.learning_rate:.0e}", f"{step.method.epochs:g}", str(step.seed))
        figures = (f"{best['epoch']:g}", f"{best['validation_loss']:.4f}", f"{best['validation_agreement']:.3f}")
        show.add_row(step.examples.task.name, step.model.name, role, *hyperparameters, *figures)
    return show


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[5e-5, 1e-4, 2e-4, 4e-4])
    parser.add_argument("--epochs", type=float, nargs="+", default=[2.0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--store", default="runs/recipes")
    arguments = parser.parse_args()
    experiment = replace(read(arguments.file), seeds=tuple(range(arguments.seeds))).pinned()
    grid = product(arguments.learning_rates, arguments.epochs)
    methods = [Finetune(learning_rate=rate, epochs=epochs) for rate, epochs in grid]
    with executor() as runner:
        show = tried(experiment, methods, Store(arguments.store), runner)
    Console().print(show)


if __name__ == "__main__":
    main()
