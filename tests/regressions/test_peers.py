"""Faults that other implementations of weak-to-strong training have had, and the tests that keep them out.

Each fault names its tests by node id; most stand beside the code they watch, the others here. A test that is renamed
or removed must leave another in its place.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tiny
from fakes import FakeMethod, FakeModel

from outgrow.executors.inline import Inline
from outgrow.experiment.data import Gold, Prepare
from outgrow.experiment.steps import Fit, Predict
from outgrow.graph import Outcome, load, run
from outgrow.store import Store
from outgrow.tasks.base import Readout
from outgrow.tasks.text import Text
from outgrow.types import Ints

TESTS = Path(__file__).parents[1]
HERE = "regressions/test_peers.py"
FAULTS = {
    "a resume that evaluates untrained weights": (
        "training/test_loop.py::test_a_resume_goes_on_from_the_trained_weights",
        "training/test_loop.py::test_an_interrupted_run_ends_like_an_undisturbed_one",
    ),
    "a cache that ignores a changed data set, learning rate or seed": (
        f"{HERE}::test_a_changed_file_learning_rate_or_seed_is_fitted_anew",
        "experiment/test_steps.py::test_a_change_makes_new_exactly_what_depends_on_it",
        "experiment/test_steps.py::test_a_changed_file_makes_everything_new_and_a_moved_one_nothing",
    ),
    "labels joined by row position": (
        "experiment/test_steps.py::test_a_fit_joins_labels_by_id_whatever_their_order",
        "experiment/test_steps.py::test_a_lost_or_doubled_label_stops_the_fit",
        "experiment/test_steps.py::test_a_score_joins_predictions_and_gold_by_id",
        "contracts/test_tasks.py::test_scores_join_by_id",
    ),
    "a length guessed from non-zero token ids": (
        "training/test_batches.py::test_lengths_come_from_the_encoding_not_from_ids",
        "training/test_network.py::test_padding_changes_nothing",
    ),
    "different test examples for weak and strong": (
        "experiment/test_experiment.py::test_every_score_reads_the_same_test_examples",
        "experiment/test_steps.py::test_a_score_of_other_examples_is_an_error",
        "training/test_network.py::test_too_long_names_the_limit_to_set",
    ),
    "the same data order every epoch": (
        f"{HERE}::test_training_goes_through_the_data_in_another_order_every_epoch",
        "training/test_batches.py::test_each_epoch_and_each_seed_has_its_own_order",
    ),
    "all graphs of a batch held until one backward pass": (
        "training/test_loop.py::test_only_one_graph_is_alive_at_a_time",
        "training/test_loop.py::test_the_micro_batch_does_not_change_the_gradient",
    ),
    "a warm-up of the confidence loss that jumps": (
        "losses/test_confidence.py::test_the_warm_up_rises_evenly_and_never_jumps",
    ),
    "a buffer of the confidence loss that grows without end": (
        "losses/test_confidence.py::test_no_batch_is_remembered",
    ),
    "single transcripts judged instead of pairs": (
        "tasks/test_reward.py::test_which_comes_first_carries_no_information",
        "training/test_network.py::test_a_pair_is_scored_text_by_text",
        "training/test_network.py::test_swapping_a_pair_swaps_its_probabilities_exactly",
    ),
    "no seeds": (
        "contracts/test_tasks.py::test_the_seed_draws_training_subsets_and_nothing_else",
        "training/test_network.py::test_the_head_comes_from_the_seed_alone",
    ),
    "a GPU needed at import": (f"{HERE}::test_nothing_needs_a_gpu_at_import",),
}


@pytest.mark.parametrize(("fault", "node"), [(fault, node) for fault, nodes in FAULTS.items() for node in nodes])
def test_every_fault_has_its_test(fault: str, node: str) -> None:
    path, _, name = node.partition("::")
    assert (TESTS / path).is_file(), f"{path} is gone: which test keeps out {fault}?"
    tree = ast.parse((TESTS / path).read_text())
    found = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
    assert name in found, f"{node} is gone: which test keeps out {fault}?"
    marks = " ".join(ast.unparse(mark) for mark in found[name].decorator_list)
    assert not {"skip", "skipif", "xfail", "slow"} & set(marks.replace(".", " ").replace("(", " ").split())


# ---- a cache that ignores what changed


@dataclass(frozen=True, kw_only=True)
class Quiz(Text):
    """Rows of a file, answered by next tokens."""

    readout: ClassVar[Readout] = "tokens"


@dataclass(frozen=True, kw_only=True)
class Rated(FakeMethod):
    learning_rate: float = 0.1


def write_quiz(path: Path, wrong: int = 0) -> Quiz:
    """120 questions that end in their answer; the labels of the first `wrong` say the opposite."""
    rows = [
        {"question": f"q{i} {'ab'[i % 2]}{i * 7} {i % 2}", "answer": ("no", "yes")[(i + (i < wrong)) % 2]}
        for i in range(120)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Quiz(path=str(path), prompt="{question}", label="answer", near_share=0.0).pinned()


def predicting(task: Quiz, rate: float = 0.1, seed: int = 0) -> Predict:
    train, validation, test = (
        Prepare(task=task, split=split, n=n, seed=drawn)
        for split, n, drawn in (("weak_train", 20, seed), ("validation", None, 0), ("test", 5, 0))
    )
    fit = Fit(
        model=FakeModel(size="large").pinned(),
        readout=task.readout,
        method=Rated(learning_rate=rate),
        examples=train,
        labels=Gold(examples=train),
        validation=validation,
        validation_labels=Gold(examples=validation),
        seed=seed,
    )
    return Predict(fitted=fit, examples=test)


def test_a_changed_file_learning_rate_or_seed_is_fitted_anew(tmp_path: Path) -> None:
    """One store, one path, one change after another: each is fitted, and what is read back is what it computed."""
    store = Store(str(tmp_path / "store"))

    def done(step: Predict) -> Outcome:
        with Inline() as executor:
            outcome = run([step], store, executor)
        assert not outcome.failures
        return outcome

    def facts(step: Predict) -> Any:
        return json.loads((load(step.fitted, store).folder / "fake.json").read_text())

    first = predicting(write_quiz(tmp_path / "quiz.jsonl"))
    done(first)
    assert not done(first).computed
    changed = {
        "rate": predicting(first.examples.task, rate=0.2),  # type: ignore[arg-type]
        "seed": predicting(first.examples.task, seed=1),  # type: ignore[arg-type]
    }
    for step in changed.values():
        assert step.fitted.key in {each.key for each in done(step).computed}
    assert (facts(first)["seed"], facts(changed["seed"])["seed"]) == (0, 1)
    assert facts(first)["right"] == 1
    relabelled = predicting(write_quiz(tmp_path / "quiz.jsonl", wrong=120))
    assert relabelled.fitted.key in {each.key for each in done(relabelled).computed}
    assert facts(relabelled)["right"] == 0
    assert facts(first)["right"] == 1


# ---- the same data order every epoch


class Watching:
    """An objective that notes which rows each update is given."""

    size = 24

    def __init__(self, module: Any) -> None:
        self.module, self.seen = module, list[list[int]]()

    def micro_batches(self, rows: Ints) -> list[Any]:
        self.seen.append([int(row) for row in rows])
        return [rows]

    def targets(self, micro_batches: list[Any], progress: float) -> list[Any]:
        return micro_batches

    def per_example(self, micro_batch: Any, target: Any) -> Any:
        import torch

        return self.module(torch.ones(len(micro_batch), 1))[:, 0]

    def validate(self) -> dict[str, float]:
        return {"validation_loss": 0.0}


def test_training_goes_through_the_data_in_another_order_every_epoch(tmp_path: Path) -> None:
    import torch

    from outgrow.training.loop import TrainingConfig, train

    def epochs(seed: int, name: str) -> list[list[int]]:
        """The order of the rows in each of three epochs, and that each epoch has every row once."""
        module = torch.nn.Linear(1, 1)
        watching = Watching(module)
        train(module, watching, TrainingConfig(epochs=3, batch=10), seed, tiny.Scratch(tmp_path / name))
        flat = [row for rows in watching.seen for row in rows]
        assert [len(rows) for rows in watching.seen] == [10, 10, 4] * 3
        found = list(np.reshape(flat, (3, 24)).tolist())
        assert all(sorted(epoch) == list(range(24)) for epoch in found)
        return found

    first = epochs(0, "first")
    assert len({tuple(epoch) for epoch in first}) == 3
    assert epochs(0, "again") == first
    assert not {tuple(epoch) for epoch in epochs(1, "other")} & {tuple(epoch) for epoch in first}


# ---- a GPU needed at import


def test_nothing_needs_a_gpu_at_import() -> None:
    """Every module is imported where no GPU is to be seen, and none has so much as asked CUDA to start."""
    code = (
        "import importlib, pkgutil, outgrow\n"
        "names = [m.name for m in pkgutil.walk_packages(outgrow.__path__, 'outgrow.') if '__main__' not in m.name]\n"
        "[importlib.import_module(name) for name in names]\n"
        "import torch\n"
        "assert not torch.cuda.is_initialized()\n"
        "print(len(names))"
    )
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=240)
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) > 40
