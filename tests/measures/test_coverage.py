"""The intervals hold the truth as often as they say: the protocol asks for 93 % of nominal 95 % at 5 seeds.

`python -m bench.coverage` prints more worlds with more replications; docs/decisions/0002-intervals.md discusses them.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("bench.coverage")


def test_five_seeds_cover_the_true_pgr(bench: ModuleType) -> None:
    found = bench.coverage(bench.World(), replications=500)
    assert found.fieller_interval >= 0.93
    assert found.withheld < 0.01
    assert found.width < 0.5  # it covers because it is right, not because it is wide


def test_three_seeds_cover_too_and_a_percentile_bootstrap_over_them_does_not(bench: ModuleType) -> None:
    found = bench.coverage(bench.World(seeds=3), replications=300, bootstrap=True)
    assert found.fieller_interval >= 0.93
    assert found.bootstrap < 0.75


def test_seeds_that_differ_much_are_covered(bench: ModuleType) -> None:
    assert bench.coverage(bench.World(seed_sd=0.03), replications=300).fieller_interval >= 0.93


def test_one_seed_alone_covers_too_little_where_seeds_differ(bench: ModuleType) -> None:
    assert bench.coverage(bench.World(seeds=1, seed_sd=0.03), replications=200).fieller_interval < 0.80


def test_the_measures_need_no_scipy_to_be_imported() -> None:
    modules = ["accuracy", "agreement", "calibration", "crossed", "difference", "pgr"]
    code = "import sys\n" + "\n".join(f"import outgrow.measures.{name}" for name in modules)
    code += "\nprint([m for m in ('scipy', 'torch', 'transformers', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
