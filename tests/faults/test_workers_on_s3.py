"""Workers on one S3 store whose server fails and whose workers are killed: each artifact is committed once.

The size of the slow test is that of two cores in three minutes; `python -m bench.chaos 1000 10` is the whole one.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest
from text_files import REPOSITORY

CELLS, WORKERS = map(int, os.environ.get("OUTGROW_CHAOS", "100 5").split())
MANY = pytest.param(CELLS, WORKERS, 5, {}, marks=[pytest.mark.slow, pytest.mark.timeout(1500)])
FEW = pytest.param(20, 2, 1, {"silent": 0.0})  # silence would take most of the time


@pytest.mark.parametrize(("cells", "workers", "kills", "rates"), [FEW, MANY])
def test_each_artifact_is_committed_once_whatever_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int, workers: int, kills: int, rates: dict[str, float]
) -> None:
    pytest.importorskip("moto.moto_server.werkzeug_app")
    pytest.importorskip("s3fs")
    monkeypatch.syspath_prepend(str(REPOSITORY))
    bench = importlib.import_module("bench.chaos")
    size = bench.Size(
        cells=cells, workers=workers, kills=kills, every=3.0, look=2.0, minutes=20.0, rates={**bench.RATES, **rates}
    )
    ended = bench.chaos(size, tmp_path)
    problems = bench.wrong(ended, bench.alone(cells, tmp_path / "alone"))
    print(bench.table(size, ended, problems))
    assert problems == [], ended.outputs
    assert ended.killed
