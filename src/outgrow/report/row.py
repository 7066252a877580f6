"""What the stored scores of one row of the grid say: each function estimates one measure, or says why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from outgrow.experiment.grid import Cell
from outgrow.experiment.steps import Score
from outgrow.measures.accuracy import accuracy
from outgrow.measures.agreement import Agreement, agreement
from outgrow.measures.crossed import Interval, OneGroupError
from outgrow.measures.difference import paired
from outgrow.measures.pgr import Recovery, recovered
from outgrow.measures.samples import accuracy_of_samples
from outgrow.report.stored import Compact, Status, StoredArtifacts
from outgrow.types import Doubles

TRIO = ("floor", "student", "ceiling")  # what the recovered gap is computed from
BEFORE = ("zero_shot", "frozen_probe")  # the student before finetuning: a cell has one of them
ROLES = (*TRIO, *BEFORE)  # what is scored on the test examples


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval, as fractions that are not rounded. `low` and `high` are None where there is no
    interval, as with a single group of test examples."""

    value: float
    low: float | None = None
    high: float | None = None


Estimated = Estimate | str | None  # the estimate, the reason why it is withheld, or nothing to state
Estimator = Callable[["Row"], Estimated]


class Row:
    """The cells of one row of the grid, one a seed, with their stored scores.

    Numbers are over the seeds that have floor, student and ceiling (`complete`); without any such seed, each number is
    over the scores that exist.
    """

    def __init__(self, cells: Sequence[Cell], baseline: Sequence[Cell], stored: StoredArtifacts) -> None:
        self.cells, self.baseline, self.stored = cells, baseline, stored
        self.statuses = {role: self._status(self.scores(role, cells)) for role in ROLES}
        self.statuses["matched"] = self._status([score for cell in cells for score in _matched_trio(cell)])
        labels = [cell.label_accuracy for cell in cells] if stored.whole else []
        self.statuses["labels"] = stored.status((score, stored.sample(score)) for score in labels)
        self.complete = [cell for cell in cells if self.has(cell.floor, cell.student, cell.ceiling)]
        self.used = self.complete or cells

    @property
    def status(self) -> Status:
        """`failed` before `missing` before `done`."""
        statuses: set[Status] = set(self.statuses.values())
        return "failed" if "failed" in statuses else "missing" if "missing" in statuses else "done"

    def scores(self, role: str, cells: Iterable[Cell]) -> list[Score]:
        return [score for cell in cells if (score := getattr(cell, role)) is not None]

    def has(self, *scores: Score) -> bool:
        """Whether all of these scores are stored."""
        return all(self.stored.correct(score) is not None for score in scores)

    def table(self, scores: Iterable[Score]) -> Doubles | None:
        """The scores that are stored, [S, N]."""
        arrays = [correct for score in scores if (correct := self.stored.correct(score)) is not None]
        return np.stack(arrays).astype(np.float64) if arrays else None

    @cached_property
    def groups(self) -> Compact:
        test = self.stored.test(self.cells[0])
        assert test is not None  # a score of it has been read
        return test.groups

    @cached_property
    def recovery(self) -> Recovery | None:
        """PGR and gap of the complete seeds."""
        floor, student, ceiling = (self.table(self.scores(role, self.complete)) for role in TRIO)
        if floor is None or student is None or ceiling is None:
            return None
        return recovered(floor, student, ceiling, self.groups)

    @cached_property
    def agreement(self) -> Agreement | None:
        """How often student and supervisor answer alike, in the complete seeds."""
        students = [hard for cell in self.complete if (hard := self.stored.hard(cell.student)) is not None]
        supervisors = [hard for cell in self.complete if (hard := self.stored.hard(cell.floor)) is not None]
        right = self.table(self.scores("floor", self.complete))
        if right is None or not len(students) == len(supervisors) == len(self.complete):
            return None  # scores outlive their predictions where somebody deleted these
        try:
            return agreement(np.stack(students), np.stack(supervisors), right, self.groups)
        except OneGroupError:
            return None

    def _status(self, scores: Iterable[Score]) -> Status:
        return self.stored.status((score, self.stored.correct(score)) for score in scores)


