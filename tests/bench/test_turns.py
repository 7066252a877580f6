"""Measurements side by side, `python -m bench`: turns, ratios, processes, and the tables made of them."""

from __future__ import annotations

import importlib
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from text_files import REPOSITORY


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    return importlib.import_module("bench.turns")


@pytest.fixture
def tables(turns: ModuleType) -> ModuleType:
    return importlib.import_module("bench.tables")


def test_contestants_take_turns(turns: ModuleType) -> None:
    called: list[str] = []

    def work(name: str) -> dict[str, float]:
        called.append(name)
        return {"s": float(len(called))}

    found, load = turns.in_turns({"a": lambda: work("a"), "b": lambda: work("b")}, repeats=3)
    assert called == ["a", "b"] * 3
    assert found == {"s": {"a": [1.0, 3.0, 5.0], "b": [2.0, 4.0, 6.0]}}
    assert len(load) == 3


def test_a_ratio_above_one_is_better_whatever_the_unit(turns: ModuleType) -> None:
    values = {"ours": [2.0, 4.0], "plain": [4.0, 4.0]}
    of = {unit: turns.Measured(work="w", unit=unit, values=values, baseline="plain") for unit in ("s", "examples/s")}
    assert of["s"].ratios("ours") == [1.0, 2.0]  # 4 / 4 and 4 / 2 seconds
    assert of["examples/s"].ratios("ours") == [0.5, 1.0]


def test_a_process_is_measured_and_a_failure_says_what_was_printed(turns: ModuleType) -> None:
    took = turns.process(["json.tool", "--help"])
    assert took["s"] > 0
    assert 0 < took["s of a core"] < 60
    assert 1 < took["MB"] < 1000
    with pytest.raises(SystemExit, match="No module named nothing_of_the_kind"):
        turns.process(["nothing_of_the_kind"])


def test_the_memory_of_workers_counts_whichever_thread_started_them(turns: ModuleType, tmp_path: Path) -> None:
    """A process of about 10 MB, and one of 10 + 64 MB that it starts in a thread."""
    (tmp_path / "starts.py").write_text(
        "import subprocess, sys, threading\n"
        "work = 'import time; held = bytearray(64 * 2**20); time.sleep(1)'\n"
        "thread = threading.Thread(target=subprocess.run, args=([sys.executable, '-c', work],))\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    assert turns.process(["starts"], folder=tmp_path)["MB"] > 64 + 10


def test_a_table_has_medians_ratios_and_load(turns: ModuleType, tables: ModuleType) -> None:
    values = {"ours": [1.0, 2.0, 30.0], "plain": [3.0, 4.0, 30.0]}  # ratios 3, 2, 1
    record = turns.Measured(work="one fit", unit="s", values=values, baseline="plain", load=[0.5, 1.0, 2.0])
    percent = turns.Measured(work="one fit", unit="% ceiling", values={"ours": [50.0]}, baseline="")
    assert tables.table([record, percent]).splitlines() == [
        "| work | unit | ours | plain | ours: times better | load |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
        "| one fit | s | 2.00 | 4.00 | 2.00 (1.00–3.00) | 0.5–2.0 |",
        "| one fit | % ceiling | 50.0 |  |  |  |",
    ]


def test_a_part_that_is_not_asked_for_stays_with_its_machine(
    turns: ModuleType, tables: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = importlib.import_module("bench.__main__")
    main, here = bench.main, bench.machine()
    file = tmp_path / "performance.json"
    records = {n: [turns.Measured(work="w", unit="s", values={"ours": [float(n)]})] for n in range(3)}
    main({"a": lambda: records[0], "b": lambda: records[1]}, file)
    assert set(turns.read(file)["a"].machine) == {"processor", "software", "day"}
    monkeypatch.setattr(bench, "machine", lambda: {"processor": "another", "software": "S", "day": "tomorrow"})
    main({"b": lambda: time.sleep(0.06) or records[2]}, file)
    found = turns.read(file)
    assert {name: part.records[0].values["ours"] for name, part in found.items()} == {"a": [0.0], "b": [2.0]}
    assert found["a"].machine == here
    assert found["b"].seconds > 0
    assert tables.page(replace(found["b"], seconds=61.4)).splitlines()[-1] == "tomorrow, another; S. Measured in 61 s."
    assert tables.page(replace(found["b"], seconds=0)).splitlines()[-1] == "tomorrow, another; S."
    assert tables.page(None) == "Not measured yet."
