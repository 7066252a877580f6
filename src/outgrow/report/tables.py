"""The records as text: a table for the terminal, Markdown, CSV, JSON; and how numbers are written for people."""

from __future__ import annotations

import csv
import io
import json
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from outgrow.report.results import BEFORE, ROLES, Record
from outgrow.types import UserError

if TYPE_CHECKING:
    from rich.console import RenderableType

ABSENT = "—"
SOMETIMES = ("label_accuracy", *BEFORE)  # scores that have a column only where a record has them
FORMATS = ("table", "json", "csv", "md")
HEADS = {role: role.replace("_", " ") for role in ROLES} | {
    "label_accuracy": "labels",
    "zero_shot": "zero-shot",
    "pgr": "PGR",
    "pgr_matched": "PGR matched",
    "versus_first": "vs first",
    "agreement_wrong": "agrees when wrong",
}
JOINERS = "\u200c\u200d"  # invisible, but scripts and emoji need them
LABEL = 18  # letters of a method on a line of the terminal: with every number beside it a table keeps within 140
MATCHED = (
    "PGR matched: the gap recovered between a supervisor and a ceiling that read the task’s inputs first, as the "
    "student did; the plain PGR also counts as recovered what that reading alone gave the student."
)
LABELS = "labels: how often the labels that the student learned from are right, on its own examples of transfer."
AGREES = "agrees when wrong: how often the student repeats its supervisor’s answer where that is wrong."


def percent(value: float | None) -> str:
    """A fraction in percent, one decimal, with a real minus sign: `12.3`; a dash where there is none."""
    return ABSENT if value is None else f"{round(100 * value, 1) + 0.0:.1f}".replace("-", "−")


def signed(value: float | None) -> str:
    """A difference of fractions in points: `+1.2`, `−0.3`, `0.0`."""
    text = percent(value)
    return f"+{text}" if value is not None and text[0] not in "−" and text != "0.0" else text


def span(low: float | None, high: float | None) -> str:
    """An interval of fractions in percent: `12.3–15.6`, `−1.2 to 3.4`; nothing where there is none."""
    if low is None or high is None:
        return ""
    texts = percent(low), percent(high)
    return (" to " if "−" in "".join(texts) else "–").join(texts)


def one_line(text: str) -> str:
    """A name or note as it can be shown anywhere: blanks and line ends as one blank, nothing that cannot be printed."""
    return "".join(each if each.isprintable() or each in JOINERS else "\ufffd" for each in " ".join(text.split()))


def marked_down(text: str) -> str:
    """The same as Markdown that shows just these letters, also in a cell of a table."""
    return re.sub(r"[\\`*|<>\[\]$~&]|(?<!\w)_|_(?!\w)", r"\\\g<0>", one_line(text))


def improves(record: Record) -> bool | None:
    """Whether the method improves on the first, over all seeds; None where it is the first or nothing is known."""
    if record.seed is not None or record.versus_first_low is None:
        return None
    return record.versus_first_low > 0


def matched(records: Sequence[Record]) -> bool:
    """Whether any of them has a PGR between adapted models, or a reason why it is withheld."""
    return any(record.pgr_matched is not None or record.withheld_matched for record in records)


def scored(records: Sequence[Record]) -> tuple[str, ...]:
    """The scores that have a column, in its order: floor, student and ceiling, and others that a record has."""
    there = {name for name in SOMETIMES if any(getattr(record, name) is not None for record in records)}
    return tuple(name for name in ("floor", "label_accuracy", *ROLES[1:]) if name in there or name not in SOMETIMES)


def imitated(records: Sequence[Record]) -> bool:
    """Whether there are methods to compare in what they repeat of their supervisor's errors."""
    return len({record.method for record in records}) > 1 and any(r.agreement_wrong is not None for r in records)


def text(records: Sequence[Record], format: str) -> str:
    """The records as `json`, `csv` (fractions, not rounded) or `md` (percent, aggregates first)."""
    match format:
        case "json":
            return json.dumps([record.to_dict() for record in records], indent=1, allow_nan=False) + "\n"
        case "csv":
            return _csv(records)
        case "md":
            return _markdown(records)
    raise UserError(f"no format called {format!r}: choose one of {', '.join(FORMATS)}")


