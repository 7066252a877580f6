"""Two experiments side by side: what each comparison that both have differs by, from the second minus the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from outgrow.analyses.base import comparison_names
from outgrow.experiment.cell import Cell
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.finding import Axis, Column, Figure, Finding, Mark, Panel, Series, Table, Unit, Value, in_words, some_of
from outgrow.measures.crossed import Interval, OneGroupError
from outgrow.measures.delta import function_of_means
from outgrow.measures.difference import Difference, paired
from outgrow.measures.effects import LEVEL, POWER, Effect
from outgrow.measures.holm import holm
from outgrow.measures.independent import by_example, unpaired
from outgrow.report import row as estimators
from outgrow.report.results import rows
from outgrow.report.row import TRIO, Estimate, Row
from outgrow.report.stored import StoredArtifacts
from outgrow.store import Store
from outgrow.types import Doubles, Ints, UserError

PAIRED, BY_EXAMPLE, UNPAIRED = "seed and example", "example", "not paired"
NAMED = 8  # comparisons of one side alone that a note names
DRAWN = 24  # comparisons in the figure


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of a comparison, by which it is found on both sides."""

    task: str
    weak: str
    strong: str
    method: str

    def __str__(self) -> str:
        return f"{self.task} · {self.weak} → {self.strong} · {self.method}"


@dataclass(frozen=True, kw_only=True)
class Side:
    """An experiment, pinned, with the store of its results and its name in what is said."""

    name: str
    experiment: Experiment
    store: Store


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """A comparison that both sides have. how: what is paired. differences: of each role, and of the PGR, by name; a
    role whose difference cannot be stated is absent. smallest: what would have been seen of the students."""

    name: str
    first: Row
    second: Row
    how: str
    differences: Mapping[str, Difference]
    same: bool


def compared(first: Side, second: Side) -> Finding:
    """What the comparisons that two experiments share differ by, as a finding: a sentence, a table, a figure.

    Raises UserError where they have no comparison in common, or are scored in different ways.
    """
    _refuse_other_scores(first, second)
    known, other = _rows(first), _rows(second)
    common = [names for names in known if names in other]
    if not common:
        raise UserError(
            f"{first.name} and {second.name} have no comparison in common ({_listed(known, 3)}; {_listed(other, 3)}): "
            "what is compared needs the same task, supervisor, student and method by name"
        )
    labels = comparison_names(common)
    pairs = [_pair(label, known[names], other[names]) for label, names in zip(labels, common, strict=True)]
    done = [pair for pair in pairs if pair is not None]
    notes = [f"{label}: not computed yet on both sides" for label, pair in zip(labels, pairs, strict=True) if not pair]
    notes += [f"{pair.name}: the same scores on both sides" for pair in done if pair.same]
    for side, own, others in ((first, known, other), (second, other, known)):
        if alone := [names for names in own if names not in others]:
            notes.append(f"Only {side.name} has {_listed(alone, NAMED)}")
    if not done:
        empty = Table(columns=(), rows=())
        nothing = "Nothing is computed yet on both sides: run the experiments."
        return Finding(sentence=nothing, table=empty, notes=(*notes,))
    notes.append(
        "Differences are the second minus the first, with 95 % intervals for one row alone; paired by seed and example "
        "where both have the same test examples and seeds, by example where the seeds differ, and else not paired"
    )
    sentence, table = _sentence(first, second, done), _table(first, second, done)
    return Finding(sentence=sentence, table=table, figure=_figure(first, second, done), notes=(*notes,))


def _refuse_other_scores(first: Side, second: Side) -> None:
    for what, of in _SCORED.items():
        if (a := of(first.experiment)) != (b := of(second.experiment)):
            raise UserError(f"{first.name} is scored {what} {a} and {second.name} {what} {b}: compare what is alike")


_SCORED: dict[str, Callable[[Experiment], str]] = {"by": lambda e: e.metric.name, "on": lambda e: e.score}


