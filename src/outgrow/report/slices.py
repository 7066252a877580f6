"""The results of an experiment for slices of its test examples: by rating, theme, difficulty."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from outgrow.experiment.data import Prepare
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.graph import Failure
from outgrow.plugins import nearest
from outgrow.report.record import Record
from outgrow.report.results import Results, record, rows
from outgrow.report.stored import StoredArtifacts
from outgrow.report.verdicts import judged
from outgrow.store import Store
from outgrow.tasks.base import Facet
from outgrow.types import Examples, UserError

EDGES: dict[str, tuple[float, ...]] = {"rating": (1000, 1400, 1800, 2200, 2600)}  # of other numbers: quintiles

Slices = dict[str, frozenset[str]]  # the ids of the examples by the name of the slice


def read_by(experiment: Experiment, store: Store, facet: str, failures: Sequence[Failure] = ()) -> Results:
    """A record over all seeds for every slice of the test examples, of the tasks that know the facet.

    Raises UserError if no task knows the facet; the message lists the facets that they know.
    """
    stored, grid = StoredArtifacts(store, failures, experiment.metric), cells(experiment)
    tests = {cell.test.key: cell.test for cell in grid}
    _refuse_unknown(facet, tests.values())
    slices = {key: sliced(facet, _values(facet, test, stored)) for key, test in tests.items()}
    if not any(slices.values()):
        raise UserError(f"no test example has a {facet}: choose another facet, or a source that has it")
    records: list[Record] = []
    for row, baseline in rows(grid):
        for name, ids in slices[row[0].test.key].items():
            records.append(replace(record(row, baseline, None, stored.only(ids)), slice=name))
    return Results(grid=grid, records=judged(records), problems=tuple(stored.problems.values()))


def sliced(facet: str, values: Mapping[str, Facet]) -> Slices:
    """The slices of examples by the value of each; no slice is empty.

    Each word is a slice, and an example with several words is in several slices. Numbers are binned by `EDGES`, or into
    quintiles with edges rounded to three digits; a number on an edge belongs to the bin above it. An example whose
    number is NaN is in no slice.
    """
    values = {id: value for id, value in values.items() if not (isinstance(value, float) and math.isnan(value))}
    numbers = {id: float(value) for id, value in values.items() if isinstance(value, int | float)}
    slices: dict[str, set[str]] = {}
    if numbers:
        edges = EDGES.get(facet) or _fifths(list(numbers.values()))
        names = _bins(edges)
        for id, band in zip(numbers, np.digitize(list(numbers.values()), edges), strict=True):
            slices.setdefault(names[band], set()).add(id)
        return {name: frozenset(slices[name]) for name in names if name in slices}
    for id, value in values.items():
        for word in value if isinstance(value, tuple) else (str(value),):
            slices.setdefault(word, set()).add(id)
    return {name: frozenset(slices[name]) for name in sorted(slices)}


def _fifths(values: Sequence[float]) -> tuple[float, ...]:
    """The inner edges of the quintiles, each once: many equal values give fewer bins."""
    edges = {float(f"{edge:.3g}") for edge in np.quantile(values, (0.2, 0.4, 0.6, 0.8))}
    return tuple(sorted(edge for edge in edges if edge > min(values)))


def _bins(edges: Sequence[float]) -> list[str]:
    """`<1000`, `1000–1400`, `≥1400`."""
    if not edges:
        return ["all"]
    texts = [f"{edge:.6g}" for edge in edges]
    return [f"<{texts[0]}", *(f"{low}–{high}" for low, high in pairwise(texts)), f"≥{texts[-1]}"]


def _values(facet: str, test: Prepare, stored: StoredArtifacts) -> Mapping[str, Facet]:
    """The values of the test examples that are stored or, before a run, would be made; {} without the facet."""
    if facet not in _known(test):
        return {}
    examples = stored.get(test) or test.task.examples(test.split, test.n, test.seed)
    return test.task.facets(examples)[facet]


def _known(test: Prepare) -> list[str]:
    return list(test.task.facets(Examples(rows=())))


def _refuse_unknown(facet: str, tests: Iterable[Prepare]) -> None:
    known = {test.task.name: _known(test) for test in tests}
    every = [name for names in known.values() for name in names]
    if facet in every:
        return
    if not every:
        raise UserError(f"no facet called {facet!r}: {' and '.join(known)} knows none, leave --by out")
    listed = "; ".join(f"{task}: {', '.join(names)}" for task, names in known.items() if names)
    raise UserError(f"no facet called {facet!r}.{nearest(facet, every)} Known: {listed}")
