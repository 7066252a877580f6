"""`import outgrow`: the same from Python, from files, tables and records."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fakes import FakeMethod, FakeModel, FakeTask
from test_cli import QUIZ

import outgrow
from outgrow.graph import Event

RECIPES = {("fakes", "fakes/small"): FakeMethod(), ("fakes", "fakes/large"): FakeMethod()}


def experiment() -> outgrow.Experiment:
    return outgrow.Experiment(
        tasks=(FakeTask(),),
        weak=(FakeModel(size="small"),),
        strong=(FakeModel(size="large"),),
        recipes=RECIPES,
        seeds=(0, 1),
    )


def test_run_gives_records_a_table_and_a_report(tmp_path: Path) -> None:
    found = outgrow.run(experiment(), store=tmp_path / "runs", on="inline")
    assert not found.failures
    everything, first, second = found.records
    assert (everything["seed"], first["seed"], second["seed"]) == (None, 0, 1)
    assert everything["student"] == pytest.approx((first["student"] + second["student"]) / 2)
    assert "naive" in found.table()
    assert found.report(tmp_path / "page.html") == tmp_path / "page.html"
    assert (tmp_path / "page.html").exists()


def test_a_frame_has_a_row_for_each_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = outgrow.run(experiment(), store=tmp_path, on="inline")
    table = found.frame("pyarrow")
    assert table.to_pylist() == found.records
    assert table["student"].to_pylist() == [record["student"] for record in found.records]
    monkeypatch.setitem(sys.modules, "pandas", None)  # as where it is not installed
    with pytest.raises(outgrow.UserError, match=r'pip install pandas, or use frame\("pyarrow"\)'):
        found.frame()


def test_by_a_facet(tmp_path: Path) -> None:
    found = outgrow.run(experiment(), store=tmp_path, on="inline")
    even, odd = found.by("parity")
    assert (even["slice"], odd["slice"]) == ("even", "odd")
    whole = found.records[0]
    mean = (even["student"] * even["n_test"] + odd["student"] * odd["n_test"]) / whole["n_test"]
    assert mean == pytest.approx(whole["student"])


def test_a_file_and_the_same_records_are_the_same_steps(tmp_path: Path) -> None:
    path = tmp_path / "quiz.toml"
    path.write_text(QUIZ)
    first = outgrow.run(path, store=tmp_path, on="inline")
    assert first.outcome is not None
    assert first.outcome.computed
    assert not outgrow.plan(experiment(), store=tmp_path).todo  # its one method is among the file's two


def test_seeds_and_sets(tmp_path: Path) -> None:
    path = tmp_path / "quiz.toml"
    path.write_text(QUIZ)
    found = outgrow.run(str(path), store=tmp_path, on="inline", seeds=[3], overrides=["sizes.test=60"])
    assert [record["seed"] for record in found.records] == [None, 3, None, 3]
    assert {record["n_test"] for record in found.records} == {60}
    assert outgrow.results(path, store=tmp_path, seeds=[3], overrides=["sizes.test=60"]).records == found.records


def test_a_table(tmp_path: Path) -> None:
    recipe = {"name": "fakes:FakeMethod"}
    table = {
        "task": "fakes:FakeTask",
        "weak": "fakes:FakeModel/small",
        "strong": "fakes:FakeModel/large",
        "recipes": {"fakes/small": recipe, "fakes/large": recipe},
    }
    todo = outgrow.plan(table, store=tmp_path, seeds=[0, 1]).todo
    assert [step.key for step in todo] == [step.key for step in outgrow.plan(experiment(), store=tmp_path).todo]


def test_an_executor_of_ones_own_is_used_and_closed(tmp_path: Path) -> None:
    from outgrow.executors.inline import Inline

    class Watched(Inline):
        closed = False

        def close(self) -> None:
            Watched.closed = True

    outgrow.run(experiment(), store=tmp_path, on=Watched(), seeds=[0])
    assert Watched.closed


def test_who_watches_is_reported(tmp_path: Path) -> None:
    seen: list[Event] = []
    outgrow.run(experiment(), store=tmp_path, on="inline", seeds=[0], watch=seen.append)
    kinds = [event.kind for event in seen]
    assert kinds.count("finished") == kinds.count("planned") > 0


def test_a_failure_is_kept_not_raised(tmp_path: Path) -> None:
    path = tmp_path / "quiz.toml"
    path.write_text(QUIZ.replace('label = "other"', 'label = "other"\nfit = "fakes:BrokenMethod"'))
    found = outgrow.run(path, store=tmp_path, on="inline", seeds=[0])
    assert {failure.error_text for failure in found.failures} == {"the fake method does not like this: try another"}
    assert {record["status"] for record in found.records if record["method"] == "other"} == {"failed"}
    assert {record["status"] for record in found.records if record["method"] == "naive"} == {"done"}


def test_sets_need_a_file_or_a_table(tmp_path: Path) -> None:
    with pytest.raises(outgrow.UserError, match="overrides are changes to a file or a table"):
        outgrow.run(experiment(), store=tmp_path, overrides=["sizes.test=5"])


def test_everything_promised_is_there() -> None:
    for name in outgrow.__all__:
        assert getattr(outgrow, name) is not None
    assert set(outgrow.__all__) <= set(dir(outgrow))
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        outgrow.rum  # noqa: B018
