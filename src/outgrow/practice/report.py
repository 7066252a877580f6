"""The report on a fitted model: lines for the terminal, the model card, a page, and the same as JSON data."""

from __future__ import annotations

from typing import Any

import numpy as np

from outgrow.numbers import percent, signed, span
from outgrow.practice.comparison import LabellerScore, verdict
from outgrow.practice.fit import Fitted

SHOWN = 20  # rows of the page on which the model is most sure that the weak label is wrong


def report(fitted: Fitted) -> dict[str, Any]:
    """The report as JSON data. Accuracies and differences are shares of 1, with 95 % intervals; None where too few rows
    are audited to state one."""
    data = fitted.data
    return {
        "verdict": [
            *verdict(fitted.comparison, len(fitted.scored)),
            *([f"its gain, {fitted.predicted_gain}"] if fitted.predicted_gain else []),
        ],
        "model": fitted.wanted.model.name,
        "method": fitted.choice.name,
        "why": fitted.choice.why,
        "rows": len(data),
        "labelled": len(data.annotations),
        "sources": len(data.annotations.annotators),
        "audited": len(data.audited),
        "scored": len(fitted.scored),
        "classes": list(data.classes),
        "comparison": [_row(row) for row in fitted.comparison],
        "differs": differing(fitted),
        "notes": list(fitted.notes),
    }


def lines(fitted: Fitted) -> list[str]:
    """The report for a terminal, the most important first."""
    found = report(fitted)
    width = max((len(row["name"]) for row in found["comparison"]), default=0)
    table = [
        f"  {row['name']:{width}}  {row['shown']}  {row['shown_difference']}".rstrip() for row in found["comparison"]
    ]
    counts = f"{found['rows']:,} rows, {found['labelled']:,} with a weak label; the model differs from it on "
    return [
        *found["verdict"],
        f"method: {found['method']} ({found['why']})",
        *table,
        f"{counts}{percent(found['differs'])} %",
        *(f"note: {note}" for note in found["notes"]),
    ]


def rendered(fitted: Fitted, template: str, **others: Any) -> str:
    """The report through one of the templates beside this file: `card.md.j2` or `page.html.j2`."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    environment = Environment(loader=PackageLoader("outgrow.practice", "."), autoescape=select_autoescape(["html.j2"]))
    found = environment.get_template(template)
    return found.render(**report(fitted), most_differing=_most_differing(fitted), **others)


def differing(fitted: Fitted) -> float:
    """How often the model answers otherwise than the weak label, of the rows that have one."""
    own = fitted.predictions.of(fitted.weak.ids).hard()
    return float((own != fitted.weak.hard()).mean())


def _row(row: LabellerScore) -> dict[str, Any]:
    values, versus = row.accuracy, row.versus
    return {
        "name": row.name,
        "answered": row.answered,
        "accuracy": values and values.mean,
        "low": values and values.low,
        "high": values and values.high,
        "difference": versus and versus.mean,
        "difference_low": versus and versus.low,
        "difference_high": versus and versus.high,
        "shown": _accuracy(row),
        "shown_difference": _difference(row),
    }


def _accuracy(row: LabellerScore) -> str:
    if row.accuracy is None:
        return "too few rows"
    where = f" of the {100 * row.answered:.0f} % that have one" if row.answered < 1 else ""
    return f"{percent(row.accuracy.mean)} % ({span(row.accuracy.low, row.accuracy.high)}){where}"


def _difference(row: LabellerScore) -> str:
    if row.versus is None:
        return ""
    return f"{signed(row.versus.mean)} points ({span(row.versus.low, row.versus.high)})"


def _most_differing(fitted: Fitted) -> list[tuple[str, str, str, float]]:
    """Text, weak label, answer and confidence of rows on which they differ, the surest first."""
    own = fitted.predictions.of(fitted.weak.ids)
    answers, weak, sure = own.hard(), fitted.weak.hard(), own.confidence()
    at = np.flatnonzero(answers != weak)
    texts, classes = dict(zip(fitted.data.ids, fitted.data.texts, strict=True)), fitted.data.classes
    return [
        (texts[own.ids[i]][:300], classes[weak[i]], classes[answers[i]], float(sure[i]))
        for i in at[np.argsort(-sure[at], kind="stable")][:SHOWN].tolist()
    ]
