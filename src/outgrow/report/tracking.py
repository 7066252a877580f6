"""Hands the results of an experiment to its trackers, none of which can lose a result."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outgrow.experiment.cell import Cell
from outgrow.report.measures import MEASURES
from outgrow.report.record import Record
from outgrow.report.results import Results
from outgrow.store import Damaged, Store
from outgrow.trackers.base import Tracked, Tracker

NAMES = ("task", "weak", "strong", "method", "seed", "metric")


def track(trackers: Sequence[Tracker], results: Results, store: Store) -> tuple[str, ...]:
    """Write the results with every tracker. Returns why trackers failed, one line each."""
    found, why = tuple(rows(results, store)) if trackers else (), []
    for tracker in trackers:
        try:
            tracker.write(found)
        except (Exception, SystemExit) as error:  # whatever it raises: all results are stored
            text = str(error).strip().partition("\n")[0]
            why.append(f"the tracker {tracker.name} failed ({type(error).__name__}: {text}): the results are stored")
    return tuple(why)


def rows(results: Results, store: Store) -> Iterator[Tracked]:
    """Every record that is done, with the curve of its student's fit."""
    cells = {_names(cell): cell for cell in results.grid}
    for record in results.records:
        metrics = {name: value for name, value in _numbers(record) if math.isfinite(value)}
        if record.status != "done" or not metrics:
            continue
        flat = record.to_dict()
        params = {name: "all" if flat[name] is None else str(flat[name]) for name in NAMES}
        cell = cells.get((record.task, record.weak, record.strong, record.method, record.seed))
        curve = _curve(cell, store) if cell else ()
        name = f"{record.task} {record.weak} {record.strong} {record.method} {params['seed']}"
        content = json.dumps([params, metrics, curve], sort_keys=True)
        id = hashlib.sha256(content.encode()).hexdigest()[:16]
        yield Tracked(id=id, name=name, params=params, metrics=metrics, curve=curve)


def _names(cell: Cell) -> tuple[str, str, str, str, int | None]:
    return cell.task.name, cell.weak.name, cell.strong.name, cell.method.shown, cell.seed


def _numbers(record: Record) -> Iterator[tuple[str, float]]:
    flat: Mapping[str, Any] = record.to_dict()
    for name in MEASURES:
        for key in (name, f"{name}_low", f"{name}_high"):
            if flat[key] is not None:
                yield key, float(flat[key])


def _curve(cell: Cell, store: Store) -> tuple[Mapping[str, float], ...]:
    """What the fit of a student measured, finite numbers only; () for one without checks."""
    try:
        file = store.fetch(cell.student_fit.key, only={"curve.json"}) / "curve.json"
    except (Damaged, KeyError, OSError):
        return ()
    points = json.loads(file.read_text()) if file.exists() else []
    return tuple({k: float(v) for k, v in point.items() if math.isfinite(v)} for point in points)
