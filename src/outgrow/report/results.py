"""The numbers of an experiment, read from what a store holds of it: one record a run, one over its seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, NamedTuple

import numpy as np

from outgrow.experiment import Cell, Experiment, cells
from outgrow.graph import Failure, Step, T, load, walk
from outgrow.measures.accuracy import accuracy
from outgrow.measures.agreement import agreement
from outgrow.measures.crossed import OneGroupError
from outgrow.measures.difference import paired
from outgrow.measures.pgr import recovered
from outgrow.steps import Score
from outgrow.store import Damaged, Store
from outgrow.types import Doubles, Examples, Ints, UserError

Status = Literal["done", "missing", "failed"]

ROLES = ("floor", "student", "ceiling", "untrained")
TRIO = ROLES[:3]  # what the recovered gap is made of


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run (task, weak, strong, method, seed), or all seeds of it together (`seed` None).

    Scores, intervals (95 %), the gap and agreement are fractions, not rounded; None, never NaN, where there is nothing
    to state, and `withheld` says why where that is the PGR. `agreement` of student and supervisor is also given where
    the supervisor is right and where it is wrong. `versus_first` is the student's score minus the first method's on the
    same seeds and examples (None for the first): above zero from low to high, this method improves on it.
    """

    task: str
    weak: str
    strong: str
    method: str
    seed: int | None
    status: Status
    floor: float | None = None
    floor_low: float | None = None
    floor_high: float | None = None
    student: float | None = None
    student_low: float | None = None
    student_high: float | None = None
    ceiling: float | None = None
    ceiling_low: float | None = None
    ceiling_high: float | None = None
    untrained: float | None = None
    untrained_low: float | None = None
    untrained_high: float | None = None
    pgr: float | None = None
    pgr_low: float | None = None
    pgr_high: float | None = None
    withheld: str | None = None
    gap: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None
    agreement: float | None = None
    agreement_right: float | None = None
    agreement_wrong: float | None = None
    versus_first: float | None = None
    versus_first_low: float | None = None
    versus_first_high: float | None = None
    n_seeds: int = 0
    n_test: int | None = None
    n_groups: int | None = None
    n_dropped: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for strict JSON."""
        return dict(self.__dict__)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A score that is not there: `step` is what failed or is damaged, or the score itself where it was not reached."""

    step: Step[Any]
    status: Literal["missing", "failed"]
    why: str


@dataclass(frozen=True, kw_only=True)
class Results:
    """Records in the order of the grid, each row's aggregate before its seeds, and what stands in their way."""

    grid: tuple[Cell, ...]
    records: tuple[Record, ...]
    problems: tuple[Problem, ...]

    @property
    def aggregates(self) -> tuple[Record, ...]:
        return tuple(record for record in self.records if record.seed is None)


def records(experiment: Experiment, store: Store, failures: Sequence[Failure] = ()) -> list[dict[str, Any]]:
    """The records of a pinned experiment as plain data. `failures`: those of the run that has just ended, if any."""
    return [record.to_dict() for record in read(experiment, store, failures).records]


def read(experiment: Experiment, store: Store, failures: Sequence[Failure] = ()) -> Results:
    """What the store holds of a pinned experiment. A run that is unfinished or has failed in part is read all the same.

    Raises UserError where two scores of a task are not of the same test examples.
    """
    shelf = _Shelf(store, failures)
    grid = cells(experiment)
    first = {(*_row(cell)[:3], cell.seed): cell for cell in reversed(grid)}
    found: list[Record] = []
    for _, group in groupby(grid, key=_row):
        row = list(group)
        rivals = [first[(*_row(cell)[:3], cell.seed)] for cell in row]
        found.append(_record(row, rivals, None, shelf))
        found += [_record([cell], [rival], cell.seed, shelf) for cell, rival in zip(row, rivals, strict=True)]
    problems = {problem.step.key: problem for problem in shelf.problems.values()}
    return Results(grid=grid, records=tuple(found), problems=tuple(problems.values()))


def _row(cell: Cell) -> tuple[str, str, str, str]:
    return cell.task.name, cell.weak.name, cell.strong.name, cell.method.label


