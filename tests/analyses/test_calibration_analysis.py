"""Calibration: with models that are too sure, not sure enough, and as sure as they should be."""

from __future__ import annotations

import numpy as np
import pytest
from made import comparison, erring

from outgrow.analyses.base import Comparison
from outgrow.analyses.calibration import Calibration
from outgrow.measures.crossed import Interval

DRAWS = 100


def draw(rng: np.random.Generator, *, shift: float = 0.0, n: int = 400, seeds: int = 2) -> Comparison:
    """Supervisor, student and ceiling are right with their confidence plus `shift`."""
    truth, sure = rng.integers(0, 4, n), rng.uniform(0.5, 0.9, (seeds, n))
    roles = {
        role: erring(truth, rng.random((seeds, n)) >= sure + shift, rng) for role in ("floor", "student", "ceiling")
    }
    return comparison(roles, truth, confidence=sure)


def test_by_hand() -> None:
    """Confidence 0.8 throughout, right on 6 of 10: overconfident by 20 points, ECE 20 %, Brier 0.6·0.04 + 0.4·0.64."""
    chosen = np.array([[0, 0, 0, 0, 0, 0, 1, 1, 1, 1]])
    one = comparison(dict.fromkeys(("floor", "student", "ceiling"), chosen), np.zeros(10, dtype=int), confidence=0.8)
    finding = Calibration().finding([one])
    for row in finding.table.rows:
        means = [value.mean if isinstance(value, Interval) else value for value in row]
        assert means[2:6] == pytest.approx([0.6, 0.8, 0.2, 0.2])
        assert means[6] == pytest.approx(np.sqrt(2 / np.pi) * np.sqrt(10 * 0.16) / 10)
        assert means[7] == pytest.approx(0.6 * 0.04 + 0.4 * 0.64)


def test_models_that_are_too_sure_or_not_sure_enough() -> None:
    rng = np.random.default_rng(0)
    over = Calibration().finding([draw(rng, shift=-0.2, seeds=4)]).sentence
    assert "Supervisor: surely overconfident, by 1" in over or "Supervisor: surely overconfident, by 2" in over
    assert over.count("surely overconfident, by ") == 3
    under = Calibration().finding([draw(rng, shift=0.1, seeds=4)]).sentence
    assert under.count("surely underconfident, by ") == 3


def test_of_calibrated_models_it_says_nothing_in_95_of_100_draws() -> None:
    rng = np.random.default_rng(1)
    chosen = ["surely" in Calibration().finding([draw(rng, n=200)]).sentence for _ in range(DRAWS)]
    assert np.mean(chosen) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert "no evidence of over- or underconfidence; an effect of " in Calibration().finding([draw(rng)]).sentence


def test_a_supervisor_of_two_students_is_tested_once() -> None:
    rng = np.random.default_rng(2)
    first, other = draw(rng, shift=-0.2, seeds=4), draw(rng, shift=-0.2, seeds=4)
    shared = {name: each for name, each in first.found.items() if name.startswith("floor")}
    second = Comparison(
        task="made", weak="small", strong="larger", method="naive", seeds=(0, 1, 2, 3), found={**other.found, **shared}
    )
    sentence = Calibration().finding([first, second]).sentence
    assert sentence.startswith("Supervisor: surely")
    assert "Students: in 2 of 2 comparisons surely overconfident" in sentence


def test_the_diagram_has_a_mark_for_each_bin() -> None:
    figure = Calibration(bins=5).finding([draw(np.random.default_rng(3))]).figure
    assert figure is not None
    (panel,) = figure.panels
    assert [len(series.marks) for series in panel.series] == [5, 5, 5]
    assert panel.diagonal
