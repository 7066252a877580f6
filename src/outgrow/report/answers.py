"""The sentences of a report: one for each comparison, with its caveats.

"Surely" means by the 95 % interval of the PGR, or for "better than" by the corrected p-value (`verdicts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outgrow.report.record import Record, name_of
from outgrow.report.row import Estimate

MOST = 6  # comparisons that are answered in sentences; more are a table
SPACE = "\u00a0"  # a no-break space

PARTS = (
    (1.0, "all of it"),
    (0.9, "nine tenths"),
    (0.75, "three quarters"),
    (2 / 3, "two thirds"),
    (0.5, "half"),
    (1 / 3, "a third"),
    (0.25, "a quarter"),
    (0.1, "a tenth"),
    (0.0, "nothing"),
)


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A caveat with the names of the comparisons that it is about; none where it is about all of them."""

    text: str
    about: tuple[str, ...]


def sentences(records: Sequence[Record]) -> list[str]:
    """A sentence for each record over all seeds, in their order; [] for more than `MOST` of them, or for slices."""
    compared = [record for record in records if record.seed is None]
    if len(compared) > MOST or any(record.slice for record in compared):
        return []
    return [sentence(record, compared) for record in compared]


def sentence(record: Record, records: Sequence[Record]) -> str:
    """A record in one sentence, with the names that distinguish it from the others."""
    who, pgr = _who(record, records), record.estimates.get("pgr")
    if pgr is None:
        clause = f"how much of the gap {who} recovers {certain(record)}"
    else:
        much = f"{whole(pgr.value)}{SPACE}%"
        recovers = f"{much} of the gap" if _percent(pgr.value) >= 0 else f"nothing of the gap ({much})"
        clause = "; ".join(filter(None, [f"{who} recovers {recovers}", certain(record)]))
    return f"{clause[:1].upper()}{clause[1:]}."


def certain(record: Record) -> str:
    """What is certain of a record: of its PGR, or why there is none, and against the baseline."""
    pgr = record.estimates.get("pgr")
    clause = f"cannot be stated: {_reason(record)[0]}" if pgr is None else certainty(pgr)
    return "; ".join(filter(None, [clause, _against(record)]))


def certainty(pgr: Estimate) -> str:
    """What the interval of a PGR makes certain: `surely more than half`; "" where it makes nothing certain."""
    low, high = pgr.low, pgr.high
    if low is None or high is None:
        return ""
    if high < 0:
        return "surely worse than its supervisor"
    if low > 0:
        return f"surely more than {next(name for part, name in PARTS if low > part)}"
    nothing = "maybe nothing" if _percent(pgr.value) > 0 else ""
    most = next((f"surely less than {name}" for part, name in reversed(PARTS) if high < part), "")
    return ", ".join(filter(None, [nothing, most]))


def ranked(records: Iterable[Record]) -> list[Record]:
    """The records over all seeds by what is certain: by the lower end of the PGR, then those that are withheld."""

    def rank(record: Record) -> tuple[int, float]:
        pgr = record.estimates.get("pgr")
        if pgr is None:
            return 2, 0.0
        return (1, -pgr.value) if pgr.low is None else (0, -pgr.low)

    return sorted((record for record in records if record.seed is None), key=rank)


def limits(records: Sequence[Record]) -> list[Limit]:
    """The caveats of the records over all seeds, and what would allow a PGR where it is withheld, each once."""
    compared = [record for record in records if record.seed is None]
    found: dict[str, list[Record]] = {}
    for record in compared:
        for caveat in record.caveats:
            found.setdefault(caveat.text, []).append(record)
    for record in compared:
        if "pgr" not in record.estimates and (why := _reason(record)[1]):
            found.setdefault(f"no PGR can be stated: {why}", []).append(record)
    return [
        Limit(text=text, about=() if len(of) == len(compared) else tuple(name_of(record, compared) for record in of))
        for text, of in found.items()
    ]


def whole(value: float) -> str:
    """A fraction in percent without decimals, for prose."""
    return str(_percent(value)).replace("-", "−")


def _percent(value: float) -> int:
    return round(100 * value)


def _who(record: Record, records: Sequence[Record]) -> str:
    """The student, and in which comparison: `on TASK, the student STRONG of WEAK with METHOD`."""
    where = f"on {record.task}, " if len({other.task for other in records}) > 1 else ""
    pair = f" {record.strong} of {record.weak}" if len({(other.weak, other.strong) for other in records}) > 1 else ""
    how = f" with {record.method}" if len({other.method for other in records}) > 1 else ""
    return f"{where}the student{pair}{how}"


def _reason(record: Record) -> tuple[str, str]:
    """Why a PGR is withheld: what was found, with its numbers, and what follows from it, which rows may share."""
    found, _, follows = record.withheld.get("pgr", "there is no score yet").partition(": ")
    return found, follows


def _against(record: Record) -> str:
    """How the student compares with the baseline's, if it is compared."""
    match record.verdict:
        case "better" | "worse":
            return f"surely {record.verdict} than with {record.baseline}"
        case "unclear":
            return f"not surely better than with {record.baseline}"
    return ""