def _csv(records: Sequence[Record]) -> str:
    """An empty field is a score that is not there; an empty seed means all seeds."""
    out = io.StringIO()
    rows = [{**record.to_dict(), "notes": "; ".join(record.notes)} for record in records]
    writer = csv.DictWriter(out, fieldnames=list(Record.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _markdown(records: Sequence[Record]) -> str:
    sliced = any(record.slice for record in records)
    shown = _shown(records, versus=True)
    heads = ("task", "weak → strong", "method", "slice" if sliced else "seed", *(HEADS[name] for name in shown))
    notes = _Notes()
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * 4}{'---:|' * len(shown)}"]
    for record in aggregates_first(records):
        part = _slice(record) or "all" if record.seed is None else str(record.seed)
        names = (record.task, f"{record.weak} → {record.strong}", record.method, part)
        words = [*map(marked_down, names)]
        words[-1] += notes.incomplete(record)
        numbers = [f"{value} ({interval})" if interval else value for value, interval in _numbers(record, shown, notes)]
        lines.append("| " + " | ".join([*words, *numbers]) + " |")
    below = [*_meanings(records), *notes.lines(marked_down)]
    return "\n".join([*lines, "", *(f"{note}  " for note in below)]).rstrip() + "\n"


def table(records: Sequence[Record]) -> RenderableType:
    """A rich table a task, aggregates first; each score with its interval below it."""
    from rich.console import Group
    from rich.text import Text

    notes = _Notes()
    ordered = aggregates_first(records)
    tasks = list(dict.fromkeys(record.task for record in records))
    tables = [_task_table(task, [record for record in ordered if record.task == task], notes) for task in tasks]
    legend = "Accuracy on the same test examples and gap recovered (PGR), in percent; below, 95 % intervals."
    below = [f"{legend} {scope(records)}".rstrip(), *_meanings(records), *notes.lines()]
    return Group(*tables, *(Text(line, style="dim") for line in below))


def scope(records: Sequence[Record]) -> str:
    """What the intervals leave out, if anything."""
    seeds = {record.n_seeds for record in records if record.seed is None and record.n_seeds}
    return "There is one seed: intervals speak of test examples only." if seeds == {1} else ""


def _task_table(task: str, records: Sequence[Record], notes: _Notes) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = _shown(records, versus=any(record.versus_first is not None for record in records))
    title = Text(one_line(task))
    found = Table(
        title=title, box=box.SIMPLE_HEAD, show_edge=False, title_justify="left", title_style="bold", padding=0
    )
    found.add_column("weak\n→ strong", no_wrap=True)
    found.add_column("method", no_wrap=True)
    for name in names:
        found.add_column(HEADS[name].replace(" ", "\n"), justify="right", no_wrap=True)
    last = ("", False)
    for record in records:
        is_seed = record.seed is not None
        pair = f"{one_line(record.weak)}\n→ {one_line(record.strong)}"
        if is_seed != last[1]:
            found.add_section()
        method = Text(textwrap.fill(one_line(record.method), LABEL), style="" if is_seed else "bold")
        method.append(f" · {record.seed}" if is_seed else notes.incomplete(record), style="not bold")
        method.append(f"\n{_slice(record)}" if record.slice else "", style="not bold")
        numbers = _numbers(record, names, notes)
        cells = [Text(value, style="" if is_seed else "bold") for value, _ in numbers]
        for cell, (_, interval) in zip(cells, numbers, strict=True):
            cell.append(f"\n{interval}" if interval and not is_seed else "", style="dim not bold")
        found.add_row(Text("" if (pair, is_seed) == last else pair), method, *cells, style="dim" if is_seed else "")
        last = (pair, is_seed)
    return found


def _slice(record: Record) -> str:
    """Which test examples, and how many: `1000–1400 (312)`."""
    return (
        ""
        if record.slice is None
        else f"{one_line(record.slice)} ({ABSENT if record.n_test is None else record.n_test})"
    )


def aggregates_first(records: Sequence[Record]) -> list[Record]:
    """In the order of the grid, those over all seeds before those of one."""
    return sorted(records, key=lambda record: record.seed is not None)


class _Notes:
    """Footnotes, each once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, note: str) -> str:
        return f"[{self._numbers.setdefault(note, len(self._numbers) + 1)}]"

    def incomplete(self, record: Record) -> str:
        """A mark where an aggregate is not over all seeds."""
        if record.seed is not None or record.status == "done" or not record.n_seeds:
            return ""
        return f" {self.mark(f'unfinished: over {record.n_seeds} complete seed{_s(record.n_seeds)}')}"

    def lines(self, shown: Callable[[str], str] = one_line) -> list[str]:
        return [f"[{number}] {shown(note)}" for note, number in self._numbers.items()]


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _shown(records: Sequence[Record], *, versus: bool) -> tuple[str, ...]:
    """The numbers that have a column."""
    asked = {"pgr_matched": matched(records), "versus_first": versus, "agreement_wrong": imitated(records)}
    return (*scored(records), "pgr", *(name for name, shown in asked.items() if shown))


def _meanings(records: Sequence[Record]) -> list[str]:
    """A sentence for each column whose head does not say it."""
    labels = any(record.label_accuracy is not None for record in records)
    said = {LABELS: labels, MATCHED: matched(records), AGREES: imitated(records)}
    return [sentence for sentence, shown in said.items() if shown]


def _numbers(record: Record, names: Sequence[str], notes: _Notes) -> list[tuple[str, str]]:
    """These numbers of a record, each with its interval."""
    return [_number(record, name, notes) for name in names]


def _number(record: Record, name: str, notes: _Notes) -> tuple[str, str]:
    row = record.to_dict()
    value, interval = row[name], span(row[f"{name}_low"], row[f"{name}_high"])
    if name == "versus_first":
        return signed(value) + (" ↑" if improves(record) else ""), interval
    why = {"pgr": record.withheld, "pgr_matched": record.withheld_matched}.get(name)
    if why:
        return f"{ABSENT} {notes.mark(f'{HEADS[name]} withheld: {why}')}", ""
    marks = "".join(notes.mark(note) for note in notes_of(record, name))
    return f"{percent(value)} {marks}".rstrip(), interval


def notes_of(record: Record, name: str) -> list[str]:
    """What the fits behind a number of a record have to say of themselves."""
    heads = {"pgr_matched": ("adapted floor", "adapted ceiling")}.get(name, (HEADS.get(name, name),))
    return [note for note in record.notes if note.startswith(tuple(f"{head}, " for head in heads))]
