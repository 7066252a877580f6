"""What the figures share: SVG that follows the reader's light or dark mode, with text as text and nothing to fetch.

Equal records give equal bytes. Figures are as wide as a phone and can be enlarged.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

from outgrow.report.record import Record
from outgrow.report.tables import interval_of, is_percent, one_line, value_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.6  # inches of 72 units
LINE = 0.155  # inches between two marks of a band

# Colours of Okabe & Ito (2008), distinct for any colour vision: darker on white, lighter on black. Matplotlib draws
# with the stand-ins on the left; the style sheet of the SVG replaces each by its two values.
COLOURS = {
    "ink": ("#010101", "#1f2430", "#e6e8ee"),
    "muted": ("#010102", "#667085", "#98a2b3"),
    "line": ("#010103", "#dfe3ea", "#333a48"),
    "paper": ("#010104", "#ffffff", "#12151c"),
    "floor": ("#010105", "#b86a00", "#f0a73c"),
    "student": ("#010106", "#0067a5", "#5ab4f0"),
    "ceiling": ("#010107", "#00795a", "#2fc99b"),
    "zero_shot": ("#010108", "#7a8194", "#8d95a8"),
    "frozen_probe": ("#010112", "#7a8194", "#8d95a8"),
    "direct": ("#010113", "#8a3d99", "#d894e6"),
    "majority": ("#010114", "#667085", "#98a2b3"),
    "chance": ("#010115", "#667085", "#98a2b3"),
    "second": ("#010109", "#8a3d99", "#d894e6"),
    "third": ("#010110", "#b3261e", "#ff8a80"),
    "fourth": ("#010111", "#475569", "#cbd5e1"),
}
MARKS = {"floor": "s", "student": "o", "ceiling": "D", "direct": "P", "zero_shot": "^", "frozen_probe": "v"}
CHARACTERS = 55  # of the usual size fit into the width of a figure
TIP = "tip "  # begins the id of a group whose title is shown to who points at it
LONGEST = 110  # characters of a name, at half the size; of a longer name both ends are shown


@contextmanager
def panels(heights: Sequence[float]) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of axes, one below the other, as many inches high."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "outgrow",
        "text.parse_math": False,  # a $ in a name is not a formula
        "font.size": 9,
        "axes.edgecolor": ink("muted"),
        "axes.labelcolor": ink("muted"),
        "xtick.color": ink("muted"),
        "ytick.color": ink("muted"),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
    }
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the browser has its own fonts
        mpl.rcdefaults()  # a matplotlibrc of the user must not change a figure
        mpl.rcParams.update(style)
        figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
        yield figure, list(figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0])


def bands(axes: Axes, count: int) -> None:
    """Bands from the top down; the marks of band i have their places from i to i + 0.55, below its `band_name`."""
    axes.set_ylim(count - 0.4, -0.4)
    axes.set_yticks([])
    axes.grid(axis="x", color=ink("line"), linewidth=0.8)
    axes.spines["left"].set_visible(False)


def band_name(axes: Axes, at: int, text: str) -> None:
    """The name of a band above its marks, since there is no room beside them on a phone. A long one has two lines."""
    where = axes.get_yaxis_transform()
    lines = two_lines(shortened(text))
    size = min(8.5 if len(lines) == 1 else 7.5, 8.5 * CHARACTERS / max(*map(len, lines), 1))
    looks: dict[str, Any] = {"va": "center", "size": size, "weight": "bold", "color": ink("ink"), "linespacing": 1.0}
    title = axes.text(0.004, at - 0.2, "\n".join(lines), transform=where, **looks)
    title.set(bbox={"facecolor": ink("paper"), "edgecolor": "none", "pad": 1.5}, in_layout=False)
    if at:
        axes.axhline(at - 0.4, color=ink("line"), linewidth=0.8, zorder=0)


def name_lines(names: Iterable[str]) -> float:
    """The lines of a band that names need beyond one line."""
    return 0.8 if any(len(two_lines(shortened(name))) > 1 for name in names) else 0.0


def two_lines(name: str) -> list[str]:
    """A name that is too long to be read on one line, broken at the blank nearest its middle."""
    blanks = [i for i, letter in enumerate(name) if letter == " "]
    if len(name) <= CHARACTERS + 8 or not blanks:
        return [name]
    at = min(blanks, key=lambda i: abs(i - len(name) / 2))
    return [name[:at], name[at + 1 :]]


def ink(name: str) -> str:
    """The colour that stands for `name` of `COLOURS` while matplotlib draws."""
    return COLOURS[name][0]


def hover(axes: Axes, x: float, y: float, text: str) -> None:
    """What a reader sees who points at a place: an invisible mark that is large enough to be hit, with a title."""
    (mark,) = axes.plot([x], [y], "o", markersize=14, color=ink("paper"), gid=f"{TIP}{one_line(text)}", zorder=9)
    mark.set_in_layout(False)


def svg(figure: Figure, name: str, title: str, rows: Sequence[str]) -> str:
    """The figure as SVG with its style sheet and ids of its own. `title` and `rows` are the text alternative."""
    out = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(out, format="svg", transparent=True, metadata=metadata)
    markup = out.getvalue()
    markup = re.sub(rf'<g id="{TIP}([^"]*)">', r'<g class="tip"><title>\1</title>', markup)
    markup = re.sub(r"<[^>]*>", lambda tag: _adapted(tag[0], name), markup[markup.index("<svg") :])  # not in the text
    opening, rest = markup.split(">", 1)
    opening = re.sub(r' (width|height|xmlns:xlink)="[^"]*"', "", opening)
    label = f'class="figure" role="img" aria-labelledby="{name}-title {name}-desc"'
    description = escape(one_line("; ".join(rows)))
    alternative = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{description}</desc>'
    rest = rest.replace("*{stroke", "svg.figure *{stroke", 1)  # a style inside an SVG applies to the whole page
    return f"{opening} {label}>{alternative}<style>{_style()}</style>{rest.strip()}"


def _adapted(tag: str, figure: str) -> str:
    """A tag with the colours of the style sheet, the browser's font, and ids of this figure."""
    for colour, (stand_in, _, _) in COLOURS.items():
        tag = tag.replace(stand_in, f"var(--{colour})")
    tag = re.sub(r'(?<=\bid=")|(?<=href="#)|(?<=url\(#)', f"{figure}-", tag)
    font = r"(font(?:-family)?: [^;\"]*?)'[^;\"]*"  # matplotlib 3.11 writes its family apart from its size
    return re.sub(font, r"\1system-ui, sans-serif", tag).replace("xlink:href", "href")


def _style() -> str:
    light, dark = (";".join(f"--{name}:{values[i]}" for name, values in COLOURS.items()) for i in (1, 2))
    at_night = f"@media screen and (prefers-color-scheme:dark){{svg.figure{{{dark}}}}}"
    return f"svg.figure{{{light}}}svg.figure .tip{{opacity:0}}{at_night}"


def words(record: Record, name: str) -> str:
    """An estimate for the text alternative of a figure: `60.0 % (55.0–65.0)`, or `none`."""
    value, interval = record.value(name), interval_of(record, name)
    unit = " %" if is_percent(record, name) else ""
    return "none" if value is None else f"{value_of(record, name)}{unit}" + (f" ({interval})" if interval else "")


def fitted(name: str, size: float) -> tuple[str, float]:
    """A name on one line, and the font size, at most `size`, at which it fits into the width of a figure."""
    line = shortened(name)
    return line, min(size, size * CHARACTERS / max(len(line), 1))


def shortened(name: str, length: int = LONGEST) -> str:
    """A name on one line; of a long one both ends."""
    line = one_line(name)
    half = (length - 1) // 2
    return line if len(line) <= length else f"{line[:half]}…{line[-half:]}"