def _rows(side: Side) -> dict[Names, Row]:
    """The rows of the grid, each with what is stored of it."""
    stored = StoredArtifacts(side.store, (), side.experiment.metric)
    return {_names(row[0]): Row(row, baseline, stored) for row, baseline in rows(cells(side.experiment))}


def _names(cell: Cell) -> Names:
    return Names(task=cell.task.name, weak=cell.weak.name, strong=cell.strong.name, method=cell.method.shown)


def _listed(names: Iterable[Names], most: int) -> str:
    every = list(map(str, names))
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return f"{'; '.join(every[:most])}{more}"


def _pair(name: str, first: Row, second: Row) -> _Pair | None:
    """None where a side has no complete seed."""
    if not (first.complete and second.complete):
        return None
    order = _order(first, second)
    seeds = [[cell.seed for cell in row.complete] for row in (first, second)]
    how = UNPAIRED if order is None else PAIRED if seeds[0] == seeds[1] else BY_EXAMPLE
    differences = {}
    for what in (*TRIO, "pgr"):
        tables = [_values(row, what) for row in (first, second)]
        if tables[0] is not None and tables[1] is not None:
            try:
                differences[what] = _difference(first, second, tables[0], tables[1], order, how, LEVEL)
            except OneGroupError:
                continue
    keys = [[score.key for role in TRIO for score in row.scores(role, row.complete)] for row in (first, second)]
    return _Pair(name=name, first=first, second=second, how=how, differences=differences, same=keys[0] == keys[1])


def _values(row: Row, what: str) -> Doubles | None:
    """Of each complete seed and test example the score of a role, or the influence on the PGR, [S, N]; None where a
    supervisor abstains, and where there is no PGR."""
    if what != "pgr":
        table = row.table(row.scores(what, row.complete))
        return None if table is None or np.isnan(table).any() else table
    if not isinstance(estimators.pgr(row), Estimate):
        return None
    trio = [_values(row, role) for role in TRIO]
    if any(table is None for table in trio):
        return None
    return function_of_means(lambda floor, student, ceiling: (student - floor) / (ceiling - floor), *map(_known, trio))


def _known(table: Doubles | None) -> Doubles:
    assert table is not None
    return table


def _order(first: Row, second: Row) -> Ints | None:
    """Where the second side has the test examples of the first; None if they are not the same examples, or have other
    ground truth."""
    tests = [row.stored.test(row.cells[0]) for row in (first, second)]
    if tests[0] is None or tests[1] is None or set(tests[0].ids) != set(tests[1].ids):
        return None
    steps = [row.cells[0].test for row in (first, second)]
    if steps[0].key != steps[1].key:  # one id may be of another text, or have another answer, in another file
        contents = [_content(row) for row in (first, second)]
        if contents[0] is None or contents[0] != contents[1]:
            return None
    at = {id: i for i, id in enumerate(tests[1].ids)}
    return np.array([at[id] for id in tests[0].ids], dtype=np.int64)


def _content(row: Row) -> dict[str, Any] | None:
    """What the test examples are, by id, with their ground truth; None where one of the two is not stored."""
    cell = row.cells[0]
    examples, gold = row.stored.get(cell.test), row.stored.get(cell.floor.gold)
    if examples is None or gold is None:
        return None
    truth = (shares.tolist() for shares in gold.aligned(examples).rows())
    return {each.id: (each.prompt, each.choices, own) for each, own in zip(examples.rows, truth, strict=True)}


def _difference(
    first: Row, second: Row, a: Doubles, b: Doubles, order: Ints | None, how: str, level: float
) -> Difference:
    """The second minus the first."""
    if order is None:
        return unpaired(b, a, second.groups, first.groups, level=level)
    if how == PAIRED:
        return paired(b[:, order], a, first.groups, level=level)
    return by_example(b[:, order], a, first.groups, level=level)


