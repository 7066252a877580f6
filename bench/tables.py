"""Markdown tables of what the benchmark measured: `python -m bench.tables PART`, from docs/performance.json.

`docs/refresh.py` puts them into docs/performance.md.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence

from bench.turns import FASTER, ROOT, Measured, Part, read

COMPARED = ("s", "s of a core", "MB", "MB stored", *FASTER)  # units with ratios; accuracies and losses have none
FILE = ROOT / "docs/performance.json"


def table(records: Sequence[Measured]) -> str:
    """One row a record: the medians of all contestants, and how many times better than the baseline each is. Without
    records: ""."""
    if not records:
        return ""
    names = list(dict.fromkeys(name for record in records for name in record.values))
    compared = [name for name in names if any(r.baseline and r.baseline != name and name in r.values for r in records)]
    header = ["work", "unit", *names, *(f"{name}: times better" for name in compared), "load"]
    rows = [header, ["---", "---", *["---:"] * (len(header) - 2)]]
    for record in records:
        medians = [shown(record.median(name)) if name in record.values else "" for name in names]
        ratios = [_ratio(record, name) for name in compared]
        load = f"{min(record.load):.1f}–{max(record.load):.1f}" if record.load else ""
        rows.append([record.work, record.unit, *medians, *ratios, load])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _ratio(record: Measured, name: str) -> str:
    if not record.baseline or name == record.baseline or name not in record.values or record.unit not in COMPARED:
        return ""
    ratios = record.ratios(name)
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"


def shown(value: float) -> str:
    """Three digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def page(part: Part | None) -> str:
    """The table of a part, and the machine on which it was measured."""
    if part is None:
        return "Not measured yet."
    machine, took = part.machine, f" Measured in {part.seconds:.0f} s." if part.seconds else ""
    return f"{table(part.records)}\n\n{machine['day']}, {machine['processor']}; {machine['software']}.{took}"


def show(part: str, records: Sequence[Measured]) -> None:
    print(f"{part}\n\n{table(records)}\n", flush=True)


if __name__ == "__main__":
    print(page(read(FILE).get(sys.argv[1])))
