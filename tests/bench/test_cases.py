"""The estimate beside the measured gain of the cases."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
from text_files import REPOSITORY

from outgrow.types import Scores


@pytest.fixture
def cases(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    return importlib.import_module("bench.cases")


def scores(*correct: float) -> Scores:
    ids = tuple(f"e{i}" for i in range(len(correct)))
    return Scores(ids=ids, groups=ids, correct=np.array(correct))


def test_a_gain_is_that_on_the_examples_that_the_supervisor_answers(cases: ModuleType) -> None:
    """By hand: it answers three of four. Of these it has one right, and the two students have two and three."""
    floor = scores(1.0, 0.0, 0.0, np.nan)
    found = cases.gain([scores(1.0, 1.0, 0.0, 0.0), scores(1.0, 1.0, 1.0, 0.0)], [floor, floor])
    assert found.mean == pytest.approx(2.5 / 3 - 1 / 3)
    assert found.low < found.mean < found.high


def test_a_case_without_an_estimate_shows_its_gain(cases: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    floor = [scores(1.0, 0.0, 0.0, 1.0)] * 2
    found = cases.gain([scores(1.0, 1.0, 0.0, 1.0)] * 2, floor)
    monkeypatch.setattr(cases, "cells", lambda experiment: [])
    monkeypatch.setattr(cases, "compared", lambda seeds, store: (None, found))
    monkeypatch.chdir(REPOSITORY)
    name, predicted, measured, within = cases.row("smallest-rung", None)
    assert (name, predicted, within) == ("smallest-rung", "none", "")
    assert measured.startswith("+25.0 (")


def test_a_case_that_is_none_is_refused() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "bench.cases", "chess"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "no case chess: choose of sentiment, topics, creak, preferences" in run.stderr
