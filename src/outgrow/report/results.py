"""The numbers of an experiment, read from what a store holds of it: one record a run, one over its seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from outgrow.experiment import Cell, Experiment, cells
from outgrow.graph import Failure
from outgrow.measures.accuracy import accuracy
from outgrow.measures.agreement import agreement
from outgrow.measures.crossed import Interval, OneGroupError
from outgrow.measures.difference import paired
from outgrow.measures.pgr import recovered
from outgrow.measures.samples import accuracy_of_samples
from outgrow.report.protocol import chain_fits
from outgrow.report.stored import Compact, Problem, Status, StoredArtifacts
from outgrow.steps import Fit, Predict, Relabel, Score
from outgrow.store import Store
from outgrow.types import Doubles

TRIO = ("floor", "student", "ceiling")  # what the recovered gap is made of
BEFORE = ("zero_shot", "frozen_probe")  # the student before finetuning: a cell has one of them
ROLES = (*TRIO, *BEFORE)  # what is scored on the test examples


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run (task, weak, strong, method, seed), or all seeds of it together (`seed` None).

    `slice` names the test examples that it is of; None: all of them.

    Scores, intervals (95 %), the gap and agreement are fractions, not rounded; None, never NaN, where there is nothing
    to state, and `withheld` says why where that is the PGR. `label_accuracy` is how often the labels are right that the
    student learned from, on the examples of transfer that it learned from; a slice of the test examples has none.
    `zero_shot` is the student before any training, on tasks that are answered by next tokens; on the others
    `frozen_probe` is a linear probe on its frozen features that learned the weak labels.

    `pgr_matched` is the PGR between a supervisor and a ceiling that were adapted as the student was (None for a method
    that does not adapt), and `withheld_matched` says why it is withheld, by the same rule. `agreement` of student and
    supervisor is also given where the supervisor is right and where it is wrong. `versus_first` is the student's score
    minus the first method's on the same seeds and examples (None for the first): above zero from low to high, this
    method improves on it. `notes` are what fits have to say of themselves: that one diverged and fell back to an
    earlier check, or was repeated in another precision.
    """

    task: str
    weak: str
    strong: str
    method: str
    seed: int | None
    slice: str | None = None
    status: Status
    floor: float | None = None
    floor_low: float | None = None
    floor_high: float | None = None
    label_accuracy: float | None = None
    label_accuracy_low: float | None = None
    label_accuracy_high: float | None = None
    student: float | None = None
    student_low: float | None = None
    student_high: float | None = None
    ceiling: float | None = None
    ceiling_low: float | None = None
    ceiling_high: float | None = None
    zero_shot: float | None = None
    zero_shot_low: float | None = None
    zero_shot_high: float | None = None
    frozen_probe: float | None = None
    frozen_probe_low: float | None = None
    frozen_probe_high: float | None = None
    pgr: float | None = None
    pgr_low: float | None = None
    pgr_high: float | None = None
    withheld: str | None = None
    pgr_matched: float | None = None
    pgr_matched_low: float | None = None
    pgr_matched_high: float | None = None
    withheld_matched: str | None = None
    gap: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None
    agreement: float | None = None
    agreement_low: float | None = None
    agreement_high: float | None = None
    agreement_right: float | None = None
    agreement_right_low: float | None = None
    agreement_right_high: float | None = None
    agreement_wrong: float | None = None
    agreement_wrong_low: float | None = None
    agreement_wrong_high: float | None = None
    versus_first: float | None = None
    versus_first_low: float | None = None
    versus_first_high: float | None = None
    n_seeds: int = 0
    n_test: int | None = None
    n_groups: int | None = None
    n_dropped: int | None = None
    notes: tuple[str, ...] = ()  # each begins with the role and, where an experiment has several, the seed

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for strict JSON."""
        return {**self.__dict__, "notes": list(self.notes)}


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
    stored, grid = StoredArtifacts(store, failures), cells(experiment)
    found: list[Record] = []
    for row, baseline in rows(grid):
        found.append(record(row, baseline, None, stored))
        found += [
            record([cell], [baseline_cell], cell.seed, stored)
            for cell, baseline_cell in zip(row, baseline, strict=True)
        ]
    problems = {problem.step.key: problem for problem in stored.problems.values()}
    return Results(grid=grid, records=tuple(found), problems=tuple(problems.values()))


def rows(grid: Sequence[Cell]) -> Iterator[tuple[list[Cell], list[Cell]]]:
    """The cells of each row of the table, one a seed, and those of its first method on the same seeds."""
    first = {(*_row(cell)[:3], cell.seed): cell for cell in reversed(grid)}
    for _, group in groupby(grid, key=_row):
        row = list(group)
        yield row, [first[(*_row(cell)[:3], cell.seed)] for cell in row]


def _row(cell: Cell) -> tuple[str, str, str, str]:
    return cell.task.name, cell.weak.name, cell.strong.name, cell.method.shown


def record(row: Sequence[Cell], baseline: Sequence[Cell], seed: int | None, stored: StoredArtifacts) -> Record:
    """One record over these cells, one a seed: over the complete seeds, or, without any, over what there is."""
    task, weak, strong, method = _row(row[0])
    statuses = {role: _status(_of(role, row), stored) for role in ROLES}
    statuses["matched"] = _status([score for cell in row for score in _matched_trio(cell)], stored)
    labels = [cell.label_accuracy for cell in row] if stored.whole else []
    statuses["labels"] = stored.status((score, stored.sample(score)) for score in labels)
    complete = [cell for cell in row if all(stored.correct(score) is not None for score in _of_trio(cell))]
    fields: dict[str, Any] = {}
    for role in ROLES:
        fields |= _scored(role, complete or row, stored)
    if complete:
        fields |= _recovered(complete, stored) | _matched(complete, stored) | _agreement(complete, stored)
    else:
        absent = next(role for role in TRIO if statuses[role] != "done")
        fields["withheld"] = f"the {absent} has failed" if statuses[absent] == "failed" else f"no {absent} score yet"
    if row[0].method != baseline[0].method:
        fields |= _versus(complete or row, baseline, stored)
    if stored.whole:
        fields |= _label_accuracy(complete or row, stored)
    status = next((s for s in ("failed", "missing") if s in statuses.values()), "done")
    fields |= {"status": status, "n_seeds": len(complete), "notes": _notes(row, stored), **_test(row[0], stored)}
    return Record(task=task, weak=weak, strong=strong, method=method, seed=seed, **fields)


def _status(scores: Iterable[Score], stored: StoredArtifacts) -> Status:
    return stored.status((score, stored.correct(score)) for score in scores)


def _of(role: str, row: Iterable[Cell]) -> list[Score]:
    return [score for cell in row if (score := getattr(cell, role)) is not None]


def _of_trio(cell: Cell) -> tuple[Score, ...]:
    return cell.floor, cell.student, cell.ceiling


def _matched_trio(cell: Cell) -> tuple[Score, ...]:
    """An adapted student between a supervisor and a ceiling that are adapted likewise; () for every other one."""
    if cell.matched_floor is None or cell.matched_ceiling is None:
        return ()
    return cell.matched_floor, cell.student, cell.matched_ceiling


def _table(scores: Iterable[Score], stored: StoredArtifacts) -> Doubles | None:
    """The scores that are there, [S, N]."""
    found = [correct for score in scores if (correct := stored.correct(score)) is not None]
    return np.stack(found).astype(np.float64) if found else None


def _groups(row: Sequence[Cell], stored: StoredArtifacts) -> Compact:
    test = stored.test(row[0])
    assert test is not None  # a score of it has been read
    return test.groups


def _scored(role: str, row: Sequence[Cell], stored: StoredArtifacts) -> dict[str, Any]:
    table = _table(_of(role, row), stored)
    if table is None:
        return {}
    try:
        found = accuracy(table, _groups(row, stored))
    except OneGroupError:
        return {role: float(table.mean())}
    return _stated(role, found)


def _stated(name: str, found: Interval) -> dict[str, Any]:
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}


def _label_accuracy(row: Sequence[Cell], stored: StoredArtifacts) -> dict[str, Any]:
    """How right the labels are that students learn from: each seed has examples of its own."""
    samples = [sample for cell in row if (sample := stored.sample(cell.label_accuracy)) is not None]
    if not samples:
        return {}
    correct, groups = zip(*samples, strict=True)
    try:
        found = accuracy_of_samples(correct, groups)
    except OneGroupError:
        return {"label_accuracy": float(np.mean([scores.mean() for scores in correct]))}
    return _stated("label_accuracy", found)


def _notes(row: Sequence[Cell], stored: StoredArtifacts) -> tuple[str, ...]:
    """What the fits behind these cells have to say of themselves, each sentence once."""
    fits = [(f"{role}, seed {cell.seed}", fit) for cell in row for role, fit in _fits(cell)]
    said = stored.notes([fit for _, fit in fits])
    found = [
        f"{name}, {fit.model.name}: {note}" for (name, fit), notes in zip(fits, said, strict=True) for note in notes
    ]
    return tuple(dict.fromkeys(found))


def _fits(cell: Cell) -> Iterator[tuple[str, Fit]]:
    """The fits behind each number of a cell, with its head in tables; a student's with those of the rungs before it."""
    for rung in chain_fits(cell.student_fit) if cell.method.chain else ():
        yield "student", rung
    roles = {"floor": cell.floor, "student": cell.student, "ceiling": cell.ceiling, "frozen probe": cell.frozen_probe}
    for role, score in {**roles, "adapted floor": cell.matched_floor, "adapted ceiling": cell.matched_ceiling}.items():
        if score is not None:
            yield from ((role, fit) for fit in _behind(score.predictions))


