"""Draws the figure of a finding: panels with points, lines and intervals, all in one look."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from outgrow.finding import Axis, Figure, Mark, Panel, Series
from outgrow.numbers import number, span
from outgrow.report.drawing import CHARACTERS, fitted, hover, ink, panels, svg
from outgrow.report.tables import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS = "osD^vP"
APART = 0.012  # of the width, between marks of several series at one x


def draw(figure: Figure, name: str) -> str:
    """The figure as SVG. `name`: of its ids on the page."""
    with panels(len(figure.panels), height=2.9) as (canvas, grid):
        for axes, panel in zip(grid, figure.panels, strict=True):
            _panel(axes, panel)
        return svg(canvas, re.sub(r"\W", "-", name), figure.title, list(_described(figure)))


def _panel(axes: Axes, panel: Panel) -> None:
    xs = [mark.x for series in panel.series for mark in series.marks] + [at for at, _ in panel.x.ticks]
    width = (max(xs) - min(xs) or 1.0) if xs else 1.0
    for i, series in enumerate(panel.series):
        shift = 0.0 if panel.diagonal else APART * width * (i - (len(panel.series) - 1) / 2)
        _series(axes, series, MARKS[i % len(MARKS)], shift, panel)
    _lines(axes, panel)
    if panel.x.ticks:
        places, words = zip(*panel.x.ticks, strict=True)
        broken = [one_line(word).replace(" → ", "\n→ ").replace(" · ", "\n") for word in words]
        longest = max(len(line) for word in broken for line in word.split("\n"))
        size = min(9.0, 9.0 * CHARACTERS / max(len(words) * longest, 1))
        axes.set_xticks([_scale(panel.x) * at for at in places], broken, size=size)
        axes.margins(x=0.1)
    axes.set_xlabel(_label(panel.x))
    axes.set_ylabel(_label(panel.y))
    axes.grid(axis="y", color=ink("line"), linewidth=0.8)
    line, size = fitted(panel.title, 9.0)
    axes.set_title(line, loc="left", color=ink("ink"), size=size, weight="bold", pad=24 if len(panel.series) > 1 else 6)
    if len(panel.series) > 1:
        place: dict[str, Any] = {
            "loc": "lower left",
            "bbox_to_anchor": (-0.02, 1.0),
            "ncols": min(len(panel.series), 4),
        }
        looks: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "labelcolor": ink("ink")}
        legend = axes.legend(handlelength=1.4, handletextpad=0.5, columnspacing=1.0, **looks, **place)
        legend.set_in_layout(False)


def _series(axes: Axes, series: Series, marker: str, shift: float, panel: Panel) -> None:
    across, up = _scale(panel.x), _scale(panel.y)
    x, y = [across * (mark.x + shift) for mark in series.marks], [up * mark.y for mark in series.marks]
    style = ("--" if series.dashed else "-") if series.joined else ""
    looks: dict[str, Any] = {"color": ink(series.colour), "markeredgecolor": ink("paper"), "markersize": 6}
    axes.plot(x, y, marker=marker, linestyle=style, linewidth=1.6, label=series.name, zorder=3, **looks)
    places = dict(panel.x.ticks)
    for at, mark in zip(x, series.marks, strict=True):
        hover(axes, at, up * mark.y, f"{series.name}, {_words(mark, panel, places)}")
        if mark.low is not None and mark.high is not None:
            ends = [up * mark.low, up * mark.high]
            axes.plot([at, at], ends, color=ink(series.colour), linewidth=1.4, alpha=0.55, zorder=2)


def _lines(axes: Axes, panel: Panel) -> None:
    """The lines that a panel has beside its series: a level, a place, the diagonal."""
    looks: dict[str, Any] = {"color": ink("muted"), "linewidth": 1.2, "linestyle": (0, (2, 2)), "zorder": 1}
    paper = {"facecolor": ink("paper"), "edgecolor": "none", "pad": 0.6}  # so that marks behind a name leave it legible
    name: dict[str, Any] = {"size": 8, "color": ink("muted"), "ha": "right", "bbox": paper, "zorder": 4}
    if panel.level:
        at = _scale(panel.y) * panel.level[1]
        axes.axhline(at, **looks)
        axes.text(0.995, at, panel.level[0], transform=axes.get_yaxis_transform(), va="bottom", **name)
    if panel.at:
        at = _scale(panel.x) * panel.at[1]
        axes.axvline(at, **looks)
        low, high = axes.get_xlim()
        side = {"ha": "left"} if at < (low + high) / 2 else {}  # where there is room
        axes.text(at, 0.995, f" {panel.at[0]} ", transform=axes.get_xaxis_transform(), va="top", **name | side)
    if panel.diagonal:
        low, high = min(axes.get_xlim()[0], axes.get_ylim()[0]), max(axes.get_xlim()[1], axes.get_ylim()[1])
        axes.plot([low, high], [low, high], **looks)


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
    return f"{axis.label}, %" if axis.percent else axis.label
