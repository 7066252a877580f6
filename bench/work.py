"""Whole pieces of work, each in a process of its own: one fit, a pair and a grid of the ladder on chess puzzles.

They are short, so that imports are a large part of all of them.

The baseline does the same with Hugging Face's `Trainer` in fp32 (`bench.plain`), on the same rows with the same
hyperparameters. `python -m bench.work` prints the tables.

Other implementations can take part: PEER_OPENAI and PEER_W2S name folders that hold a copy of one which runs on a CPU,
and a module `bench_peer.py`, called as `python -m bench_peer JOB RESULT` like `bench.plain`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.turns import REPEATS, ROOT, Measured, measured, process
from outgrow import api, graph
from outgrow.config import as_toml
from outgrow.experiment.data import Gold, Prepare
from outgrow.experiment.definition import Experiment
from outgrow.experiment.scoring import Score
from outgrow.experiment.steps import Fit, Predict
from outgrow.graph import Settings
from outgrow.source import resolved
from outgrow.store import Store
from outgrow.tasks.base import SPLITS, ground_truth

OURS, PLAIN = "outgrow", "Trainer"
PEERS = {"openai": "PEER_OPENAI", "w2s": "PEER_W2S"}  # by environment variable


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large the work is: examples to train on, to validate on and to test on."""

    train: int = 160
    held_out: int = 60
    test: int = 200
    small: str = "ladder/knight"
    middle: str = "ladder/bishop"
    large: str = "ladder/queen"

    def experiment(self, weak: list[str], strong: list[str]) -> dict[str, Any]:
        held_out = dict.fromkeys(("transfer_validation", "validation"), self.held_out)
        return {
            "task": "chess-puzzles",
            "weak": weak,
            "strong": strong,
            "pairs": "upward",
            "seeds": [0],
            "sizes": {"weak_train": self.train, "transfer": self.train, "test": self.test, **held_out},
            "methods": [{"label": "naive"}],
        }


def fit(size: Size = Size(), repeats: int = REPEATS) -> list[Measured]:
    """One fit, its score, and the labels that it gives, on one core."""
    return compared("one fit", size.experiment([size.small], [size.large]), 1, repeats)


def pair(size: Size = Size(), repeats: int = REPEATS) -> list[Measured]:
    """A whole pair on one core."""
    return compared("one pair", size.experiment([size.small], [size.large]), 1, repeats)


def grid(size: Size = Size(), repeats: int = REPEATS) -> list[Measured]:
    """Three sizes and three upward pairs, on two cores."""
    experiment = size.experiment([size.small, size.middle], [size.middle, size.large])
    return compared("grid of three sizes", experiment, 2, repeats)


def compared(work: str, experiment: dict[str, Any], cores: int, repeats: int) -> list[Measured]:
    """Ours with a worker a core and the plain script with a thread a core, in turns."""
    with tempfile.TemporaryDirectory() as scratch:
        return _compared(work, experiment, Path(scratch), cores, repeats)


def _compared(work: str, experiment: dict[str, Any], folder: Path, cores: int, repeats: int) -> list[Measured]:
    (folder / "job.json").write_text(json.dumps(plain_job(experiment, "fit" if work == "one fit" else "grid")))
    (folder / "experiment.json").write_text(json.dumps(experiment))
    (folder / "experiment.toml").write_text(as_toml(experiment))
    contestants = {OURS: partial(ours, work, folder, cores), PLAIN: partial(other, folder, cores)}
    for name, variable in PEERS.items():
        if peer := os.environ.get(variable):
            contestants[name] = partial(other, folder, cores, "bench_peer", Path(peer))
    title = f"{work}, {cores} core{'s' * (cores > 1)}"
    return measured(title, contestants, PLAIN, repeats)


def ours(work: str, folder: Path, workers: int) -> dict[str, float]:
    """One run in a new store, with its accuracies in percent."""
    with tempfile.TemporaryDirectory(dir=folder) as store:
        if work == "one fit":
            took = process(["bench.work", "fit", str(folder / "experiment.json"), store])
        else:
            on = ["--on", "pool", "--workers", f"{workers}"] if workers > 1 else ["--on", "inline"]
            file, page = str(folder / "experiment.toml"), str(folder / "report.html")
            took = process(["outgrow", "run", file, "--store", store, "--report", page, *on])
        found = accuracies(json.loads((folder / "experiment.json").read_text()), store, work == "one fit")
        stored = sum(each.stat().st_size for each in Path(store).rglob("*") if each.is_file()) / 1e6
    return {**took, "MB stored": stored, **found}


