"""Panels of a finding: names are legible, of a line where marks lie behind it, of many categories, of many series."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from outgrow.finding import Axis, Figure, Mark, Panel, Series, some_of
from outgrow.report.drawing import two_lines
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


def of_names(names: list[str], *series: str, level: tuple[str, float] | None = None) -> Panel:
    """A panel of categories, with a mark for each name and series."""
    marks = tuple(Mark(x=float(i), y=0.2 + 0.01 * i, low=0.1, high=0.4) for i in range(len(names)))
    x = Axis(label="", ticks=tuple((float(i), name) for i, name in enumerate(names)))
    lines = tuple(Series(name=each, colour="student", marks=marks, joined=False) for each in series)
    return Panel(title="made", x=x, y=Axis(label="share", percent=True), series=lines, level=level)


def svg_of(panel: Panel) -> str:
    return draw(Figure(title="made", panels=(panel,), caption="Made."), "made")


def size_of(text: str, markup: str) -> float:
    """The size of the letters of a text in the figure."""
    (style,) = re.findall(rf'<text style="([^"]*)"[^>]*>{re.escape(text)}<', markup)
    return float(re.search(r"([\d.]+)px", style)[1])  # type: ignore[index]


MANY = [f"nlp/tweet-sentiment · words → minilm/l3 · method {i}" for i in range(18)]


def test_many_long_names_stand_below_each_other_where_they_can_be_read() -> None:
    """Below an axis each of them would have letters of less than one point."""
    markup = svg_of(of_names(MANY, "own", "another seed's", level=("none", 0.0)))
    assert all(size_of(name, markup) >= 6 for name in MANY)
    assert markup.count(">20.0<") >= 2  # the numbers of the first band, of both series
    assert ">none<" in markup
    assert ">own<" in markup


def test_few_short_names_stand_below_the_axis() -> None:
    markup = svg_of(of_names(["low", "middle", "high"], "own"))
    assert size_of("middle", markup) == 9
    assert ">20.0<" not in markup


def test_a_legend_has_as_many_columns_as_its_names_have_room_for() -> None:
    """At 62 letters a row, of which each mark takes six: four short names stand in one row, long ones below each
    other, and the figure is higher for each row."""

    def height(*series: str) -> float:
        return float(re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', svg_of(of_names(["a", "b"], *series)))[1])  # type: ignore[index]

    one = height("own", "other", "ceiling", "chance")
    assert height("a", "b") == one
    long = [f"{words} agreement with held-out weak labels" for words in ("lowest", "low", "high", "highest")]
    assert height(*long) == pytest.approx(one + 3 * 12.5)
    assert height(*(name[:22] for name in long)) == pytest.approx(one + 12.5)  # two rows of two


def test_differences_are_in_points() -> None:
    panel = replace(of_names(["a", "b"], "own"), y=Axis(label="gain", percent=True, unit="points"))
    assert ">gain, points<" in svg_of(panel)
    assert ">share, %<" in svg_of(of_names(["a", "b"], "own"))


def test_letters_are_those_of_the_page() -> None:
    """Not the first font that matplotlib knows, which the reader may have."""
    markup = svg_of(of_names(["a", "b"], "own"))
    assert "font-family: system-ui, sans-serif" in markup or "px system-ui, sans-serif" in markup
    assert "DejaVu" not in markup


def test_a_name_that_is_too_long_for_a_line_has_two() -> None:
    """Broken at the blank nearest its middle; on one line its letters would have five points."""
    long = "text/reviews-of-products-in-2021 · simulated/slice-0.7 → minilm/l3 · sharpened labels, hardened"
    assert two_lines(long) == [
        "text/reviews-of-products-in-2021 · simulated/slice-0.7",
        "→ minilm/l3 · sharpened labels, hardened",
    ]
    assert two_lines("nlp/mr · words → minilm/l3") == ["nlp/mr · words → minilm/l3"]
    assert two_lines("x" * 100) == ["x" * 100]
    markup = svg_of(of_names([f"{long} {i}" for i in range(6)], "own"))
    assert all(float(size) >= 7 for size in re.findall(r"font-weight: 700; font-size: ([\d.]+)px", markup))
    assert "→ minilm/l3 · sharpened labels, hardened 5<" in markup


def test_a_caption_says_which_comparisons_are_not_shown() -> None:
    assert some_of(3, 18) == " Shown are the first 3 of 18 comparisons; the table has all."
    assert some_of(3, 3) == some_of(3, 1) == ""