def _behind(predictions: object) -> Iterator[Fit]:
    """The fits whose predictions these are: several where they are the mean of an ensemble."""
    if isinstance(predictions, Predict):
        yield predictions.fitted
    elif isinstance(predictions, Relabel):
        yield from (fit for each in predictions.labels for fit in _behind(each))


def _recovered(row: Sequence[Cell], stored: StoredArtifacts) -> dict[str, Any]:
    """The PGR of complete seeds."""
    tables = (_table(_of(role, row), stored) for role in TRIO)
    floor, student, ceiling = (table for table in tables if table is not None)
    found = recovered(floor, student, ceiling, _groups(row, stored))
    gap = {"gap": found.gap, "gap_low": found.gap_low, "gap_high": found.gap_high}
    return {"pgr": found.pgr, "pgr_low": found.low, "pgr_high": found.high, "withheld": found.withheld, **gap}


def _matched(row: Sequence[Cell], stored: StoredArtifacts) -> dict[str, Any]:
    """The PGR between an adapted supervisor and an adapted ceiling, of the seeds that have both."""
    trios = [trio for cell in row if (trio := _matched_trio(cell))]
    if not trios:
        return {}
    there = [trio for trio in trios if all(stored.correct(score) is not None for score in trio)]
    floor, student, ceiling = (_table([trio[place] for trio in there], stored) for place in range(3))
    if floor is None or student is None or ceiling is None:
        return {"withheld_matched": "no score yet of an adapted supervisor and an adapted ceiling"}
    found = recovered(floor, student, ceiling, _groups(row, stored))
    matched = {"pgr_matched": found.pgr, "pgr_matched_low": found.low, "pgr_matched_high": found.high}
    return {**matched, "withheld_matched": found.withheld}