def other(folder: Path, threads: int, module: str = "bench.plain", where: Path = ROOT) -> dict[str, float]:
    took = process([module, str(folder / "job.json"), str(folder / "result.json")], threads, where)
    found = json.loads((folder / "result.json").read_text())
    return {**took, **{f"% {role}": value for role, value in found.items()}}


def accuracies(experiment: Mapping[str, Any], store: str, fit: bool) -> dict[str, float]:
    """In percent, by role and models."""
    if fit:
        return {"% ceiling": 100 * float(graph.load(one_fit(resolved(experiment))[0], Store(store)).correct.mean())}
    found: dict[str, float] = {}
    for record in api.results(experiment, store=store).records:
        if record["seed"] is not None:
            weak, strong = record["weak"], record["strong"]
            named = {f"floor {weak}": "floor", f"student {weak} {strong}": "student", f"ceiling {strong}": "ceiling"}
            named |= {f"direct {strong}": "direct", f"zero-shot {strong}": "zero_shot"}
            found |= {f"% {name}": 100 * record[role] for name, role in named.items()}
    return found


def one_fit(experiment: Experiment) -> tuple[Score, Predict]:
    """The ceiling of an experiment's student: its score on test, and the labels that it gives to weak_train."""
    task, model = experiment.tasks[0], experiment.strong[-1]
    prepared = {split: Prepare(task=task, split=split, n=experiment.size(task, split), seed=0) for split in SPLITS}
    train, held_out, test = prepared["transfer"], prepared["transfer_validation"], prepared["test"]
    fitted = Fit(
        model=model,
        readout=task.readout,
        method=experiment.recipe(task, model).at(experiment.precision),
        examples=train,
        labels=Gold(examples=train),
        validation=held_out,
        validation_labels=Gold(examples=held_out),
    )
    score = Score(predictions=Predict(fitted=fitted, examples=test), examples=test, gold=Gold(examples=test))
    return score, Predict(fitted=fitted, examples=prepared["weak_train"])


def plain_job(experiment: Mapping[str, Any], do: str) -> dict[str, Any]:
    """The rows and hyperparameters of an experiment for `bench.plain`."""
    known = resolved(experiment)
    task = known.tasks[0]
    models = {}
    for each in (*known.weak, *known.strong):
        model: Any = getattr(each, "model", each)
        recipe: Any = known.recipe(task, model)
        fields = {name: getattr(recipe, name) for name in ("epochs", "batch", "learning_rate")}
        models[model.name] = {"folder": str(model.folder(Settings())), **fields}
    weak, strong = experiment["weak"], experiment["strong"]
    order = list(models)
    pairs = [(a, b) for a in weak for b in strong if order.index(a) < order.index(b)]
    return {
        "do": do, "readout": task.readout, "splits": rows_of(known, 0), "models": models,
        "weak": weak, "strong": strong, "pairs": pairs, "seed": 0, "hard": not task.soft_labels,
    }  # fmt: skip


def rows_of(experiment: Experiment, seed: int) -> dict[str, list[dict[str, Any]]]:
    """The rows of each split, with the ground truth as targets."""
    task = experiment.tasks[0]
    found: dict[str, list[dict[str, Any]]] = {}
    for split in SPLITS:
        examples = task.examples(split, experiment.size(task, split), seed)
        answers = ground_truth(task, examples)
        found[split] = [
            {"prompt": row.prompt, "choices": list(row.choices), "targets": answers.probs[start:end].tolist()}
            for row, start, end in zip(examples.rows, answers.offsets, answers.offsets[1:], strict=False)
        ]
    return found


def _fit(experiment_file: str, store: str) -> None:
    with api.executor("inline") as runner:
        steps = one_fit(resolved(json.loads(Path(experiment_file).read_text())))
        outcome = graph.run(list(steps), Store(store), runner)
    if outcome.failures:
        raise SystemExit(outcome.failures[0].error_text)


if __name__ == "__main__":
    if sys.argv[1:2] == ["fit"]:
        _fit(*sys.argv[2:])
    else:
        from bench.tables import show

        for measure in (fit, pair, grid):
            show(measure.__name__, measure())
