"""The figures, as SVG that follows the reader's light or dark mode: text stays text, nothing is fetched.

Equal records give equal bytes. Widths suit a phone; every figure may be enlarged.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

from outgrow.report.results import ROLES, Record
from outgrow.report.tables import percent, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.6  # inches of 72 units
LINE = 0.155  # inches between two marks of a row

# Colours of Okabe & Ito 2008, which people with any colour vision tell apart; darker on white, lighter on black.
# Matplotlib draws with the stand-ins on the left, and the SVG's own style sheet gives them their two values.
COLOURS = {
    "ink": ("#010101", "#1f2430", "#e6e8ee"),
    "muted": ("#010102", "#667085", "#98a2b3"),
    "line": ("#010103", "#dfe3ea", "#333a48"),
    "paper": ("#010104", "#ffffff", "#12151c"),
    "floor": ("#010105", "#b86a00", "#f0a73c"),
    "student": ("#010106", "#0067a5", "#5ab4f0"),
    "ceiling": ("#010107", "#00795a", "#2fc99b"),
    "untrained": ("#010108", "#7a8194", "#8d95a8"),
}
MARKS = {"floor": "s", "student": "o", "ceiling": "D", "untrained": "^"}


def scores(records: Sequence[Record]) -> str:
    """Floor, student, ceiling and untrained student of every aggregate, with intervals; empty if there is no score."""
    rows = [record for record in records if any(getattr(record, role) is not None for role in ROLES)]
    if not rows:
        return ""
    with _axes(len(rows), 5.8) as (figure, axes):
        for at, record in enumerate(rows):
            _title(axes, at, record, rows)
            for line, role in enumerate(("ceiling", "student", "floor", "untrained")):
                _mark(axes, role, at + 0.03 + 0.14 * line, record, role)
        left, right = axes.get_xlim()
        axes.set_xlim(max(left, -1), right + 0.12 * (right - left))  # room for the numbers
        axes.set_xlabel("test accuracy, %")
        _legend(axes, ("floor", "student", "ceiling", "untrained"))
        said = [f"{_name(r, rows)}: {', '.join(f'{role} {_words(r, role)}' for role in ROLES)}" for r in rows]
        drawn = _svg(figure, "scores", "Accuracy of floor, student, ceiling and untrained student", said)
    return drawn


def recovery(records: Sequence[Record]) -> str:
    """The PGR of every aggregate, with its interval; a word where it is withheld. Empty if no PGR is stated."""
    if all(record.pgr is None for record in records):
        return ""
    with _axes(len(records), 2.6) as (figure, axes):
        for at, record in enumerate(records):
            _title(axes, at, record, records)
            if record.pgr is None:
                axes.text(2, at + 0.2, "withheld", color=_ink("muted"), style="italic", va="center", size=8)
            else:
                _mark(axes, "student", at + 0.2, record, "pgr")
        stated = [v for r in records for v in (r.pgr, r.pgr_low, r.pgr_high) if v is not None]
        low, high = max(min([*stated, 0.0]), -1.0), min(max([*stated, 1.0]), 2.0)
        margin = 0.06 * (high - low)
        axes.set_xlim(100 * (low - margin), 100 * (high + 3 * margin))
        for value, name in ((0, "floor"), (100, "ceiling")):
            axes.axvline(value, color=_ink(name), linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
            axes.text(value, -0.42, name, color=_ink(name), ha="center", va="bottom", size=8)
        axes.set_xlabel("performance gap recovered, %")
        said = [f"{_name(r, records)}: {_words(r, 'pgr')}" for r in records]
        drawn = _svg(figure, "recovery", "Performance gap recovered (PGR) by method", said)
    return drawn


def sizes(records: Sequence[Record]) -> str:
    """Student accuracy against the student, in the order of the experiment; empty for fewer than two students."""
    strong = list(dict.fromkeys(record.strong for record in records))
    panels = list(dict.fromkeys((record.task, record.weak) for record in records))
    if len(strong) < 2 or all(record.student is None for record in records):
        return ""
    with _panels(len(panels)) as (figure, grid):
        for axes, (task, weak) in zip(grid, panels, strict=True):
            here = [record for record in records if (record.task, record.weak) == (task, weak)]
            methods = list(dict.fromkeys(record.method for record in here))
            lines = [(method, "student", [r for r in here if r.method == method]) for method in methods]
            lines += [(role, role, [r for r in here if r.method == methods[0]]) for role in ("ceiling", "floor")]
            if len(methods) == 1:
                lines[0] = ("student", *lines[0][1:])
            ends = [_line(axes, i, role, strong, rows) for i, (_, role, rows) in enumerate(lines)]
            named = [(y, name, role) for (name, role, _), y in zip(lines, ends, strict=True) if y is not None]
            _name_lines(axes, len(strong) - 1 + 0.12, named)
            axes.set_title(f"{task} · taught by {weak}", loc="left", color=_ink("ink"), size=9, weight="bold")
            axes.set_xticks(range(len(strong)), strong)
            axes.set_xlim(-0.25, len(strong) - 1 + 0.25 * len(strong))  # room for the names
            axes.grid(axis="y", color=_ink("line"), linewidth=0.8)
            axes.set_ylabel("test accuracy, %")
        said = [f"{_name(r, records)}: {_words(r, 'student')}" for r in records]
        drawn = _svg(figure, "sizes", "Student accuracy by student", said)
    return drawn


def _line(axes: Axes, number: int, role: str, strong: Sequence[str], records: Sequence[Record]) -> float | None:
    """One score against the student, with intervals; where it ends, in percent."""
    there = [record for record in records if getattr(record, role) is not None]
    if not there:
        return None
    x = [strong.index(record.strong) + 0.02 * number for record in there]
    y = [100 * float(getattr(record, role)) for record in there]
    style = ("-", "--", ":", "-.")[number % 4] if role == "student" else "-"
    axes.plot(x, y, style, color=_ink(role), marker=MARKS[role], markersize=5, linewidth=1.6, zorder=3)
    for at, record in zip(x, there, strict=True):
        _, low, high = _numbers(record, role)
        if low is not None and high is not None:
            axes.plot([at, at], [100 * low, 100 * high], color=_ink(role), linewidth=1.2, alpha=0.55)
    return y[-1]


def _name_lines(axes: Axes, x: float, named: Sequence[tuple[float, str, str]]) -> None:
    """The name of each line at its end, pushed up where two would meet."""
    low, high = axes.get_ylim()
    last = low - (high - low)
    for y, name, role in sorted(named):
        last = max(y, last + 0.075 * (high - low))
        axes.text(x, last, name, color=_ink(role), va="center", size=8.5)


def _numbers(record: Record, name: str) -> tuple[float | None, float | None, float | None]:
    row = record.to_dict()
    return row[name], row[f"{name}_low"], row[f"{name}_high"]


def _words(record: Record, name: str) -> str:
    value, low, high = _numbers(record, name)
    interval = span(low, high)
    return "none" if value is None else f"{percent(value)} %" + (f" ({interval})" if interval else "")


def _name(record: Record, records: Sequence[Record]) -> str:
    """What tells this row from the others, and always something."""
    return " · ".join(_parts(record, records))


def _parts(record: Record, records: Sequence[Record]) -> list[str]:
    pairs = {(other.weak, other.strong) for other in records}
    parts = [record.task] if len({other.task for other in records}) > 1 else []
    parts += [f"{record.weak} → {record.strong}"] if len(pairs) > 1 or not parts else []
    return [*parts, record.method] if len({other.method for other in records}) > 1 else parts


def _title(axes: Axes, at: int, record: Record, records: Sequence[Record]) -> None:
    """The name of a row, above it: beside it there is no room on a phone."""
    where = axes.get_yaxis_transform()
    name = _name(record, records)
    box = {"facecolor": _ink("paper"), "edgecolor": "none", "pad": 1.5}
    size = min(8.5, 8.5 * 55 / len(name))  # what fits into the width
    said = axes.text(0.004, at - 0.2, name, transform=where, va="center", size=size, weight="bold", color=_ink("ink"))
    said.set(bbox=box, in_layout=False)
    if at:
        axes.axhline(at - 0.4, color=_ink("line"), linewidth=0.8, zorder=0)


def _mark(axes: Axes, style: str, y: float, record: Record, name: str) -> None:
    """A number of a record, drawn with its interval and written at the end of the line."""
    value, low, high = _numbers(record, name)
    if low is not None and high is not None:
        axes.plot([100 * low, 100 * high], [y, y], color=_ink(style), linewidth=2.2, alpha=0.55, zorder=2)
    if value is not None:
        looks: dict[str, Any] = {"color": _ink(style), "markersize": 6.5, "markeredgecolor": _ink("paper")}
        axes.plot([100 * value], [y], MARKS[style], zorder=3, **looks)
        where = axes.get_yaxis_transform()
        axes.text(1, y, percent(value), transform=where, ha="right", va="center_baseline", size=8, color=_ink(style))


def _legend(axes: Axes, names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], color=_ink(name), marker=MARKS[name], linewidth=2.2, markersize=6, label=name) for name in names
    ]
    axes.legend(
        handles=marks,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=len(names),
        frameon=False,
        fontsize=8.5,
        labelcolor=_ink("ink"),
        handlelength=1.4,
        handletextpad=0.5,
        columnspacing=1.2,
    )


@contextmanager
def _axes(rows: int, lines: float) -> Iterator[tuple[Figure, Axes]]:
    """Axes with a band for each row, from the top down, `lines` lines high."""
    with _panels(1, height=rows * lines * LINE + 0.75) as (figure, (axes,)):
        axes.set_ylim(rows - 0.4, -0.4)
        axes.set_yticks([])
        axes.grid(axis="x", color=_ink("line"), linewidth=0.8)
        axes.spines["left"].set_visible(False)
        yield figure, axes


@contextmanager
def _panels(count: int, height: float = 2.6) -> Iterator[tuple[Figure, list[Axes]]]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "outgrow",
        "font.size": 9,
        "axes.edgecolor": _ink("muted"),
        "axes.labelcolor": _ink("muted"),
        "xtick.color": _ink("muted"),
        "ytick.color": _ink("muted"),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
    }
    with mpl.rc_context():
        mpl.rcdefaults()  # a style file of the reader's must not change a figure
        mpl.rcParams.update(style)
        figure = Figure(figsize=(WIDTH, height * count), layout="constrained")
        yield figure, list(figure.subplots(count, 1, squeeze=False)[:, 0])


def _ink(name: str) -> str:
    return COLOURS[name][0]


def _svg(figure: Figure, name: str, title: str, rows: Sequence[str]) -> str:
    """The figure with its own style sheet, alternative text, and ids that no other figure on a page has."""
    out = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(out, format="svg", transparent=True, metadata=metadata)
    drawn = out.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    for colour, (stand_in, _, _) in COLOURS.items():
        drawn = drawn.replace(stand_in, f"var(--{colour})")
    drawn = re.sub(r'(?<=\bid=")|(?<=href="#)|(?<=url\(#)', f"{name}-", drawn)
    drawn = re.sub(r"(font: [^;\"]*?)'[^;\"]*", r"\1system-ui, sans-serif", drawn)
    opening, rest = drawn.replace("xlink:href", "href").split(">", 1)
    opening = re.sub(r' (width|height|xmlns:xlink)="[^"]*"', "", opening)
    label = f'class="figure" role="img" aria-labelledby="{name}-title {name}-desc"'
    said = escape("; ".join(rows))
    words = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{said}</desc>'
    rest = rest.replace("*{stroke", "svg.figure *{stroke")  # a style inside an SVG speaks to the whole page
    return f"{opening} {label}>{words}<style>{_style()}</style>{rest.strip()}"


def _style() -> str:
    light, dark = (";".join(f"--{name}:{values[i]}" for name, values in COLOURS.items()) for i in (1, 2))
    return f"svg.figure{{{light}}}@media screen and (prefers-color-scheme:dark){{svg.figure{{{dark}}}}}"
