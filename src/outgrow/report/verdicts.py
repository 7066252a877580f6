"""Which methods are better than the baseline: the one place that decides it, for every table, the page and exports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from outgrow.measures.holm import holm
from outgrow.report.record import Record, Verdict

ALPHA = 0.05  # the probability that any of the rows is called better or worse and is not
MARKS: dict[Verdict | None, str] = {"better": " ↑", "worse": " ↓", "unclear": "", None: ""}


def judged(records: Sequence[Record]) -> tuple[Record, ...]:
    """The records with the p-values of `versus_first` corrected for their number, and with their verdicts.

    Records of one seed have none: how much seeds differ is not known from one. An oracle is compared with the baseline,
    and its row counts.
    """
    p_values = {i: p for i, record in enumerate(records) if (p := _p_value(record)) is not None}
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return tuple(
        replace(record, p_holm=corrected[i], verdict=_verdict(record, corrected[i])) if i in corrected else record
        for i, record in enumerate(records)
    )


def _p_value(record: Record) -> float | None:
    difference = record.estimates.get("versus_first")
    return difference.p if difference and record.seed is None else None


def _verdict(record: Record, p_holm: float) -> Verdict:
    if p_holm >= ALPHA:
        return "unclear"
    return "better" if record.estimates["versus_first"].value > 0 else "worse"


def meaning_of_marks(records: Sequence[Record]) -> str:
    """What the marks of a table mean; "" where nothing is compared."""
    baselines = list(dict.fromkeys(record.baseline for record in records if record.verdict and record.baseline))
    if not baselines:
        return ""
    count = sum(record.verdict is not None for record in records)
    rows = f", with p-values corrected for the {count} rows compared (Holm)" if count > 1 else ""
    return f"vs first: against {' or '.join(baselines)}; ↑ clearly better, ↓ clearly worse{rows}."
