"""Records as text: a table for the terminal, Markdown, CSV, JSON; and the format of numbers."""

from __future__ import annotations

import csv
import io
import json
import re
import textwrap
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Literal

from outgrow.numbers import ABSENT, number, signed, span
from outgrow.report.answers import sentences
from outgrow.report.measures import MEASURES, Column
from outgrow.report.record import Record
from outgrow.report.verdicts import MARKS, meaning_of_marks
from outgrow.types import UserError

if TYPE_CHECKING:
    from rich.console import RenderableType

FORMATS = ("table", "json", "csv", "md")
EMPTY = Record(task="", weak="", strong="", method="", seed=None, status="missing")  # for the columns of CSV
JOINERS = "\u200c\u200d"  # invisible characters that scripts and emoji need
LABEL = 18  # characters of a method in one line: with every column a table is then at most 140 wide


def is_percent(record: Record, name: str) -> bool:
    """Whether a measure of a record is shown in percent: the score in a metric such as log-loss is not."""
    return record.metric.percent or not MEASURES[name].scored


def one_line(text: str) -> str:
    """A name or note on one line: whitespace as single blanks, characters that cannot be printed replaced."""
    return "".join(each if each.isprintable() or each in JOINERS else "\ufffd" for each in " ".join(text.split()))


def marked_down(text: str) -> str:
    """The same, escaped for Markdown, also in a cell of a table."""
    return re.sub(r"[\\`*|<>\[\]$~&]|(?<!\w)_|_(?!\w)", r"\\\g<0>", one_line(text))


def columns(records: Sequence[Record], place: Literal["table", "page"], always: Collection[str] = ()) -> list[str]:
    """The measures that have a column in a table of these records, in its order. `always`: as if stated."""
    methods = len({record.method for record in records})

    def is_shown(name: str, column: Column) -> bool:
        if column == "stated" or (column == "compared" and methods > 1):
            return name in always or any(name in each.estimates or name in each.withheld for each in records)
        return column == "always"

    wanted = {name: measure.table if place == "table" else measure.page for name, measure in MEASURES.items()}
    return sorted((name for name, column in wanted.items() if is_shown(name, column)), key=lambda n: MEASURES[n].order)


def text(records: Sequence[Record], format: str) -> str:
    """The records as `json`, `csv` (fractions, not rounded) or `md` (percent, aggregates first). Else UserError."""
    match format:
        case "json":
            return json.dumps([record.to_dict() for record in records], indent=1, allow_nan=False) + "\n"
        case "csv":
            return _csv(records)
        case "md":
            return _markdown(records)
    raise UserError(f"no format called {format!r}: choose one of {', '.join(FORMATS)}")


def _csv(records: Sequence[Record]) -> str:
    """An empty field is a missing number; an empty seed means all seeds."""
    out = io.StringIO()
    rows = [{name: _field(value) for name, value in record.to_dict().items()} for record in records]
    writer = csv.DictWriter(out, fieldnames=list(EMPTY.to_dict()), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _field(value: object) -> object:
    return "; ".join(map(str, value)) if isinstance(value, list) else value


def _markdown(records: Sequence[Record]) -> str:
    sliced = any(record.slice for record in records)
    names = columns(records, "table", always=("versus_first",))
    heads = (*("task", "weak → strong", "method", "slice" if sliced else "seed"), *(MEASURES[n].column for n in names))
    notes = _Notes()
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * 4}{'---:|' * len(names)}"]
    for record in aggregates_first(records):
        part = _slice(record) or "all" if record.seed is None else str(record.seed)
        words = [*map(marked_down, (record.task, f"{record.weak} → {record.strong}", record.method, part))]
        words[-1] += notes.incomplete(record)
        numbers = [f"{value} ({interval})" if interval else value for value, interval in _numbers(record, names, notes)]
        lines.append("| " + " | ".join([*words, *numbers]) + " |")
    below = [*_sentences(names), *filter(None, [marked_down(meaning_of_marks(records))]), *notes.lines(marked_down)]
    return "\n".join([*lines, "", *(f"{note}  " for note in below)]).rstrip() + "\n"


def table(records: Sequence[Record]) -> RenderableType:
    """The answers in sentences, if they are few, and a rich table for each task, aggregates first; each number has its
    interval below it."""
    from rich.console import Group
    from rich.text import Text

    notes = _Notes()
    ordered = aggregates_first(records)
    tasks = list(dict.fromkeys(record.task for record in records))
    names = columns(records, "table")
    tables = [_task_table(task, [record for record in ordered if record.task == task], notes) for task in tasks]
    metric = records[0].metric if records else EMPTY.metric
    score = f"{metric.name[0].upper()}{metric.name[1:]}{' (lower is better)' if not metric.higher_is_better else ''}"
    legend = f"{score} on the same test examples and gap recovered (PGR), in percent; below, 95 % intervals."
    meant = filter(None, [one_line(meaning_of_marks(records))])
    below = [f"{legend} {scope(records)}".rstrip(), *_sentences(names), *meant, *notes.lines()]
    first = [Text(one_line(sentence)) for sentence in sentences(records)]
    return Group(*first, *([""] if first else []), *tables, *(Text(line, style="dim") for line in below))


