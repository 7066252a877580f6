"""A report of many students keeps a few bytes of each test example, however large the artifacts are."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from invented import Know, Riddles, experiment

from outgrow.experiment.data import Prepare
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells, targets
from outgrow.experiment.scoring import Score
from outgrow.experiment.technique import Technique
from outgrow.graph import Step, walk
from outgrow.measures.crossed import t_quantile
from outgrow.report import results, stored
from outgrow.report.stored import StoredArtifacts
from outgrow.types import Example, Examples, Labels, Scores

STUDENTS, TESTS = 100, 3000


def made(step: Step[Any], store: object) -> Any:
    """Any artifact of TESTS examples, with ids and groups of its own as a file would give them."""
    rng = np.random.default_rng(int(step.key[-6:], 16))
    ids, groups = (tuple(f"{name} number {i:04d}" for i in range(TESTS)) for name in ("row", "group"))
    if isinstance(step, Prepare):
        rows = (Example(id=id, group=g, prompt=f"{id}?" * 9, choices=()) for id, g in zip(ids, groups, strict=True))
        return Examples(rows=tuple(rows), dropped=(("too long", 2),))
    right = (rng.random(TESTS) < 0.7).astype(np.float64)
    if isinstance(step, Score):
        return Scores(ids=ids, groups=groups, correct=right)
    return Labels.from_rows(ids, np.stack([right, 1 - right], axis=1))


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> tuple[Experiment, Any]:
    """Many students, and a store that makes up what is read."""
    monkeypatch.setattr(stored, "load", made)
    methods = tuple(Technique(label=f"m{i}", fit=Know(skill=i)) for i in range(STUDENTS // 5))
    planned = experiment(methods=methods, seeds=(0, 1, 2, 3, 4), tasks=(Riddles(),))
    keys = frozenset(step.key for step in walk(targets(cells(planned))))
    return planned, SimpleNamespace(listing=lambda: keys, manifests=lambda wanted: {})


def test_a_student_takes_a_few_bytes_an_example(many: tuple[Experiment, Any]) -> None:
    """A byte for its scores, one for its answers, one each for the scores of its ceiling and its direct: with all that
    is kept once, less than 10. Scores with their ids and labels with their probabilities would take more than 100."""
    planned, store = many
    kept, grid = StoredArtifacts(store, ()), cells(planned)
    t_quantile(2.0, 0.95)  # imports scipy
    tracemalloc.start()
    found = [results.record(row, baseline, None, kept) for row, baseline in results.rows(grid)]
    in_use, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(grid) == STUDENTS
    assert {(record.status, record.n_test, record.n_dropped) for record in found} == {("done", TESTS, 2)}
    assert in_use / (STUDENTS * TESTS) < 10
    assert peak - in_use < 4e6  # what one row takes while it is read


def test_whole_values_take_a_byte_and_others_four() -> None:
    for values, kind in (([0.0, 1.0], "uint8"), ([0, 300], "int16"), ([-1, 2**20], "int32"), ([0.5, 1.0], "float32")):
        small = stored._compact(np.array(values))
        assert small.dtype == kind
        assert small.tolist() == values
