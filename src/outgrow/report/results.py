"""The results of an experiment, read from what a store holds of it: a record for each run and one over its seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from outgrow.experiment.cell import Cell
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.experiment.steps import Fit, Predict, Relabel
from outgrow.graph import Failure
from outgrow.report.measures import MEASURES
from outgrow.report.observed import observed
from outgrow.report.protocol import chain_fits
from outgrow.report.record import Record
from outgrow.report.row import Estimate, Row
from outgrow.report.stored import Problem, StoredArtifacts
from outgrow.report.verdicts import judged
from outgrow.store import Store


@dataclass(frozen=True, kw_only=True)
class Results:
    """Records in the order of the grid, each row's aggregate before its seeds, and the scores that are not there."""

    grid: tuple[Cell, ...]
    records: tuple[Record, ...]
    problems: tuple[Problem, ...]

    @property
    def aggregates(self) -> tuple[Record, ...]:
        """The records over all seeds."""
        return tuple(record for record in self.records if record.seed is None)


def records(experiment: Experiment, store: Store, failures: Sequence[Failure] = ()) -> list[dict[str, Any]]:
    """The records of a pinned experiment as flat dicts. `failures`: those of the run that has just ended, if any."""
    return [record.to_dict() for record in read(experiment, store, failures).records]


def read(experiment: Experiment, store: Store, failures: Sequence[Failure] = ()) -> Results:
    """Read the results of a pinned experiment, also of one that is unfinished or has failed in part.

    Raises UserError where two scores of a task are of different test examples.
    """
    stored, grid = StoredArtifacts(store, failures, experiment.metric), cells(experiment)
    collected: list[Record] = []
    for row, baseline in rows(grid):
        collected.append(record(row, baseline, None, stored))
        collected += [record([cell], baseline[i : i + 1], cell.seed, stored) for i, cell in enumerate(row)]
    problems = {problem.step.key: problem for problem in stored.problems.values()}
    return Results(grid=grid, records=judged(collected), problems=tuple(problems.values()))


def rows(grid: Sequence[Cell]) -> Iterator[tuple[list[Cell], list[Cell]]]:
    """The cells of each row of the table, one a seed, and those of its baseline on the same seeds: the first method
    that is not an oracle. Without such a method there are none."""
    first = {(*_names(cell)[:3], cell.seed): cell for cell in reversed(grid) if not cell.method.oracle}
    for _, group in groupby(grid, key=_names):
        row = list(group)
        yield row, [first[key] for cell in row if (key := (*_names(cell)[:3], cell.seed)) in first]


def _names(cell: Cell) -> tuple[str, str, str, str]:
    return cell.task.name, cell.weak.name, cell.strong.name, cell.method.shown


def record(row: Sequence[Cell], baseline: Sequence[Cell], seed: int | None, stored: StoredArtifacts) -> Record:
    """The record over these cells, one a seed, not `judged` yet. `baseline`: the baseline's cells on the same seeds."""
    task, weak, strong, method = _names(row[0])
    scored = Row(row, baseline, stored)
    estimates: dict[str, Estimate] = {}
    withheld: dict[str, str] = {}
    for name, measure in MEASURES.items():
        match measure.estimate(scored):
            case Estimate() as estimate:
                estimates[name] = estimate
            case str(reason):
                withheld[name] = reason
    test = stored.test(row[0])
    return Record(
        task=task,
        weak=weak,
        strong=strong,
        method=method,
        seed=seed,
        status=scored.status,
        metric=stored.metric,
        estimates=estimates,
        withheld=withheld,
        n_seeds=len(scored.complete),
        n_test=len(test) if test else None,
        n_groups=len(np.unique(test.groups)) if test else None,
        n_dropped=stored.dropped(row[0]),
        baseline=baseline[0].method.shown if baseline else None,
        caveats=observed(scored, estimates) if seed is None else (),
        notes=_notes(row, stored),
    )


def _notes(row: Sequence[Cell], stored: StoredArtifacts) -> tuple[str, ...]:
    """The notes of the fits behind these cells, each sentence once."""
    fits = [(f"{role}, seed {cell.seed}", fit) for cell in row for role, fit in _fits(cell)]
    noted = zip(fits, stored.notes([fit for _, fit in fits]), strict=True)
    return tuple(dict.fromkeys(f"{name}, {fit.model.name}: {note}" for (name, fit), notes in noted for note in notes))


def _fits(cell: Cell) -> Iterator[tuple[str, Fit]]:
    """The fits behind each number of a cell, with their role; a student's with those of the rungs before it."""
    for rung in chain_fits(cell.student_fit) if cell.method.chain else ():
        yield "student", rung
    roles = {"floor": cell.floor, "student": cell.student, "ceiling": cell.ceiling, "direct": cell.direct}
    roles |= {"frozen probe": cell.frozen_probe, "adapted floor": cell.matched_floor}
    for role, score in {**roles, "adapted ceiling": cell.matched_ceiling}.items():
        if score is not None:
            yield from ((role, fit) for fit in _behind(score.predictions))


def _behind(predictions: object) -> Iterator[Fit]:
    """The fits whose predictions these are: several for the mean of an ensemble."""
    if isinstance(predictions, Predict):
        yield predictions.fitted
    elif isinstance(predictions, Relabel):
        yield from (fit for each in predictions.labels for fit in _behind(each))
