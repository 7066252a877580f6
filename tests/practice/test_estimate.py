"""The gain predicted without ground truth: by hand, where nothing is better than chance, and what is refused."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import cheap
import numpy as np
import pytest

import outgrow
from bench.estimates import LEVEL, fitted
from outgrow.measures.clues import LABEL_CLUES
from outgrow.models.hf import HF
from outgrow.practice import estimate as module
from outgrow.practice.estimate import coefficients
from outgrow.practice.fit import fit
from outgrow.practice.report import lines
from outgrow.types import UserError

WEAK = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]
GUESS = [[0.8, 0.2], [0.3, 0.7], [0.1, 0.9], [0.2, 0.8]]
# The student differs on the second row alone, where the label has 0.6, and labels have 0.75 in the mean: 0.15 / 4.
VALUE = 0.0375
MADE: dict[str, Any] = {
    "clue": "doubtful disagreement", "intercept": -0.01, "slope": 2.0, "values": [0.0, 0.05], "level": 0.8,
    "reach": 0.03, "covered": 0.75, "tasks": ["a", "b"], "cells": 12,
}  # fmt: skip


def use(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    monkeypatch.setattr(module, "coefficients", lambda: {**MADE, **changes})


def test_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    found = outgrow.estimate(WEAK, GUESS)
    assert found.value == pytest.approx(VALUE)
    assert (found.gain, found.low, found.high) == pytest.approx((0.065, 0.035, 0.095))
    assert not found.outside
    assert str(found) == (
        "predicted from its doubtful disagreement, not measured: +6.5 points against the labels (3.5–9.5), by 12 "
        "students on 2 other tasks; such intervals held 75.0 % of the gains on tasks that were left out"
    )


def test_a_value_that_no_task_had_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, values=[0.0, 0.03])
    found = outgrow.estimate(WEAK, GUESS)
    assert found.outside
    assert str(found).startswith("not predicted: its doubtful disagreement, 0.0")
    assert str(found).endswith(", is beyond those of the 12 students on 2 other tasks")


def test_labels_without_confidences_have_no_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clue is 0 for all of them, whatever the labels are."""
    use(monkeypatch, values=[0.0, 1.0])
    found = outgrow.estimate(np.eye(2)[np.argmax(WEAK, axis=1)], GUESS)
    assert (found.value, found.hard, found.outside) == (0.0, True, True)
    assert str(found) == (
        "not predicted: its labels do not say how sure they are, as those of the 12 students on 2 other tasks do"
    )


def test_where_no_clue_is_better_than_chance_it_is_the_mean_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, clue="", intercept=0.02, slope=0.0)
    found = outgrow.estimate(WEAK, GUESS)
    assert (found.gain, found.clue, found.outside) == (0.02, "", False)
    assert str(found).startswith(
        "predicted as the mean of all, since no clue is better than chance, not measured: +2.0"
    )


@pytest.mark.parametrize(
    ("weak", "guess", "message"),
    [
        ([], [], r"weak has the shape \(0,\): give probabilities, a row for each label, two classes at least"),
        ([[1.0]], [[1.0]], r"weak has the shape \(1, 1\)"),
        (["a"], [[1.0]], "weak is no table of numbers"),
        (WEAK, GUESS[:3], r"weak has the shape \(4, 2\) and out_of_fold \(3, 2\): give the same rows and classes"),
        ([[0.5, 0.6]], [[0.5, 0.5]], r"weak\[0\] is \[0.5, 0.6\]: give probabilities that sum to 1"),
        ([[0.5, 0.5]], [[np.nan, 0.5]], r"out_of_fold\[0\] is \[nan, 0.5\]: give probabilities"),
        ([[1.5, -0.5]], [[0.5, 0.5]], r"weak\[0\] is \[1.5, -0.5\]"),
    ],
)
def test_what_is_no_probability_is_refused(weak: Any, guess: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        outgrow.estimate(weak, guess)


def test_what_ships_says_what_it_was_fitted_to() -> None:
    found = coefficients()
    assert found["clue"] in ("", *LABEL_CLUES)
    assert found["command"] == "python -m bench.estimates examples/estimate.toml"
    assert found["level"] == LEVEL
    assert len(found["fitted to"]) % found["cells"] == 0
    assert {line.partition(",")[0] for line in found["fitted to"]} == set(found["tasks"])
    assert found["cells"] >= 30


def draw(rng: np.random.Generator, slope: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Ten tasks with four cells of two seeds, and clues of which one tells the gain with this slope."""
    clues = {name: rng.standard_normal((10, 1, 1)) + 0.3 * rng.standard_normal((10, 4, 2)) for name in LABEL_CLUES}
    return slope * clues["doubt"] + 0.1 * rng.standard_normal((10, 1, 1)) + 0.05 * rng.standard_normal(
        (10, 4, 2)
    ), clues


def test_the_clue_that_tells_the_gain_is_taken_and_its_line_found() -> None:
    found = fitted(*draw(np.random.default_rng(0), 0.5))
    assert found["clue"] == "doubt"
    assert found["slope"] == pytest.approx(0.5, abs=0.1)
    assert found["covered"] >= 0.6


def test_where_none_tells_it_none_is_taken_in_95_of_100_draws() -> None:
    rng = np.random.default_rng(1)
    taken = [fitted(*draw(rng, 0.0))["clue"] != "" for _ in range(40)]
    assert np.mean(taken) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 40)


def test_fit_says_it_where_no_row_is_audited(bert: HF, tmp_path: Path) -> None:
    found = fit(cheap.data(210), bert, method="naive", store=str(tmp_path))
    assert found.predicted_gain is not None
    (message,) = [line for line in lines(found) if line.startswith("its gain, ")]
    assert message == f"its gain, {found.predicted_gain}"
    assert fit(cheap.data(60, audited=10), bert, store=str(tmp_path)).predicted_gain is None
    assert fit(cheap.data(60), bert, method="naive", store=str(tmp_path)).predicted_gain is None


def test_its_example_runs() -> None:
    (example,) = doctest.DocTestFinder(recurse=False).find(outgrow.estimate, globs={"outgrow": outgrow})
    assert doctest.DocTestRunner(verbose=False).run(example).failed == 0
