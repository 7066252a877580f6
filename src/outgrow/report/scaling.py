"""The scaling figure: student accuracy against the student's weights, a line a supervisor (Burns et al. 2023, fig. 3).

Each supervisor is a square at its own number of weights and its accuracy, and a dotted line at that accuracy, the
floor of its students. The ceilings are a line of their own, and so is the majority class or a random choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import TYPE_CHECKING, Any

from outgrow.models.base import counted
from outgrow.report.drawing import MARKS, fitted, hover, ink, panels, shortened, svg, words
from outgrow.report.figures import axis_label, level_of
from outgrow.report.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUPERVISORS = ("student", "second", "third", "fourth")  # colours; a fifth supervisor starts again, with dashes
NAME = 24  # characters of a model's name
ROOM = 0.3  # of the width, for the names of lines


def scaling(records: Sequence[Record], weights: Mapping[str, int]) -> str:
    """The figure, with a panel for each task and method; "" for fewer than two students.

    `weights`: the number of weights of each model by name, on a logarithmic axis. If that of some model is unknown, the
    models are in the order of the experiment instead.
    """
    scored = [record for record in records if "student" in record.estimates]
    if len({record.strong for record in records}) < 2 or not scored:
        return ""
    names = list(dict.fromkeys([record.weak for record in records] + [record.strong for record in records]))
    known = all(weights.get(name) for name in names)
    where = {name: log10(weights[name]) if known else float(i) for i, name in enumerate(names)}
    each = list(dict.fromkeys((record.task, record.method) for record in scored))
    methods = {method for _, method in each}
    with panels([3.1] * len(each)) as (figure, grid):
        for axes, (task, method) in zip(grid, each, strict=True):
            _panel(axes, [r for r in scored if (r.task, r.method) == (task, method)], where)
            axes.set_xticks(
                [where[name] for name in names],
                [f"{_short(name)}\n{counted(weights[name])}" if known else _short(name) for name in names],
            )
            title = f"{task} · {method}" if len(methods) > 1 else task
            line, size = fitted(title, 9.0)
            axes.set_title(line, loc="left", color=ink("ink"), size=size, weight="bold")
            axes.set_ylabel(axis_label(records[0].metric))
            axes.set_xlabel("model, by its weights" if known else "model")
        described = [
            f"{r.task}, {r.method}, {r.weak} → {r.strong}: student {words(r, 'student')}, "
            f"floor {words(r, 'floor')}, ceiling {words(r, 'ceiling')}"
            for r in scored
        ]
        return svg(figure, "scaling", "Student accuracy by the student's weights, a line a supervisor", described)


def _panel(axes: Axes, records: Sequence[Record], where: Mapping[str, float]) -> None:
    """The lines of one task and method."""
    left, right = min(where.values()), max(where.values())
    width, scale = right - left, _scale(records)
    ends = [_line(axes, list({r.strong: r for r in records}.values()), "ceiling", where, color=ink("ceiling"))]
    lines = [("ceiling", "ceiling")]
    for i, weak in enumerate(dict.fromkeys(record.weak for record in records)):
        supervisor_fits = [record for record in records if record.weak == weak]
        colour = SUPERVISORS[i % len(SUPERVISORS)]
        style = "-" if i < len(SUPERVISORS) else "--"
        ends.append(
            _line(axes, supervisor_fits, "student", where, shift=0.006 * width * (i + 1), color=ink(colour), ls=style)
        )
        lines.append((f"by {_short(weak)}", colour))
        floor = next((floor for record in supervisor_fits if (floor := record.value("floor")) is not None), None)
        if floor is not None:
            looks: dict[str, Any] = {"color": ink(colour), "linewidth": 1.1, "alpha": 0.7, "zorder": 1}
            axes.plot([left, right], [scale * floor, scale * floor], ":", **looks)
            square: dict[str, Any] = {"markersize": 6, "markeredgecolor": ink("paper"), "color": ink(colour)}
            axes.plot([where[weak]], [scale * floor], MARKS["floor"], zorder=4, **square)
            hover(axes, where[weak], scale * floor, f"supervisor {_short(weak)}: {words(supervisor_fits[0], 'floor')}")
    if name := level_of(records[0]):
        level = scale * records[0].estimates[name].value
        axes.plot([left, right], [level, level], color=ink(name), linewidth=1.2, linestyle=(0, (2, 2)), zorder=1)
        ends, lines = [*ends, level], [*lines, (name, name)]
    axes.set_xlim(left - 0.08 * width, right + ROOM * width)
    axes.grid(axis="y", color=ink("line"), linewidth=0.8)
    named = [(y, name, colour) for y, (name, colour) in zip(ends, lines, strict=True) if y is not None]
    _name_lines(axes, right + 0.04 * width, named)


def _line(
    axes: Axes, records: Sequence[Record], role: str, where: Mapping[str, float], shift: float = 0.0, **looks: Any
) -> float | None:
    """A line of one score against the student, with intervals. Returns its last value."""
    scored = sorted((r for r in records if role in r.estimates), key=lambda r: where[r.strong])
    if not scored:
        return None
    estimates = [record.estimates[role] for record in scored]
    x = [where[record.strong] + shift for record in scored]
    scale = _scale(records)
    y = [scale * estimate.value for estimate in estimates]
    for at, value, record in zip(x, y, scored, strict=True):
        supervised_by = f" by {_short(record.weak)}" if role == "student" else ""
        hover(axes, at, value, f"{role}{supervised_by}, {_short(record.strong)}: {words(record, role)}")
    axes.plot(x, y, marker=MARKS[role], markersize=5, linewidth=1.6, zorder=3, **looks)
    for at, estimate in zip(x, estimates, strict=True):
        if estimate.low is not None and estimate.high is not None:
            axes.plot(
                [at, at], [scale * estimate.low, scale * estimate.high], color=looks["color"], linewidth=1.2, alpha=0.55
            )
    return y[-1]


def _scale(records: Sequence[Record]) -> float:
    return 100.0 if records[0].metric.percent else 1.0


def _name_lines(axes: Axes, x: float, named: Sequence[tuple[float, str, str]]) -> None:
    """The name of each line at its end, moved up where two names would overlap."""
    low, high = axes.get_ylim()
    last = low - (high - low)
    for y, name, colour in sorted(named):
        last = max(y, last + 0.065 * (high - low))
        axes.text(x, last, name, color=ink(colour), va="center", size=8.5)


def _short(name: str) -> str:
    """`pawn` of `ladder/pawn`."""
    return shortened(" + ".join(part.rpartition("/")[2] for part in name.split(" + ")), NAME)
