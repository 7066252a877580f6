"""The figures of accuracy and of the recovered gap, with a band for each record."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from outgrow.metrics.base import Metric
from outgrow.report.drawing import LINE, MARKS, band_name, bands, hover, ink, name_lines, panels, svg, words
from outgrow.report.measures import MEASURES
from outgrow.report.record import Record, name_of
from outgrow.report.row import ROLES, TRIO
from outgrow.report.tables import is_percent, value_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLACES = {"ceiling": 0, "student": 1, "direct": 2, "floor": 3, "zero_shot": 4, "frozen_probe": 4}  # one of the last two
ORDER = ("floor", "direct", "student", "ceiling", "zero_shot", "frozen_probe")  # of the legend
LEVELS = ("majority", "chance")  # a line, the first of them that a row has
ENDS = ("", "_low", "_high")


def scores(records: Sequence[Record]) -> str:
    """Floor, student, ceiling and the student before finetuning of every record, with intervals; "" if there is no
    score."""
    rows = [record for record in records if any(role in record.estimates for role in ROLES)]
    if not rows:
        return ""
    metric = rows[0].metric
    with _axes([name_of(record, rows) for record in rows], 6.7) as (figure, axes):
        for at, record in enumerate(rows):
            band_name(axes, at, name_of(record, rows))
            for role, line in PLACES.items():
                _mark(axes, role, at + 0.03 + 0.12 * line, record, role)
            _level(axes, at, record)
        left, right = axes.get_xlim()
        axes.set_xlim(max(left, -1 if metric.percent else -0.01), right + 0.12 * (right - left))  # room for the numbers
        axes.set_xlabel(axis_label(metric))
        heads = {
            role: MEASURES[role].head
            for role in ORDER
            if (role in TRIO or any(role in record.estimates for record in rows))
        }
        heads |= {name: MEASURES[name].head for name in LEVELS if any(level_of(record) == name for record in rows)}
        _legend(axes, heads)
        described = [
            f"{name_of(r, rows)}: {', '.join(f'{head} {words(r, role)}' for role, head in heads.items())}" for r in rows
        ]
        title = f"{metric.name[0].upper()}{metric.name[1:]} of {', '.join(heads.values())}"
        drawn = svg(figure, "scores", title, described)
    return drawn


def recovery(records: Sequence[Record]) -> str:
    """The PGR of every record with its interval, or the word withheld; "" if no record states a PGR."""
    stated = [estimate for record in records if (estimate := record.estimates.get("pgr"))]
    if not stated:
        return ""
    with _axes([name_of(record, records) for record in records], 2.6) as (figure, axes):
        for at, record in enumerate(records):
            band_name(axes, at, name_of(record, records))
            if "pgr" not in record.estimates:
                axes.text(2, at + 0.2, "withheld", color=ink("muted"), style="italic", va="center", size=8)
            else:
                _mark(axes, "student", at + 0.2, record, "pgr")
        ends = [end for each in stated for end in (each.value, each.low, each.high) if end is not None]
        low, high = max(min([*ends, 0.0]), -1.0), min(max([*ends, 1.0]), 2.0)
        margin = 0.06 * (high - low)
        axes.set_xlim(100 * (low - margin), 100 * (high + 3 * margin))
        for value, name in ((0, "floor"), (100, "ceiling")):
            axes.axvline(value, color=ink(name), linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
            axes.text(value, -0.42, name, color=ink(name), ha="center", va="bottom", size=8)
        axes.set_xlabel("performance gap recovered, %")
        described = [f"{name_of(r, records)}: {words(r, 'pgr')}" for r in records]
        drawn = svg(figure, "recovery", "Performance gap recovered (PGR) by method", described)
    return drawn


def data(records: Sequence[Record], names: Sequence[str]) -> str:
    """What such a figure shows, as CSV: fractions, not rounded, of the measures that some record has."""
    stated = [name for name in names if any(name in record.estimates for record in records)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["task", "weak", "strong", "method", *(f"{name}{end}" for name in stated for end in ENDS)])
    for record in records:
        flat = record.to_dict()
        values = [flat[f"{name}{end}"] for name in stated for end in ENDS]
        writer.writerow([record.task, record.weak, record.strong, record.method, *values])
    return out.getvalue()


def axis_label(metric: Metric) -> str:
    """`test accuracy, %`, `test log-loss, lower is better`."""
    unit = ", %" if metric.percent else ""
    return f"test {metric.name}{unit}{'' if metric.higher_is_better else ', lower is better'}"


def level_of(record: Record) -> str:
    """The level that a score without any skill has; "" where none is known."""
    return next((name for name in LEVELS if name in record.estimates), "")


def _level(axes: Axes, at: int, record: Record) -> None:
    """A vertical line through the band of a row at that level."""
    if name := level_of(record):
        x = (100 if is_percent(record, name) else 1) * record.estimates[name].value
        hover(axes, x, at + 0.55, f"{MEASURES[name].head}: {words(record, name)}")
        axes.plot([x, x], [at - 0.08, at + 0.6], color=ink(name), linewidth=1.2, linestyle=(0, (2, 2)), zorder=1)


def _mark(axes: Axes, style: str, y: float, record: Record, name: str) -> None:
    """An estimate of a record with its interval; the value is written at the end of the line."""
    estimate = record.estimates.get(name)
    if estimate is None:
        return
    scale = 100 if is_percent(record, name) else 1
    if estimate.low is not None and estimate.high is not None:
        axes.plot(
            [scale * estimate.low, scale * estimate.high], [y, y], color=ink(style), linewidth=2.2, alpha=0.55, zorder=2
        )
    looks: dict[str, Any] = {"color": ink(style), "markersize": 6.5, "markeredgecolor": ink("paper")}
    axes.plot([scale * estimate.value], [y], MARKS[style], zorder=3, **looks)
    hover(axes, scale * estimate.value, y, f"{MEASURES[name].head}: {words(record, name)}")
    where, text = axes.get_yaxis_transform(), value_of(record, name)
    axes.text(1, y, text, transform=where, ha="right", va="center_baseline", size=8, color=ink(style))


def _legend(axes: Axes, heads: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D

    looks: dict[str, Any] = {"linewidth": 2.2, "markersize": 6}
    marks = [Line2D([], [], color=ink(name), label=head, **(looks | _look(name))) for name, head in heads.items()]
    axes.legend(
        handles=marks,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=len(heads) if len(heads) < 5 else 3,
        frameon=False,
        fontsize=8.5,
        labelcolor=ink("ink"),
        handlelength=1.4,
        handletextpad=0.5,
        columnspacing=1.2,
    )


def _look(name: str) -> dict[str, Any]:
    return {"linestyle": (0, (2, 2)), "linewidth": 1.2} if name in LEVELS else {"marker": MARKS[name]}


@contextmanager
def _axes(names: Sequence[str], lines: float) -> Iterator[tuple[Figure, Axes]]:
    """Axes with a band for each name from the top down, each `lines` lines high, or more where names are long."""
    with panels([len(names) * (lines + name_lines(names)) * LINE + 0.75]) as (figure, (axes,)):
        bands(axes, len(names))
        yield figure, axes
