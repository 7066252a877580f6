"""What an analysis finds: one sentence, one figure and a table, as plain data that a report draws and writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from outgrow.measures.crossed import Interval
from outgrow.measures.effects import Effect
from outgrow.numbers import percent, span

Value: TypeAlias = Interval | float | str | None  # of a cell of a table; None: it is not stated
Colour = Literal["floor", "student", "ceiling", "direct", "second", "third", "fourth", "muted"]
Unit = Literal["", "%", "points"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table. unit: `%` for fractions in percent, `points` for differences of fractions; else numbers and
    words as they are."""

    head: str
    unit: Unit = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns, and rows with a value for each of them. Raises ValueError for a row of another length."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("each row of a table needs a value for every column")


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A point of a figure, with an interval of y where it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None

    @classmethod
    def at(cls, x: float, interval: Interval) -> Mark:
        """The mean of an interval at `x`."""
        return cls(x=x, y=interval.mean, low=interval.low, high=interval.high)


@dataclass(frozen=True, kw_only=True)
class Series:
    """Marks of one kind. joined: by a line. dashed: the line."""

    name: str
    colour: Colour
    marks: tuple[Mark, ...]
    joined: bool = True
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis. percent: its values are fractions, shown in hundredths, called `unit`. ticks: names at values, for
    categories; where there are none, the axis has numbers."""

    label: str
    percent: bool = False
    unit: Literal["%", "points"] = "%"
    ticks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Axes with series. level: a horizontal line with a name, such as chance. at: a vertical one. diagonal: whether the
    line x = y is drawn."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    level: tuple[str, float] | None = None
    at: tuple[str, float] | None = None
    diagonal: bool = False


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Panels, one below the other. caption: what they show, with what the bars mean."""

    title: str
    panels: tuple[Panel, ...]
    caption: str


def some_of(shown: int, every: int) -> str:
    """The end of the caption of a figure that does not show every comparison."""
    return f" Shown are the first {shown} of {every} comparisons; the table has all." if shown < every else ""


NO_VARIATION = 1e-9  # a smaller effect that would have been seen is 0, up to rounding


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The answer to a question, as far as the stored results give one.

    sentence: what the figure shows, and how certain that is. notes: what limits it, a sentence each.
    """

    sentence: str
    table: Table
    figure: Figure | None = None
    notes: tuple[str, ...] = ()


def in_points(interval: Interval) -> str:
    """A difference of fractions in points with its interval, for a sentence: `7.1 points (6.0 to 8.2)`. Without its
    sign, since words around it say which side is larger."""
    low, high = (interval.low, interval.high) if interval.mean >= 0 else (-interval.high, -interval.low)
    return f"{percent(abs(interval.mean))} points ({span(low, high).replace('–', ' to ')})"


def in_words(found: Sequence[Effect], *, more: str, less: str, doubt: str) -> str:
    """What several effects, at least one, make certain, as a clause: `surely more, by 7.1 points (6.0 to 8.2)`.

    more, less: what a certain effect above or below zero says. doubt: what there is no evidence of where none is
    certain, with the effect that would have been seen in four of five draws.
    """
    if len(found) == 1:
        (effect,) = found
        if not effect.sign:
            return f"no evidence {doubt}; {_seen(effect.smallest)}"
        return f"surely {more if effect.sign > 0 else less}, by {in_points(effect.interval)}"
    clauses = []
    for words, some in ((more, [e for e in found if e.sign > 0]), (less, [e for e in found if e.sign < 0])):
        if some:
            sizes = sorted(abs(effect.interval.mean) for effect in some)
            by = f"{percent(sizes[0])} to {percent(sizes[-1])}" if len(sizes) > 1 else percent(sizes[0])
            clauses.append(f"in {len(some)} of {len(found)} comparisons surely {words}, by {by} points")
    if unseen := [effect.smallest for effect in found if not effect.sign]:
        where = "in the others" if clauses else f"in none of {len(found)} comparisons"
        evidence = "no evidence" if clauses else "evidence"
        clauses.append(f"{where} {evidence} {doubt}; {_seen(max(unseen))}")
    return "; ".join(clauses)


def _seen(smallest: float) -> str:
    """The effect that would have been seen, unless it is larger than a difference of shares can be, or unknown since
    nothing varies."""
    if smallest < NO_VARIATION:
        return "nothing differs on any of these examples, so how large an effect would have been seen is not known"
    if smallest < 1:
        return f"an effect of {percent(smallest)} points would have been seen"
    return "no effect could have been seen: more seeds or test examples are needed"