def _agreement(row: Sequence[Cell], stored: StoredArtifacts) -> dict[str, Any]:
    """How often student and supervisor say the same, in complete seeds."""
    students = [hard for cell in row if (hard := stored.hard(cell.student)) is not None]
    supervisors = [hard for cell in row if (hard := stored.hard(cell.floor)) is not None]
    right = _table(_of("floor", row), stored)
    if right is None or not len(students) == len(supervisors) == len(row):
        return {}  # scores outlive their predictions where somebody deleted these
    try:
        found = agreement(np.stack(students), np.stack(supervisors), right, _groups(row, stored))
    except OneGroupError:
        return {}
    fields = _stated("agreement", found.overall)
    for name, part in (("agreement_right", found.where_right), ("agreement_wrong", found.where_wrong)):
        fields |= _stated(name, part) if part else {}
    return fields


def _versus(row: Sequence[Cell], baseline: Sequence[Cell], stored: StoredArtifacts) -> dict[str, Any]:
    """The student's score less the first method's, over the seeds that have both."""
    first = {cell.seed: cell.student for cell in baseline}
    pairs = [(cell.student, first[cell.seed]) for cell in row]
    there = [pair for pair in pairs if all(stored.correct(score) is not None for score in pair)]
    ours, theirs = (_table([pair[side] for pair in there], stored) for side in (0, 1))
    if ours is None or theirs is None:
        return {}
    try:
        found = paired(ours, theirs, _groups(row, stored))
    except OneGroupError:
        return {"versus_first": float((ours - theirs).mean())}
    return _stated("versus_first", found)


def _test(cell: Cell, stored: StoredArtifacts) -> dict[str, Any]:
    """What the test examples are: the same for every record of a task."""
    found: dict[str, Any] = {}
    if test := stored.test(cell):
        found |= {"n_test": len(test), "n_groups": len(np.unique(test.groups))}
    return found | {"n_dropped": stored.dropped(cell)}
