"""Panels of a finding: the name of a line stays legible where marks lie behind it."""

from __future__ import annotations

from outgrow.finding import Axis, Figure, Mark, Panel, Series
from outgrow.report.panels import draw


def drawn(level: tuple[str, float] | None) -> str:
    marks = tuple(Mark(x=float(x), y=0.1) for x in range(3))
    axes = {"x": Axis(label="x"), "y": Axis(label="y")}
    panel = Panel(title="made", **axes, series=(Series(name="a", colour="student", marks=marks),), level=level)
    return draw(Figure(title="made", panels=(panel,), caption="Made."), "made")


def test_the_name_of_a_level_has_paper_behind_it_and_lies_above_the_marks() -> None:
    with_level, without = drawn(("chance", 0.1)), drawn(None)
    assert ">chance<" in with_level
    behind, _, _ = with_level.partition(">chance<")
    assert behind.rindex('style="fill: var(--paper)"') > behind.rindex("var(--student)")  # drawn after the marks
    assert ">chance<" not in without
