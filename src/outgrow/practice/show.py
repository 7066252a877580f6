"""The report on labels as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from outgrow.practice.annotators import Annotator, Share
from outgrow.practice.labels import LabelReport

SUSPECTS, CONFUSED = 10, 10  # probable errors, and classes of a confusion matrix, that a terminal shows
CLASSES = 40  # the most that a terminal lists
BY = {"audits": "from audited rows", "agreement": "by their agreement, if errors are independent"}


def percent(value: float | None) -> str:
    """`81.2 %`, or a dash for an unknown value."""
    return "–" if value is None else f"{100 * value:.1f} %"


def with_interval(share: Share | None) -> str:
    """`81.2 % (78.0 to 84.1)`, or a dash for an unknown share."""
    if share is None:
        return "–"
    if share.low == share.high:  # every row is audited
        return percent(share.value)
    return f"{percent(share.value)} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def sentences(report: LabelReport) -> tuple[str, ...]:
    """The report on labels, the finding first."""
    return tuple(_sentences(report))


def _sentences(report: LabelReport) -> Iterator[str]:
    joined = "" if report.joined_by == "the only annotator" else f" (joined by {report.joined_by})"
    if report.accuracy:
        right = with_interval(report.accuracy)
        yield f"The labels{joined} are right for {right} of the rows, {BY[report.accuracy.by]}."
    else:
        yield (
            "How often the labels are right is not known: it takes ground truth or three annotators. Audit some rows "
            "(--to-audit 100 audit.csv)."
        )
    if report.audits_to_halve:
        yield f"About {report.audits_to_halve:,} more audits at random would halve this interval."
    yield (
        f"{report.labelled:,} of {report.rows:,} rows have a label ({percent(report.coverage)}), {report.audited:,} "
        "have ground truth."
    )
    if report.conflicts is not None:
        yield f"{percent(report.overlap)} have several, and {percent(report.conflicts)} of these contradict each other."
    if found := report.agreement:
        yield (
            f"Agreement beyond chance: Krippendorff's alpha {found.alpha:.2f} ({found.alpha_low:.2f} to "
            f"{found.alpha_high:.2f}), Fleiss' kappa {found.kappa:.2f} ({found.kappa_low:.2f} to "
            f"{found.kappa_high:.2f})."
        )
    if (twice := report.duplicates) and (twice.exact or twice.near):
        near = "" if twice.near is None else f", {twice.near:,} nearly ({twice.near_conflicts:,} with another label)"
        yield f"{twice.exact:,} texts occur again ({twice.exact_conflicts:,} with another label){near}."


def suspects_head(report: LabelReport) -> str:
    """What the list of probable errors is, and how far its probabilities hold."""
    if report.expected_errors is None:
        return "Labels that are most probably wrong; how probably is not known before some rows are audited"
    return f"Labels that are most probably wrong ({percent(report.expected_errors)} of all are expected to be)"


def text(report: LabelReport) -> str:
    """The whole report for a terminal, about 100 columns wide."""
    more = max(0, len(report.classes) - CLASSES)
    parts = [
        f"{report.name}: labels of {len(report.annotators)} annotator{'s' if len(report.annotators) != 1 else ''}",
        *(f"  {sentence}" for sentence in sentences(report)),
        *(f"  note: {note}" for note in report.odd),
        "",
        *_table(["class", "labels", "ground truth"], islice(_classes(report), CLASSES)),
        *([f"  and {more:,} more classes: --json or --report has them"] if more else []),
        "",
        *_table(
            ["annotator", "labels", "coverage", "accuracy", "conflicts", "calibration"], map(_line, report.annotators)
        ),
    ]
    for each in report.annotators:
        if each.confusion and len(report.classes) <= CONFUSED:
            parts += ["", f"{each.name}: share of each label given the true class, {BY[each.confusion_by]}"]
            parts += _table(["true class", *report.classes], confusion_rows(report, each))
    if report.suspects:
        parts += ["", suspects_head(report)]
        rows = [
            [percent(each.probability), f"{each.label} → {each.suggested}", each.id, _short(each.text)]
            for each in report.suspects[:SUSPECTS]
        ]
        parts += _table(["wrong", "label → suggested", "id", "text"], rows)
    return "\n".join([*parts, "", *(f"note: {note}" for note in report.notes)])


def _classes(report: LabelReport) -> Iterator[list[str]]:
    true = report.true_shares or (None,) * len(report.classes)
    for name, share, known in zip(report.classes, report.shares, true, strict=True):
        yield [name, percent(share), percent(known)]


def _line(each: Annotator) -> list[str]:
    error = "–" if each.calibration is None else f"{each.calibration:.3f}"
    accuracy = with_interval(each.accuracy)
    return [each.name, f"{each.labels:,}", percent(each.coverage), accuracy, percent(each.conflicts), error]


def confusion_rows(report: LabelReport, each: Annotator) -> list[list[str]]:
    """Of each true class its name and the share of each label, with its interval."""
    if each.confusion is None or each.confusion_low is None or each.confusion_high is None:
        return []
    rows = []
    ends = zip(each.confusion_low, each.confusion_high, strict=True)
    for name, values, (low, high) in zip(report.classes, each.confusion, ends, strict=True):
        rows.append([name, *map(_cell, values, low, high)])
    return rows


def _cell(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return "–"
    return f"{percent(value)} ({100 * low:.0f}–{100 * high:.0f})"


def _table(head: list[str], rows: Iterator[list[str]] | list[list[str]]) -> list[str]:
    """Lines of a table: the first column to the left, numbers to the right."""
    every = [list(map(_short, row)) for row in (head, *rows)]
    widths = [max(len(row[i]) for row in every) for i in range(len(head))]
    last = len(head) - 1
    return [
        "  "
        + "  ".join(
            c.ljust(w) if i in (0, last) else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in every
    ]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"