def scope(records: Sequence[Record]) -> str:
    """What the intervals do not cover, if anything."""
    seeds = {record.n_seeds for record in records if record.seed is None and record.n_seeds}
    return "There is one seed: intervals are over test examples only." if seeds == {1} else ""


def _task_table(task: str, records: Sequence[Record], notes: _Notes) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = columns(records, "table")
    title = Text(one_line(task))
    grid = Table(title=title, box=box.SIMPLE_HEAD, show_edge=False, title_justify="left", title_style="bold", padding=0)
    grid.add_column("weak\n→ strong", no_wrap=True)
    grid.add_column("method", no_wrap=True)
    for name in names:
        grid.add_column(MEASURES[name].column.replace(" ", "\n"), justify="right", no_wrap=True)
    last = ("", False)
    for record in records:
        is_seed = record.seed is not None
        pair = f"{one_line(record.weak)}\n→ {one_line(record.strong)}"
        if is_seed != last[1]:
            grid.add_section()
        method = Text(textwrap.fill(one_line(record.method), LABEL), style="" if is_seed else "bold")
        method.append(f" · {record.seed}" if is_seed else notes.incomplete(record), style="not bold")
        method.append(f"\n{_slice(record)}" if record.slice else "", style="not bold")
        numbers = _numbers(record, names, notes)
        cells = [Text(value, style="" if is_seed else "bold") for value, _ in numbers]
        for cell, (_, interval) in zip(cells, numbers, strict=True):
            cell.append(f"\n{interval}" if interval and not is_seed else "", style="dim not bold")
        grid.add_row(Text("" if (pair, is_seed) == last else pair), method, *cells, style="dim" if is_seed else "")
        last = (pair, is_seed)
    return grid


def _slice(record: Record) -> str:
    """The slice and its number of test examples: `1000–1400 (312)`."""
    return (
        ""
        if record.slice is None
        else f"{one_line(record.slice)} ({ABSENT if record.n_test is None else record.n_test})"
    )


def aggregates_first(records: Sequence[Record]) -> list[Record]:
    """Records over all seeds before those of one, else in the order of the grid."""
    return sorted(records, key=lambda record: record.seed is not None)


class _Notes:
    """Footnotes, each once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, note: str) -> str:
        return f"[{self._numbers.setdefault(note, len(self._numbers) + 1)}]"

    def incomplete(self, record: Record) -> str:
        """A mark for an aggregate that is not over all seeds."""
        if record.seed is not None or record.status == "done" or not record.n_seeds:
            return ""
        return f" {self.mark(f'unfinished: over {record.n_seeds} complete seed{_s(record.n_seeds)}')}"

    def lines(self, escape: Callable[[str], str] = one_line) -> list[str]:
        """The footnotes, one a line."""
        return [f"[{number}] {escape(note)}" for note, number in self._numbers.items()]


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _sentences(names: Sequence[str]) -> list[str]:
    """A sentence for each of these columns whose head does not explain itself."""
    return [note for name in names if (note := MEASURES[name].note)]


def _numbers(record: Record, names: Sequence[str], notes: _Notes) -> list[tuple[str, str]]:
    """These numbers of a record, each with its interval."""
    return [_number(record, name, notes) for name in names]


def _number(record: Record, name: str, notes: _Notes) -> tuple[str, str]:
    if reason := record.withheld.get(name):
        return f"{ABSENT} {notes.mark(f'{MEASURES[name].head} withheld: {reason}')}", ""
    marks = "".join(notes.mark(note) for note in notes_of(record, name))
    return f"{value_of(record, name)} {marks}".rstrip(), interval_of(record, name)


def value_of(record: Record, name: str) -> str:
    """The value of a measure as tables show it: `12.3`, `+1.2 ↑`, a dash where it is not stated."""
    value = record.value(name)
    if not MEASURES[name].signed:
        return number(value, is_percent(record, name))
    return signed(value, is_percent(record, name)) + (MARKS[record.verdict] if name == "versus_first" else "")


def interval_of(record: Record, name: str) -> str:
    """The interval of a measure as tables show it; "" where there is none."""
    estimate = record.estimates.get(name)
    return span(estimate.low, estimate.high, is_percent(record, name)) if estimate else ""


def notes_of(record: Record, name: str) -> list[str]:
    """The caveats about a number of a record, and the notes of the fits behind it."""
    roles = tuple(f"{role}, " for role in MEASURES[name].roles)
    caveats = [caveat.text for caveat in record.caveats if caveat.about == name]
    return [*caveats, *(note for note in record.notes if roles and note.startswith(roles))]
