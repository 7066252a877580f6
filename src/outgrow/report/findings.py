"""What the analyses of an experiment found, read from its store, and as text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from outgrow.analyses.base import Analysis, Comparison, Facts, comparison_names
from outgrow.experiment.cell import Cell
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.finding import Column, Finding, Table, Value
from outgrow.graph import Failure, Settings, Step, walk
from outgrow.measures.crossed import Interval
from outgrow.numbers import ABSENT, percent, signed, span
from outgrow.report.panels import draw
from outgrow.report.results import rows
from outgrow.report.stored import StoredArtifacts
from outgrow.report.tables import FORMATS, marked_down, one_line
from outgrow.store import Store
from outgrow.types import Scores, UserError

FINDING_FORMATS = (*FORMATS, "svg")
FEWEST_GROUPS = 2  # of test examples, without which there is no interval


def read(experiment: Experiment, store: Store, failures: Sequence[Failure] = ()) -> dict[str, Finding]:
    """What each analysis of a pinned experiment found in what is stored, by its name. `failures`: those of the run that
    has just ended, if any."""
    if not experiment.analyses:
        return {}
    stored = StoredArtifacts(store, ())
    lines = [row for row, _ in rows(cells(experiment))]
    return {analysis.name: _found(analysis, lines, stored, failures) for analysis in experiment.analyses}


def _found(
    analysis: Analysis, lines: Sequence[Sequence[Cell]], stored: StoredArtifacts, failures: Sequence[Failure]
) -> Finding:
    artifacts: dict[str, Any] = {}  # each is read once, whatever the number of cells that share it

    def of(step: Step[Any]) -> Any:
        if step.key not in artifacts:
            artifacts[step.key] = stored.get(step)
        return artifacts[step.key]

    comparisons, seed_counts = [], []
    for line in (line for line in lines if line[0].evidence[analysis.name]):
        seen = [(cell, {name: of(step) for name, step in cell.evidence[analysis.name].items()}) for cell in line]
        complete = [(cell, found) for cell, found in seen if all(each is not None for each in found.values())]
        if complete and _has_groups(complete[0][1]):
            comparisons.append(_comparison(complete, analysis.facts(complete[0][0])))
            seed_counts.append(len(line))
    if not comparisons:
        return _nothing(analysis, lines, failures)
    finding = analysis.finding(comparisons)
    names = comparison_names(comparisons)
    unfinished = tuple(
        f"{name}: over {len(each.seeds)} of {count} seeds, since the others are not finished"
        for name, each, count in zip(names, comparisons, seed_counts, strict=True)
        if len(each.seeds) < count
    )
    return replace(finding, notes=(*finding.notes, *unfinished))


def _nothing(analysis: Analysis, lines: Sequence[Sequence[Cell]], failures: Sequence[Failure]) -> Finding:
    """The finding where no comparison is complete: why."""
    wanted = [step for line in lines for cell in line for step in cell.evidence[analysis.name].values()]
    behind = {step.key for step in walk(wanted)} if failures else set()
    failed = next((failure for failure in failures if failure.step.key in behind), None)
    why = "Nothing is computed yet: run the experiment."
    if failed:
        why = f"No finding, because a step that it needs has failed: {failed.step.title}."
    return Finding(sentence=why, table=Table(columns=(), rows=()))


def _comparison(complete: Sequence[tuple[Cell, Mapping[str, Any]]], facts: Facts) -> Comparison:
    first = complete[0][0]
    weights = 0
    with suppress(UserError):  # a checkpoint that is not on this machine
        weights = first.strong.parameters(Settings(offline=True))
    return Comparison(
        task=first.task.name,
        weak=first.weak.name,
        strong=first.strong.name,
        method=first.method.shown,
        weights=weights or None,
        seeds=tuple(cell.seed for cell, _ in complete),
        found={name: tuple(found[name] for _, found in complete) for name in complete[0][1]},
        facts=facts,
    )


def _has_groups(found: Mapping[str, Any]) -> bool:
    scored = [each for each in found.values() if isinstance(each, Scores)]
    return all(len(set(each.groups)) >= FEWEST_GROUPS for each in scored)


def text(name: str, finding: Finding, format: str) -> str:
    """A finding as `table` or `md` (sentence, table, notes), `json` or `csv` (fractions, not rounded), or its figure as
    `svg`.

    Raises UserError for a figure that is not there.
    """
    match format:
        case "svg":
            if finding.figure is None:
                raise UserError(f"{name} has no figure: {finding.sentence[:1].lower()}{finding.sentence[1:]}")
            return draw(finding.figure, f"analysis-{name}") + "\n"
        case "json":
            rows = [dict(zip(_fields(finding.table), row, strict=True)) for row in _flat(finding.table)]
            data = {"analysis": name, "sentence": finding.sentence, "rows": rows, "notes": list(finding.notes)}
            return json.dumps(data, indent=1, allow_nan=False) + "\n"
        case "csv":
            return as_csv(finding.table)
        case "md":
            return _markdown(finding)
    return _plain(finding)


def as_csv(table: Table) -> str:
    """A table as CSV: a column with intervals has two more, NAME_low and NAME_high."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_fields(table))
    writer.writerows([["" if each is None else each for each in row] for row in _flat(table)])
    return out.getvalue()


