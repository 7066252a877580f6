"""Two experiments side by side: what is paired, what is not, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Set
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from invented import CHOICES, Know, Riddles, computed, experiment

from outgrow.experiment.definition import Experiment
from outgrow.experiment.technique import Technique
from outgrow.measures.crossed import Interval
from outgrow.metrics.brier import Brier
from outgrow.report.compared import Side, compared
from outgrow.report.findings import text
from outgrow.report.side_by_side import html, write
from outgrow.store import Store
from outgrow.tasks.base import Source, Split
from outgrow.types import Example, Examples, UserError


@dataclass(frozen=True, kw_only=True)
class Others(Riddles):
    """As many examples with the same ids, and other texts."""

    def examples(
        self, split: Split, n: int | None, seed: int, part: int = 0, too_long: Set[str] = frozenset()
    ) -> Examples:
        numbers = range(self.tests if split == "test" else 20)
        return Examples(
            rows=tuple(
                Example(id=f"{split[0]}{i:02d}", group=f"g{i}", prompt=f"another <{i}>", choices=CHOICES)
                for i in numbers
            )
        )


@dataclass(frozen=True, kw_only=True)
class Corrected(Riddles):
    """The same examples, one with another answer."""

    def load(self) -> Source:
        rows = super().load().rows
        return Source([replace(row, answer=row.answer[::-1]) if row.example.id == "t00" else row for row in rows])


@dataclass(frozen=True, kw_only=True)
class Copied(Riddles):
    """The same examples and answers under another key."""


def side(folder: Path, name: str, experiment: Experiment) -> Side:
    store = Store(str(folder / name))
    assert not computed(experiment, store).failures
    return Side(name=name, experiment=experiment, store=store)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Side:
    """Students of 22, 24 and 26 of 40."""
    return side(tmp_path_factory.mktemp("first"), "first", experiment())


def row(found: object) -> dict[str, object]:
    table = found.table  # type: ignore[attr-defined]
    return {column.head: value for column, value in zip(table.columns, table.rows[0], strict=True)}


def test_the_same_seeds_and_examples_are_paired(first: Side, tmp_path: Path) -> None:
    """The other students have four of 40 more with every seed: 10 points, and 4/16 of the gap, 25 points of PGR."""
    better = side(tmp_path, "better", experiment(student=Know(skill=32, lost=4)))
    found = compared(first, better)
    cells = row(found)
    assert cells["paired by"] == "seed and example"
    difference, recovered = cells["student difference"], cells["PGR difference"]
    assert isinstance(difference, Interval)
    assert isinstance(recovered, Interval)
    assert difference.mean == pytest.approx(0.1)
    assert 0 < difference.low < 0.1 < difference.high < 0.22
    assert recovered.mean == pytest.approx(0.25)
    assert recovered.low > 0
    floor = cells["floor difference"]
    assert isinstance(floor, Interval)
    assert (floor.mean, floor.low, floor.high) == (0, 0, 0)
    assert found.sentence.startswith("Students of better against those of first: surely better, by 10.0 points")
    assert compared(better, first).sentence.startswith("Students of first against those of better: surely worse")


def test_other_seeds_are_paired_by_example(first: Side, tmp_path: Path) -> None:
    """Seeds 1 and 2 have 24 and 26, so their mean is one of 40 more: 2.5 points."""
    later = side(tmp_path, "later", experiment(seeds=(1, 2)))
    cells = row(compared(first, later))
    assert cells["paired by"] == "example"
    assert isinstance(cells["student difference"], Interval)
    assert cells["student difference"].mean == pytest.approx(0.025)
    assert cells["student difference"].low < 0


def test_the_same_test_examples_are_paired_under_another_key(first: Side, tmp_path: Path) -> None:
    assert (
        row(compared(first, side(tmp_path, "copy", experiment(tasks=(Copied(),)))))["paired by"] == "seed and example"
    )


@pytest.mark.parametrize("task", [Riddles(tests=30, groups=30), Others(), Corrected()])
def test_other_test_examples_are_not_paired(first: Side, tmp_path: Path, task: Riddles) -> None:
    """Also where they have the same ids, and other texts or other ground truth."""
    cells = row(compared(first, side(tmp_path, "other", experiment(tasks=(task,)))))
    assert cells["paired by"] == "not paired"
    assert isinstance(cells["student difference"], Interval)
    assert cells["student difference"].high - cells["student difference"].low > 0.3


def test_what_only_one_has_and_what_is_the_same_is_noted(first: Side, tmp_path: Path) -> None:
    more = experiment(strong=("big", "bigger"), methods=(Technique(), Technique(label="<b>odd</b>")))
    found = compared(first, Side(name="more", experiment=more, store=first.store))
    assert [line for line in found.notes if line.startswith("Only more has riddles-cats · mind/small → mind/big · <b>")]
    assert any(line.endswith("the same scores on both sides") for line in found.notes)
    assert "Nothing" not in found.sentence
    unfinished = compared(first, Side(name="new", experiment=experiment(), store=Store(str(tmp_path))))
    assert unfinished.sentence == "Nothing is computed yet on both sides: run the experiments."


def test_nothing_in_common_and_other_metrics_are_one_line(first: Side) -> None:
    other = experiment(tasks=(Riddles(topic="dogs"),))
    with pytest.raises(UserError, match=r"have no comparison in common \(riddles-cats .*; riddles-dogs "):
        compared(first, Side(name="dogs", experiment=other, store=first.store))
    brier = replace(experiment(), metric=Brier())
    with pytest.raises(UserError, match="first is scored by accuracy and second by brier"):
        compared(first, Side(name="second", experiment=brier, store=first.store))


def test_every_form_has_the_same_numbers(first: Side, tmp_path: Path) -> None:
    better = side(tmp_path, "better", experiment(student=Know(skill=32, lost=4)))
    found = compared(first, better)
    (record,) = json.loads(text("compare", found, "json"))["rows"]
    assert record["student difference"] == pytest.approx(0.1)
    assert "+10.0" in text("compare", found, "table")
    page = html(("first", "<better>"), found)
    assert 'data-value="0.1' in page
    assert "first and &lt;better&gt; side by side" in page
    assert page == html(("first", "<better>"), found)
    write(tmp_path / "page.html", ("first", "better"), found)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="is not an HTML page"):
        write(tmp_path / "thesis.txt", ("first", "better"), found)
