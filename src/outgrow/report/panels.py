"""Draws the figure of a finding: panels with points, lines and intervals, all in one look."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from outgrow.finding import Axis, Figure, Mark, Panel, Series
from outgrow.numbers import number, span
from outgrow.report.drawing import (
    CHARACTERS,
    LINE,
    band_name,
    bands,
    hover,
    ink,
    name_lines,
    panels,
    shortened,
    svg,
    two_lines,
)
from outgrow.report.tables import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

MARKS = "osD^vP"
LEGIBLE = 6.0  # the smallest size of names below an axis
ENTRIES, BESIDE = 62, 6  # characters of a row of the legend; those that the mark of an entry takes
APART = 0.012  # of the width, between marks of several series at one x
_DOTTED: Any = {"color": ink("muted"), "linewidth": 1.2, "linestyle": (0, (2, 2)), "zorder": 1}


def draw(figure: Figure, name: str) -> str:
    """The figure as SVG. `name`: of its ids on the page."""
    with panels(list(map(_height, figure.panels))) as (canvas, grid):
        for axes, panel in zip(grid, figure.panels, strict=True):
            if _sideways(panel):
                _in_bands(axes, panel)
            else:
                _panel(axes, panel)
        return svg(canvas, re.sub(r"\W", "-", name), figure.title, list(_described(figure)))


def _height(panel: Panel) -> float:
    """In inches. The rows of a legend beyond the first need room."""
    legend = 12.5 / 72 * max(_legend(panel)[1] - 1, 0) + 11 / 72 * (len(two_lines(shortened(panel.title))) - 1)
    if _sideways(panel):
        return legend + 1.15 + len(panel.x.ticks) * _band(panel) * LINE
    return legend + 2.9


def _band(panel: Panel) -> float:
    """The lines of the band of a category."""
    return len(panel.series) + 1.7 + name_lines(name for _, name in panel.x.ticks)


def _tick_size(panel: Panel) -> float:
    """The size at which the names of the ticks fit beside each other below the axis."""
    words = [_broken(word) for _, word in panel.x.ticks]
    longest = max((len(line) for word in words for line in word.split("\n")), default=0)
    return min(9.0, 9.0 * CHARACTERS / max(len(words) * longest, 1))


def _broken(word: str) -> str:
    """A name on several lines."""
    return one_line(word).replace(" → ", "\n→ ").replace(" · ", "\n")


def _sideways(panel: Panel) -> bool:
    """Whether categories stand below each other, since their names below an axis could not be read."""
    at = {at for at, _ in panel.x.ticks}
    return _tick_size(panel) < LEGIBLE and all(mark.x in at for series in panel.series for mark in series.marks)


def _in_bands(axes: Axes, panel: Panel) -> None:
    """A band for each category, with a line for each series."""
    bands(axes, len(panel.x.ticks))
    where, longer = axes.get_yaxis_transform(), name_lines(name for _, name in panel.x.ticks)
    for at, (x, name) in enumerate(panel.x.ticks):
        band_name(axes, at, name)
        for i, series in enumerate(panel.series):
            for mark in (mark for mark in series.marks if mark.x == x):
                y, colour = at - 0.2 + (1.15 + longer / 2 + 0.85 * i) / _band(panel), ink(series.colour)
                if mark.low is not None and mark.high is not None:
                    ends = [_scale(panel.y) * end for end in (mark.low, mark.high)]
                    axes.plot(ends, [y, y], color=colour, linewidth=2.2, alpha=0.55, zorder=2)
                looks: dict[str, Any] = {"color": colour, "markersize": 6, "markeredgecolor": ink("paper")}
                value, shown = _scale(panel.y) * mark.y, number(mark.y, panel.y.percent)
                axes.plot([value], [y], MARKS[i % len(MARKS)], zorder=3, **looks)
                axes.text(1, y, shown, transform=where, ha="right", va="center_baseline", size=8, color=colour)
                hover(axes, value, y, f"{series.name}, {_words(mark, panel, dict(panel.x.ticks))}")
    if panel.level:
        axes.axvline(_scale(panel.y) * panel.level[1], **_DOTTED)
    left, right = axes.get_xlim()
    axes.set_xlim(left, right + 0.12 * (right - left))  # room for the numbers
    axes.set_xlabel(_label(panel.y))
    _head(axes, panel, _handles(panel))


def _handles(panel: Panel) -> list[Line2D]:
    """The marks of the legend of bands."""
    from matplotlib.lines import Line2D

    looks: dict[str, Any] = {each.name: {"color": ink(each.colour), "marker": MARKS[i % len(MARKS)], "linewidth": 2.2}
                             for i, each in enumerate(panel.series)}  # fmt: skip
    return [Line2D([], [], label=_entry(name), **looks.get(name, _DOTTED)) for name in _named(panel)]


def _panel(axes: Axes, panel: Panel) -> None:
    xs = [mark.x for series in panel.series for mark in series.marks] + [at for at, _ in panel.x.ticks]
    width = (max(xs) - min(xs) or 1.0) if xs else 1.0
    for i, series in enumerate(panel.series):
        shift = 0.0 if panel.diagonal else APART * width * (i - (len(panel.series) - 1) / 2)
        _series(axes, series, MARKS[i % len(MARKS)], shift, panel)
    _lines(axes, panel)
    if panel.x.ticks:
        places, words = zip(*panel.x.ticks, strict=True)
        axes.set_xticks([_scale(panel.x) * at for at in places], list(map(_broken, words)), size=_tick_size(panel))
        axes.margins(x=0.1)
    axes.set_xlabel(_label(panel.x))
    axes.set_ylabel(_label(panel.y))
    axes.grid(axis="y", color=ink("line"), linewidth=0.8)
    _head(axes, panel)


def _head(axes: Axes, panel: Panel, handles: Sequence[Line2D] = ()) -> None:
    """The title, and below it the legend. handles: the marks in it, if they are not those of the lines that are
    drawn."""
    columns, rows = _legend(panel)
    title = two_lines(shortened(panel.title))
    size = min(9.0 if len(title) == 1 else 8.0, 9.0 * CHARACTERS / max(*map(len, title), 1))
    pad = 24 + 12.5 * (rows - 1) if rows else 6
    axes.set_title("\n".join(title), loc="left", color=ink("ink"), size=size, weight="bold", pad=pad)
    if not rows:
        return
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0), "ncols": columns}
    looks: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "labelcolor": ink("ink")}
    if handles:
        looks["handles"] = handles
    legend = axes.legend(handlelength=1.4, handletextpad=0.5, columnspacing=1.0, **looks, **place)
    legend.set_in_layout(False)


def _named(panel: Panel) -> list[str]:
    """What the legend names: several series, and the level of bands, which have no room for its name."""
    series = [each.name for each in panel.series] if len(panel.series) > 1 else []
    return [*series, panel.level[0]] if panel.level and _sideways(panel) else series


def _legend(panel: Panel) -> tuple[int, int]:
    """The columns and rows of the legend: as many columns, up to 4, as the names have room for."""
    names = list(map(_entry, _named(panel)))
    for columns in range(min(len(names), 4), 1, -1):
        widths = [max(map(len, part)) for part in np.array_split(np.array(names, dtype=object), columns)]
        if sum(widths) + BESIDE * columns <= ENTRIES:
            return columns, -(-len(names) // columns)
    return min(len(names), 1), len(names)


def _entry(name: str) -> str:
    return shortened(name, ENTRIES - BESIDE)


def _series(axes: Axes, series: Series, marker: str, shift: float, panel: Panel) -> None:
    across, up = _scale(panel.x), _scale(panel.y)
    x, y = [across * (mark.x + shift) for mark in series.marks], [up * mark.y for mark in series.marks]
    style = ("--" if series.dashed else "-") if series.joined else ""
    looks: dict[str, Any] = {"color": ink(series.colour), "markeredgecolor": ink("paper"), "markersize": 6}
    axes.plot(x, y, marker=marker, linestyle=style, linewidth=1.6, label=_entry(series.name), zorder=3, **looks)
    places = dict(panel.x.ticks)
    for at, mark in zip(x, series.marks, strict=True):
        hover(axes, at, up * mark.y, f"{series.name}, {_words(mark, panel, places)}")
        if mark.low is not None and mark.high is not None:
            ends = [up * mark.low, up * mark.high]
            axes.plot([at, at], ends, color=ink(series.colour), linewidth=1.4, alpha=0.55, zorder=2)


def _lines(axes: Axes, panel: Panel) -> None:
    """The lines that a panel has beside its series: a level, a place, the diagonal."""
    paper = {"facecolor": ink("paper"), "edgecolor": "none", "pad": 0.6}  # so that marks behind a name leave it legible
    name: dict[str, Any] = {"size": 8, "color": ink("muted"), "ha": "right", "bbox": paper, "zorder": 4}
    if panel.level:
        at = _scale(panel.y) * panel.level[1]
        axes.axhline(at, **_DOTTED)
        axes.text(0.995, at, panel.level[0], transform=axes.get_yaxis_transform(), va="bottom", **name)
    if panel.at:
        at = _scale(panel.x) * panel.at[1]
        axes.axvline(at, **_DOTTED)
        low, high = axes.get_xlim()
        side = {"ha": "left"} if at < (low + high) / 2 else {}  # where there is room
        axes.text(at, 0.995, f" {panel.at[0]} ", transform=axes.get_xaxis_transform(), va="top", **name | side)
    if panel.diagonal:
        low, high = min(axes.get_xlim()[0], axes.get_ylim()[0]), max(axes.get_xlim()[1], axes.get_ylim()[1])
        axes.plot([low, high], [low, high], **_DOTTED)


def _described(figure: Figure) -> Iterator[str]:
    """The text alternative: every mark with its interval."""
    for panel in figure.panels:
        names = dict(panel.x.ticks)
        for series in panel.series:
            yield f"{panel.title}, {series.name}: {', '.join(_words(mark, panel, names) for mark in series.marks)}"


def _words(mark: Mark, panel: Panel, names: Mapping[float, str]) -> str:
    """A mark with its interval: `pawn → queen: 58.2 (52.1–64.5)`."""
    interval = span(mark.low, mark.high, panel.y.percent)
    where = names.get(mark.x, number(mark.x, panel.x.percent))
    return f"{where}: {number(mark.y, panel.y.percent)}{f' ({interval})' if interval else ''}"


def data(figure: Figure) -> str:
    """What the figure shows, as CSV: a line for each mark; fractions, not rounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["panel", "series", "x", "y", "low", "high"])
    for panel in figure.panels:
        names = dict(panel.x.ticks)
        for series in panel.series:
            for mark in series.marks:
                row = [panel.title, series.name, names.get(mark.x, mark.x), mark.y, mark.low, mark.high]
                writer.writerow(["" if each is None else each for each in row])
    return out.getvalue()


def _scale(axis: Axis) -> float:
    return 100.0 if axis.percent else 1.0


def _label(axis: Axis) -> str:
    return f"{axis.label}, {axis.unit}" if axis.percent else axis.label