class _Shelf:
    """Artifacts of one store, each read once, with its test examples always in the same order."""

    def __init__(self, store: Store, failures: Sequence[Failure]) -> None:
        self.problems: dict[str, Problem] = {}  # by the key of what is not there
        self._store, self._stored = store, store.listing()
        self._failed = {failure.step.key: failure for failure in failures}
        self._read: dict[str, Any] = {}
        self._hard: dict[str, Ints] = {}
        self._tests: dict[str, _Test] = {}

    def get(self, step: Step[T]) -> T | None:
        """The artifact of `step`, None where there is none that can be trusted."""
        if step.key not in self._read:
            self._read[step.key] = self._load(step)
        found: T | None = self._read[step.key]
        return found

    def _load(self, step: Step[T]) -> T | None:
        if step.key in self._stored:
            try:
                return load(step, self._store)
            except Damaged as damage:
                why = f"{damage.why}: run again to compute it anew"
                self.problems[step.key] = Problem(step=step, status="failed", why=why)
            except KeyError:
                pass  # pruned since the listing
        return None

    def test(self, cell: Cell) -> _Test | None:
        """The ids and groups of the test examples, in the one order used here: that of the first score read."""
        return self._tests.get(cell.test.key)

    def correct(self, score: Score) -> Doubles | None:
        """What a score says of each test example, [N]."""
        if (scores := self.get(score)) is None:
            return None
        test = self._tests.setdefault(score.gold.examples.key, _Test(scores.ids, scores.groups))
        return scores.correct[_places(scores.ids, test.ids, score)]

    def hard(self, score: Score) -> Ints | None:
        """The choice predicted for each test example of a score that is there, [N]."""
        if (labels := self.get(score.predictions)) is None:
            return None
        if score.key not in self._hard:
            ids = self._tests[score.gold.examples.key].ids
            self._hard[score.key] = labels.hard()[_places(labels.ids, ids, score)]
        return self._hard[score.key]

    def status(self, scores: Iterable[Score]) -> Status:
        """Whether all of these scores are there; what is not becomes a problem."""
        absent = [score for score in scores if self.get(score) is None]
        for score in absent:
            if score.key not in self.problems:
                self.problems[score.key] = self._problem(score)
        if not absent:
            return "done"
        return "failed" if any(self.problems[score.key].status == "failed" for score in absent) else "missing"

    def _problem(self, score: Score) -> Problem:
        failure = next((self._failed[step.key] for step in walk([score]) if step.key in self._failed), None)
        if failure:
            return Problem(step=failure.step, status="failed", why=failure.error_text.strip())
        return Problem(step=score, status="missing", why="not computed yet")


class _Test(NamedTuple):
    ids: tuple[str, ...]
    groups: tuple[str, ...]


def _places(ids: tuple[str, ...], wanted: tuple[str, ...], score: Score) -> Ints | slice:
    """Where each of `wanted` stands in `ids`."""
    if ids == wanted:
        return slice(None)
    where = {id: i for i, id in enumerate(ids)}
    if len(ids) != len(wanted) or where.keys() != set(wanted):
        raise UserError(f"{score.key} is not of the same test examples as the other scores: they cannot be compared")
    return np.array([where[id] for id in wanted], dtype=np.int64)


def _record(row: Sequence[Cell], rivals: Sequence[Cell], seed: int | None, shelf: _Shelf) -> Record:
    """One record over these cells, one a seed: over the complete seeds, or, without any, over what there is."""
    task, weak, strong, method = _row(row[0])
    statuses = {role: shelf.status(_of(role, row)) for role in ROLES}
    complete = [cell for cell in row if all(shelf.correct(score) is not None for score in _of_trio(cell))]
    fields: dict[str, Any] = {}
    for role in ROLES:
        fields |= _scored(role, complete or row, shelf)
    if complete:
        fields |= _recovered(complete, shelf) | _agreement(complete, shelf)
    else:
        absent = next(role for role in TRIO if statuses[role] != "done")
        fields["withheld"] = f"the {absent} has failed" if statuses[absent] == "failed" else f"no {absent} score yet"
    if row[0].method != rivals[0].method:
        fields |= _versus(complete or row, rivals, shelf)
    status = next((s for s in ("failed", "missing") if s in statuses.values()), "done")
    fields |= {"status": status, "n_seeds": len(complete), **_test(row[0], shelf)}
    return Record(task=task, weak=weak, strong=strong, method=method, seed=seed, **fields)


