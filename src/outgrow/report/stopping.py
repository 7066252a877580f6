"""The early-stopping figure: the accuracy lost by stopping on weak labels (Burns et al. 2023, §5.1.1).

A fit that stops on ground truth also records its loss on the weak labels of the same validation examples.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from outgrow.experiment.steps import Fit
from outgrow.numbers import percent
from outgrow.report.drawing import MARKS, fitted, hover, ink, panels, svg
from outgrow.report.record import name_of
from outgrow.report.results import Results, rows
from outgrow.store import Damaged, Store
from outgrow.types import Doubles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from outgrow.training.state import Curve

TRUTH, LOSS = "validation_agreement", "monitored_loss"  # what is drawn: agreement with ground truth is accuracy
STOPS: tuple[tuple[Literal["monitored", "validation"], str, str], ...] = (
    ("monitored", "floor", "stop by weak labels"),
    ("validation", "ceiling", "stop by ground truth"),
)
NEEDED = {"epoch", TRUTH, LOSS, "validation_loss"}
DASH = 4  # of the lines that mark a stop, in points: two lines at the same epoch alternate


def monitored(results: Results, store: Store) -> dict[str, list[Curve]]:
    """The curves with both kinds of labels, one for each finished seed, by the name of their row."""
    curves_of = {}
    for (row, _), record in zip(rows(results.grid), results.aggregates, strict=True):
        curves = [curve for cell in row if cell.student_fit.monitored and (curve := _curve(cell.student_fit, store))]
        if curves:
            curves_of[name_of(record, results.aggregates)] = curves
    return curves_of


def _curve(fit: Fit, store: Store) -> Curve | None:
    """None if the fit is not stored, or has fewer than two checks."""
    try:
        file = store.fetch(fit.key, only={"curve.json"}) / "curve.json"
    except Damaged:
        return None
    curve: Curve = json.loads(file.read_text()) if file.exists() else []
    return curve if len(curve) > 1 and all(check.keys() >= NEEDED for check in curve) else None


def stop(curve: Curve, labels: Literal["monitored", "validation"]) -> dict[str, float]:
    """The check that training would keep by these labels: the first one with the lowest loss."""
    losses = [check[f"{labels}_loss"] for check in curve]
    return curve[int(np.argmin(np.nan_to_num(losses, nan=np.inf)))]


def stopping(curves: Mapping[str, Sequence[Curve]]) -> str:
    """The figure: for each row accuracy above and loss below, a curve a seed and their mean; "" without curves."""
    if not curves:
        return ""
    with panels([2.0, 2.0] * len(curves)) as (figure, axes):
        described = []
        for above, below, (name, seeds) in zip(axes[::2], axes[1::2], curves.items(), strict=True):
            _panel(above, seeds, TRUTH, 100.0)
            _panel(below, seeds, LOSS, 1.0)
            above.set_ylabel("accuracy on\nground truth, %")
            above.tick_params(labelbottom=False)
            below.set_ylabel("loss on\nweak labels, nats")
            below.set_xlabel("epochs")
            _head(above, name, seeds)
            words = (f"{label} after {_mean(seeds, key, 'epoch'):.3g} epochs, "
                     f"accuracy {percent(_mean(seeds, key, TRUTH))} %" for key, _, label in STOPS)  # fmt: skip
            described.append(f"{name}: {', '.join(words)}")
        return svg(
            figure, "stopping", "Accuracy on ground truth and loss on weak labels while the student learns", described
        )


def data(curves: Mapping[str, Sequence[Curve]]) -> str:
    """What the figure shows, as CSV: a line for each check of each curve; accuracy as a fraction, loss in nats."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["comparison", "curve", "epoch", "accuracy", "loss"])
    for name, seeds in curves.items():
        for i, curve in enumerate(seeds):
            writer.writerows([name, i, check["epoch"], check[TRUTH], check[LOSS]] for check in curve)
    return out.getvalue()


def _panel(axes: Axes, seeds: Sequence[Curve], name: str, scale: float) -> None:
    """One number of the curves: a thin line for each seed with its two stops, a thick one for the mean, and vertical
    lines at the mean stops."""
    epochs = np.unique([check["epoch"] for curve in seeds for check in curve])
    lines = [np.interp(epochs, _column(curve, "epoch"), scale * _column(curve, name)) for curve in seeds]
    for curve in seeds if len(seeds) > 1 else ():
        thin: dict[str, Any] = {"color": ink("student"), "linewidth": 0.7, "alpha": 0.45}
        axes.plot(_column(curve, "epoch"), scale * _column(curve, name), **thin)
    axes.plot(epochs, np.mean(lines, axis=0), color=ink("student"), linewidth=2.2, zorder=3)
    for i, (labels, colour, label) in enumerate(STOPS):
        dashes = (i * DASH, (DASH, DASH))
        at = _mean(seeds, labels, "epoch")
        axes.axvline(at, color=ink(colour), linewidth=1.2, linestyle=dashes, zorder=1)
        stops = [stop(curve, labels) for curve in seeds]
        x, y = [check["epoch"] for check in stops], [scale * check[name] for check in stops]
        axes.plot(x, y, ls="", zorder=4, **_mark(labels, colour))
        for when, value in zip(x, y, strict=True):
            hover(axes, when, value, f"{label}: {value:.3g} after {when:.3g} epochs")
    axes.grid(axis="y", color=ink("line"), linewidth=0.8)


def _mark(labels: str, colour: str) -> dict[str, Any]:
    """A small full square, or a larger open diamond, through which the square can be seen."""
    if labels == "monitored":
        return {"marker": MARKS["floor"], "markersize": 3.5, "color": ink(colour)}
    return {"marker": MARKS["ceiling"], "markersize": 6, "color": ink(colour), "markerfacecolor": "none"}


def _head(axes: Axes, name: str, seeds: Sequence[Curve]) -> None:
    """The name of the row, and a legend with the accuracy at each stop."""
    from matplotlib.lines import Line2D

    mean = f"mean of {len(seeds)} seeds" if len(seeds) > 1 else "one seed"
    thin: dict[str, Any] = (
        {"linewidth": 0.7, "label": "each seed"} if len(seeds) > 1 else {"linewidth": 0, "label": " "}
    )
    lines = [
        Line2D([], [], color=ink("student"), linewidth=2.2, label=mean),
        Line2D([], [], color=ink("student"), alpha=0.45, **thin),  # an empty entry for a single seed
    ]
    for labels, colour, label in STOPS:
        text = f"{label}: {percent(_mean(seeds, labels, TRUTH))} %"
        lines.append(Line2D([], [], linewidth=1.2, linestyle="--", label=text, **_mark(labels, colour)))
    looks: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "labelcolor": ink("ink")}
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0), "ncols": 2}
    legend = axes.legend(handles=lines, handlelength=1.8, handletextpad=0.5, columnspacing=1.2, **looks, **place)
    legend.set_in_layout(False)  # it is narrower than the axes, which must not shrink for it
    line, size = fitted(name, 9.0)
    axes.set_title(line, loc="left", x=-0.19, color=ink("ink"), size=size, weight="bold", pad=34)


def _column(curve: Curve, name: str) -> Doubles:
    return np.array([check[name] for check in curve])


def _mean(seeds: Sequence[Curve], labels: Literal["monitored", "validation"], name: str) -> float:
    """The mean over the seeds, each at its own stop."""
    return float(np.mean([stop(curve, labels)[name] for curve in seeds]))