def _matched_trio(cell: Cell) -> tuple[Score, ...]:
    """An adapted student between a supervisor and a ceiling that are adapted likewise; () for every other one."""
    if cell.matched_floor is None or cell.matched_ceiling is None:
        return ()
    return cell.matched_floor, cell.student, cell.matched_ceiling


def _interval(interval: Interval | None) -> Estimate | None:
    return Estimate(value=interval.mean, low=interval.low, high=interval.high) if interval else None


def accuracy_of(role: str) -> Estimator:
    """Estimates the test accuracy of `role`, one of `ROLES`."""
    return partial(_accuracy, role)


def _accuracy(role: str, row: Row) -> Estimated:
    table = row.table(row.scores(role, row.used))
    if table is None:
        return None
    try:
        return _interval(accuracy(table, row.groups))
    except OneGroupError:
        return Estimate(value=float(table.mean()))


def label_accuracy(row: Row) -> Estimated:
    """The examples differ between seeds; a slice of the test examples has no labels of its own."""
    if not row.stored.whole:
        return None
    samples = [sample for cell in row.used if (sample := row.stored.sample(cell.label_accuracy)) is not None]
    if not samples:
        return None
    correct, groups = zip(*samples, strict=True)
    try:
        return _interval(accuracy_of_samples(correct, groups))
    except OneGroupError:
        return Estimate(value=float(np.mean([scores.mean() for scores in correct])))


def pgr(row: Row) -> Estimated:
    """Performance gap recovered over the complete seeds; without any, the reason is which score is missing."""
    if row.recovery is None:
        absent = next(role for role in TRIO if row.statuses[role] != "done")
        return f"the {absent} has failed" if row.statuses[absent] == "failed" else f"no {absent} score yet"
    return _pgr(row.recovery)


def _pgr(recovery: Recovery) -> Estimated:
    return (
        recovery.withheld
        if recovery.pgr is None
        else Estimate(value=recovery.pgr, low=recovery.low, high=recovery.high)
    )


def pgr_matched(row: Row) -> Estimated:
    """Over the complete seeds that also have an adapted supervisor and an adapted ceiling."""
    trios = [trio for cell in row.complete if (trio := _matched_trio(cell))]
    if not trios:
        return None
    stored_trios = [trio for trio in trios if row.has(*trio)]
    floor, student, ceiling = (row.table([trio[place] for trio in stored_trios]) for place in range(3))
    if floor is None or student is None or ceiling is None:
        return "no score yet of an adapted supervisor and an adapted ceiling"
    return _pgr(recovered(floor, student, ceiling, row.groups))


def gap(row: Row) -> Estimated:
    """Ceiling minus floor over the complete seeds."""
    recovery = row.recovery
    return Estimate(value=recovery.gap, low=recovery.gap_low, high=recovery.gap_high) if recovery else None


def agreement_overall(row: Row) -> Estimated:
    """How often student and supervisor give the same answer, of all test examples."""
    return _interval(row.agreement.overall) if row.agreement else None


def agreement_right(row: Row) -> Estimated:
    """How often the student gives its supervisor's answer, of the test examples that the supervisor has right."""
    return _interval(row.agreement.where_right) if row.agreement else None


def agreement_wrong(row: Row) -> Estimated:
    """How often the student gives its supervisor's answer, of the test examples that the supervisor has wrong."""
    return _interval(row.agreement.where_wrong) if row.agreement else None


def versus_first(row: Row) -> Estimated:
    """Student minus the first method's student, over the seeds that have both; nothing for the first method."""
    if row.cells[0].method == row.baseline[0].method:
        return None
    first = {cell.seed: cell.student for cell in row.baseline}
    pairs = [(cell.student, first[cell.seed]) for cell in row.used]
    stored_pairs = [pair for pair in pairs if row.has(*pair)]
    student, baseline = (row.table([pair[side] for pair in stored_pairs]) for side in (0, 1))
    if student is None or baseline is None:
        return None
    try:
        return _interval(paired(student, baseline, row.groups))
    except OneGroupError:
        return Estimate(value=float((student - baseline).mean()))