def _of(role: str, row: Iterable[Cell]) -> list[Score]:
    return [getattr(cell, role) for cell in row]


def _of_trio(cell: Cell) -> tuple[Score, ...]:
    return cell.floor, cell.student, cell.ceiling


def _table(scores: Iterable[Score], shelf: _Shelf) -> Doubles | None:
    """The scores that are there, [S, N]."""
    found = [correct for score in scores if (correct := shelf.correct(score)) is not None]
    return np.stack(found) if found else None


def _groups(row: Sequence[Cell], shelf: _Shelf) -> tuple[str, ...]:
    test = shelf.test(row[0])
    assert test is not None  # a score of it has been read
    return test.groups


def _scored(role: str, row: Sequence[Cell], shelf: _Shelf) -> dict[str, Any]:
    table = _table(_of(role, row), shelf)
    if table is None:
        return {}
    try:
        found = accuracy(table, _groups(row, shelf))
    except OneGroupError:
        return {role: float(table.mean())}
    return {role: found.mean, f"{role}_low": found.low, f"{role}_high": found.high}


def _recovered(row: Sequence[Cell], shelf: _Shelf) -> dict[str, Any]:
    """The PGR of complete seeds."""
    tables = (_table(_of(role, row), shelf) for role in TRIO)
    floor, student, ceiling = (table for table in tables if table is not None)
    found = recovered(floor, student, ceiling, _groups(row, shelf))
    gap = {"gap": found.gap, "gap_low": found.gap_low, "gap_high": found.gap_high}
    return {"pgr": found.pgr, "pgr_low": found.low, "pgr_high": found.high, "withheld": found.withheld, **gap}


def _agreement(row: Sequence[Cell], shelf: _Shelf) -> dict[str, Any]:
    """How often student and supervisor say the same, in complete seeds."""
    students = [hard for cell in row if (hard := shelf.hard(cell.student)) is not None]
    supervisors = [hard for cell in row if (hard := shelf.hard(cell.floor)) is not None]
    right = _table(_of("floor", row), shelf)
    if right is None or not len(students) == len(supervisors) == len(row):
        return {}  # scores outlive their predictions where somebody deleted these
    try:
        found = agreement(np.stack(students), np.stack(supervisors), right, _groups(row, shelf))
    except OneGroupError:
        return {}
    split = {"agreement_right": found.where_right, "agreement_wrong": found.where_wrong}
    return {"agreement": found.overall.mean, **{name: part and part.mean for name, part in split.items()}}


def _versus(row: Sequence[Cell], rivals: Sequence[Cell], shelf: _Shelf) -> dict[str, Any]:
    """The student's score less the first method's, over the seeds that have both."""
    first = {cell.seed: cell.student for cell in rivals}
    pairs = [(cell.student, first[cell.seed]) for cell in row]
    there = [pair for pair in pairs if all(shelf.correct(score) is not None for score in pair)]
    ours, theirs = (_table([pair[side] for pair in there], shelf) for side in (0, 1))
    if ours is None or theirs is None:
        return {}
    try:
        found = paired(ours, theirs, _groups(row, shelf))
    except OneGroupError:
        return {"versus_first": float((ours - theirs).mean())}
    return {"versus_first": found.mean, "versus_first_low": found.low, "versus_first_high": found.high}


def _test(cell: Cell, shelf: _Shelf) -> dict[str, Any]:
    """What the test examples are: the same for every record of a task."""
    found: dict[str, Any] = {}
    if test := shelf.test(cell):
        found |= {"n_test": len(test.ids), "n_groups": len(set(test.groups))}
    examples: Examples | None = shelf.get(cell.test)
    if examples is not None:
        found["n_dropped"] = sum(count for _, count in examples.dropped)
    return found