def shown(value: Value, column: Column) -> tuple[str, str]:
    """A value of a table for people, and its interval or ""."""
    if isinstance(value, Interval):
        number, _ = shown(value.mean, column)
        if column.unit:
            return number, span(value.low, value.high)
        ends = [shown(end, column)[0] for end in (value.low, value.high)]
        return number, (" to " if "−" in "".join(ends) else "–").join(ends)
    if value is None or isinstance(value, str):
        return (ABSENT if value is None else one_line(value)), ""
    if column.unit:
        return (percent(value) if column.unit == "%" else signed(value)), ""
    whole = isinstance(value, int) or abs(value) >= 1000
    return (f"{value:,.0f}" if whole else f"{value:.3g}").replace("-", "−"), ""


def head(column: Column) -> str:
    """The head of a column for people, with its unit."""
    return f"{column.head}, {column.unit}" if column.unit else column.head


def _has_interval(table: Table, at: int) -> bool:
    return any(isinstance(row[at], Interval) for row in table.rows)


def _fields(table: Table) -> list[str]:
    names = []
    for i, column in enumerate(table.columns):
        names += [column.head, *([f"{column.head}_low", f"{column.head}_high"] if _has_interval(table, i) else [])]
    return names


def _flat(table: Table) -> list[list[float | str | None]]:
    """The rows with an interval as three values."""

    def of(value: Value, wide: bool) -> list[float | str | None]:
        if isinstance(value, Interval):
            return [value.mean, value.low, value.high]
        return [value, None, None] if wide else [value]

    wide = [_has_interval(table, i) for i in range(len(table.columns))]
    return [[each for i, value in enumerate(row) for each in of(value, wide[i])] for row in table.rows]


def _markdown(finding: Finding) -> str:
    lines = [marked_down(finding.sentence), ""]
    if finding.table.rows:
        lines.append(f"| {' | '.join(marked_down(head(column)) for column in finding.table.columns)} |")
        numeric = [
            any(not isinstance(row[i], str) for row in finding.table.rows) for i in range(len(finding.table.columns))
        ]
        lines.append("|" + "|".join("---:" if right else "---" for right in numeric) + "|")
        for row in finding.table.rows:
            pairs = (shown(value, column) for value, column in zip(row, finding.table.columns, strict=True))
            cells = (f"{value} ({interval})" if interval else value for value, interval in pairs)
            lines.append(f"| {' | '.join(map(marked_down, cells))} |")
    lines += ["", *(f"{marked_down(note)}.  " for note in finding.notes)]
    return "\n".join(lines).rstrip() + "\n"


def _plain(finding: Finding) -> str:
    """For the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1))
    for i, column in enumerate(finding.table.columns):
        words = all(isinstance(row[i], str) for row in finding.table.rows)
        grid.add_column(head(column), justify="left" if words else "right")
    for row in finding.table.rows:
        pairs = (shown(value, column) for value, column in zip(row, finding.table.columns, strict=True))
        grid.add_row(*(Text(f"{value}\n{interval}" if interval else value) for value, interval in pairs))
    console = Console(width=140, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(Text(one_line(finding.sentence)))
        if finding.table.rows:
            console.print(grid)
        for note in finding.notes:
            console.print(Text(f"{one_line(note)}."))
    return captured.get()