def _effects(pairs: Sequence[_Pair]) -> list[Effect]:
    """How much better the students of the second side are, corrected for the number of comparisons."""
    stated = [pair for pair in pairs if "student" in pair.differences]
    corrected = holm([pair.differences["student"].p for pair in stated])
    found = []
    for pair, p in zip(stated, corrected, strict=True):
        sign = 1 if pair.first.metric.higher_is_better else -1
        each = pair.differences["student"]
        low, high = sorted((sign * each.low, sign * each.high))
        tables = _known(_values(pair.first, "student")), _known(_values(pair.second, "student"))
        strict = 1 - (1 - LEVEL) / len(stated)
        wide = _difference(pair.first, pair.second, *tables, _order(pair.first, pair.second), pair.how, strict)
        interval = Interval(mean=sign * each.mean, low=low, high=high, seed_noise=each.seed_noise)
        found.append(Effect(interval=interval, p=p, smallest=POWER * (wide.high - wide.low) / 2))
    return found


def _sentence(first: Side, second: Side, pairs: Sequence[_Pair]) -> str:
    found = _effects(pairs)
    who = f"Students of {second.name} against those of {first.name}"
    if not found:
        return f"{who}: no difference can be stated."
    if pairs[0].first.metric.percent:
        doubt = "that they are better or worse"
        return f"{who}: {in_words(found, more='better', less='worse', doubt=doubt)}."
    better, worse = (sum(effect.sign == sign for effect in found) for sign in (1, -1))
    return f"{who}: surely better in {better} of {len(found)} comparisons, surely worse in {worse}."


def _table(first: Side, second: Side, pairs: Sequence[_Pair]) -> Table:
    units: tuple[Unit, Unit] = ("%", "points") if pairs[0].first.metric.percent else ("", "")
    unit, points = units
    columns = (
        Column(head="comparison"),
        Column(head="paired by"),
        Column(head=f"student: {first.name}", unit=unit),
        Column(head=f"student: {second.name}", unit=unit),
        Column(head="student difference", unit=points),
        Column(head="floor difference", unit=points),
        Column(head="ceiling difference", unit=points),
        Column(head=f"PGR: {first.name}", unit="%"),
        Column(head=f"PGR: {second.name}", unit="%"),
        Column(head="PGR difference", unit="points"),
    )

    def cells_of(pair: _Pair) -> tuple[Value, ...]:
        students = (_estimated(estimators.score_of("student")(row)) for row in (pair.first, pair.second))
        recovered = (_estimated(estimators.pgr(row)) for row in (pair.first, pair.second))
        found = pair.differences
        roles = (found.get("student"), found.get("floor"), found.get("ceiling"))
        return (pair.name, pair.how, *students, *roles, *recovered, found.get("pgr"))

    return Table(columns=columns, rows=tuple(map(cells_of, pairs)))


def _estimated(found: Estimate | str | None) -> Value:
    if not isinstance(found, Estimate):
        return None
    if found.low is None or found.high is None:
        return found.value
    return Interval(mean=found.value, low=found.low, high=found.high, seed_noise=True)


def _figure(first: Side, second: Side, pairs: Sequence[_Pair]) -> Figure | None:
    every = [pair for pair in pairs if "student" in pair.differences]
    stated = every[:DRAWN]
    if not stated:
        return None
    metric = stated[0].first.metric
    marks = tuple(Mark.at(float(i), pair.differences["student"]) for i, pair in enumerate(stated))
    panel = Panel(
        title=f"{second.name} minus {first.name}",
        x=Axis(label="", ticks=tuple((float(i), pair.name) for i, pair in enumerate(stated))),
        y=Axis(label=f"test {metric.name} of students", percent=metric.percent),
        level=("no difference", 0.0),
        series=(Series(name="student", colour="student", marks=marks, joined=False),),
    )
    better = "above" if metric.higher_is_better else "below"
    return Figure(
        title=f"Students of {second.name} minus those of {first.name}",
        panels=(panel,),
        caption=f"Test {metric.name} of each student of {second.name} minus that of {first.name}, with 95 % intervals. "
        f"Where one is {better} zero, {second.name} is better." + some_of(DRAWN, len(every)),
    )
