"""What the stored scores of one row of the grid say: each function estimates one measure, or says why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from outgrow.experiment.cell import Cell
from outgrow.experiment.scoring import Score
from outgrow.measures.accuracy import accuracy, mean_among, share
from outgrow.measures.agreement import Agreement, agreement
from outgrow.measures.crossed import Interval, OneGroupError
from outgrow.measures.difference import paired
from outgrow.measures.pgr import Recovery, recovered
from outgrow.measures.samples import accuracy_of_samples, mean_of_samples
from outgrow.metrics.base import Metric, UndefinedError
from outgrow.report.stored import Compact, Status, StoredArtifacts
from outgrow.types import Doubles

TRIO = ("floor", "student", "ceiling")  # what the recovered gap is computed from
BEFORE = ("zero_shot", "frozen_probe")  # the student before finetuning: a cell has one of them
ROLES = (*TRIO, "direct", *BEFORE, "majority")  # what is scored on the test examples


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval, as fractions that are not rounded. `low` and `high` are None where there is no
    interval, as with a single group of test examples. `p`: of a difference, the p-value that it is zero."""

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None


Estimated = Estimate | str | None  # the estimate, the reason why it is withheld, or nothing to state
Estimator = Callable[["Row"], Estimated]


class Row:
    """The cells of one row of the grid, one a seed, with their stored scores.

    Numbers are over the seeds that have floor, student and ceiling (`complete`); without any such seed, each number is
    over the scores that exist. baseline: the cells of the first method that is not an oracle on the same seeds;
    empty where all methods are.
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

    @property
    def metric(self) -> Metric:
        return self.stored.metric

    def table(self, scores: Iterable[Score]) -> Doubles | None:
        """What the stored scores say, [S, N]: the examples' shares in the metric, NaN where a supervisor abstains.
        None if nothing is stored, or the metric has no value for these examples."""
        try:
            arrays = [values for score in scores if (values := self.stored.values(score)) is not None]
        except UndefinedError:
            return None
        return np.stack(arrays).astype(np.float64) if arrays else None

    def gains(self, scores: Iterable[Score]) -> Doubles | None:
        """The same in the direction in which the metric grows."""
        table = self.table(scores)
        return table if table is None or self.metric.higher_is_better else -table

    @cached_property
    def groups(self) -> Compact:
        test = self.stored.test(self.cells[0])
        assert test is not None  # a score of it has been read
        return test.groups

    @cached_property
    def recovery(self) -> Recovery | None:
        """PGR and gap of the complete seeds."""
        return self.recovered(*(self.scores(role, self.complete) for role in TRIO))

    def recovered(self, *trio: Sequence[Score]) -> Recovery | None:
        """PGR and gap between these floors, students and ceilings, on the examples that the supervisor answers."""
        floor, student, ceiling = (self.gains(scores) for scores in trio)
        if floor is None or student is None or ceiling is None:
            return None
        answered = ~np.isnan(floor)
        if not answered.any():
            return None
        among = None if answered.all() else answered.astype(np.float64)
        floor = floor if among is None else np.nan_to_num(floor)
        return recovered(floor, student, ceiling, self.groups, among=among, percent=self.metric.percent)

    @cached_property
    def agreement(self) -> Agreement | None:
        """How often student and supervisor give the same answer, in the complete seeds."""
        students = [hard for cell in self.complete if (hard := self.stored.hard(cell.student)) is not None]
        supervisors = [hard for cell in self.complete if (hard := self.stored.hard(cell.floor)) is not None]
        right = [correct for cell in self.complete if (correct := self.stored.correct(cell.floor)) is not None]
        if not right or not len(students) == len(supervisors) == len(self.complete):
            return None  # scores outlive their predictions where somebody deleted these
        correct = np.stack(right).astype(np.float64)
        among = (~np.isnan(correct)).astype(np.float64)
        try:
            return agreement(
                np.stack(students), np.stack(supervisors), np.nan_to_num(correct), self.groups, among=among
            )
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


def score_of(role: str) -> Estimator:
    """Estimates the score of `role`, one of `ROLES`, in the metric; of a supervisor that abstains, where it answers."""
    return partial(_score, role)


def _score(role: str, row: Row) -> Estimated:
    """Rows that differ only in the method share floor, ceiling and more, which are estimated once."""
    scores, known = row.scores(role, row.used), row.stored.means
    shared = tuple(score.key for score in scores)
    if shared not in known:
        table = row.table(scores)
        known[shared] = None if table is None else _mean(table, row)
    estimated: Estimated = known[shared]
    return estimated


def _mean(table: Doubles, row: Row) -> Estimated:
    """The mean of the values that are not NaN, with its interval."""
    answered = ~np.isnan(table)
    if not answered.any():
        return None
    mean = Estimate(value=float(table[answered].mean()))
    values, among = np.nan_to_num(table), answered.astype(np.float64)
    try:
        if not row.metric.detailed:
            return _interval(share(values, among, row.groups)) or mean
        return _bounded(mean_among(values, among, row.groups), row.metric) or mean
    except OneGroupError:
        return mean


def _bounded(interval: Interval | None, metric: Metric) -> Estimate | None:
    """An interval clipped to what the metric can be. A score without any variation, such as an area of 1 under the ROC
    curve, has none: what an error would change is not known."""
    if interval is None or interval.low == interval.high:
        return None
    least, most = metric.bounds
    return Estimate(value=interval.mean, low=max(interval.low, least), high=min(interval.high, most))


def coverage(row: Row) -> Estimated:
    """The share of the test examples that the supervisor answers; nothing where it answers all."""
    answered = _answered(row)
    if answered is None or answered.all():
        return None
    try:
        return _interval(accuracy(answered.astype(np.float64), row.groups))
    except OneGroupError:
        return Estimate(value=float(answered.mean()))


def answers_none(row: Row) -> bool:
    """Whether the supervisor abstains on every test example."""
    answered = _answered(row)
    return answered is not None and not answered.any()


def _answered(row: Row) -> npt.NDArray[np.bool_] | None:
    """Which test examples the supervisor answers, [S, N]; None if no floor is stored."""
    floors = [correct for cell in row.used if (correct := row.stored.correct(cell.floor)) is not None]
    return ~np.isnan(np.stack(floors).astype(np.float64)) if floors else None


def chance(row: Row) -> Estimated:
    """The accuracy of a random choice: one over the number of choices, on average."""
    if row.metric.detailed or not any(row.stored.hard(cell.student) is not None for cell in row.complete[:1]):
        return None
    found = row.stored.chance(row.cells[0])
    return None if found is None else Estimate(value=found)


def label_accuracy(row: Row) -> Estimated:
    """The examples differ between seeds; a slice of the test examples has no labels of its own."""
    if not row.stored.whole:
        return None
    try:
        samples = [sample for cell in row.used if (sample := row.stored.sample(cell.label_accuracy)) is not None]
    except UndefinedError:
        return None
    if not samples:
        return None
    values, groups = zip(*samples, strict=True)
    mean = Estimate(value=float(np.mean([each.mean() for each in values])))
    try:
        if not row.metric.detailed:
            return _interval(accuracy_of_samples(values, groups))
        return _bounded(mean_of_samples(values, groups), row.metric) or mean
    except OneGroupError:
        return mean


def pgr(row: Row) -> Estimated:
    """Performance gap recovered over the complete seeds; without any, the reason is which score is missing."""
    if row.recovery is None:
        absent = next((role for role in TRIO if row.statuses[role] != "done"), None)
        if absent is None and answers_none(row):
            return "the supervisor answers none of the test examples"
        if absent is None:
            return f"{row.metric.name} has no value for these examples"
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
    recovery = row.recovered(*([trio[place] for trio in stored_trios] for place in range(3)))
    return _pgr(recovery) if recovery else "no score yet of an adapted supervisor and an adapted ceiling"


def gap(row: Row) -> Estimated:
    """How much better than the floor the ceiling is, over the complete seeds."""
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
    """How much better than the baseline's student the student is, over the seeds that have both; nothing for the
    baseline, and where there is none."""
    if not row.baseline or row.cells[0].method == row.baseline[0].method:
        return None
    first = {cell.seed: cell.student for cell in row.baseline}
    pairs = [(cell.student, first[cell.seed]) for cell in row.used]
    stored_pairs = [pair for pair in pairs if row.has(*pair)]
    student, baseline = (row.gains([pair[side] for pair in stored_pairs]) for side in (0, 1))
    if student is None or baseline is None:
        return None
    try:
        found = paired(student, baseline, row.groups)
        return Estimate(value=found.mean, low=found.low, high=found.high, p=found.p)
    except OneGroupError:
        return Estimate(value=float((student - baseline).mean()))
