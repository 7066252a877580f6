"""What a store holds of an experiment: artifacts read once, test examples in one order, and what is not there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from outgrow.experiment import Cell
from outgrow.graph import Failure, Step, T, load, walk
from outgrow.steps import Score
from outgrow.store import Damaged, Store
from outgrow.types import Doubles, Ints, UserError

Status = Literal["done", "missing", "failed"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A score that is not there: `step` is what failed or is damaged, or the score itself where it was not reached."""

    step: Step[Any]
    status: Literal["missing", "failed"]
    why: str


class Shelf:
    """Artifacts of one store, each read once, with its test examples always in the same order."""

    def __init__(self, store: Store, failures: Sequence[Failure]) -> None:
        self.problems: dict[str, Problem] = {}  # by the key of what is not there
        self._store, self._stored = store, store.listing()
        self._failed = {failure.step.key: failure for failure in failures}
        self._read: dict[str, Any] = {}
        self._hard: dict[str, Ints] = {}
        self._tests: dict[str, Test] = {}
        self._only: frozenset[str] | None = None

    def only(self, ids: frozenset[str]) -> Shelf:
        """The same artifacts, of which it shows these test examples alone."""
        part = copy(self)
        part._only = ids
        return part

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

    def test(self, cell: Cell) -> Test | None:
        """The ids and groups of the test examples, in the one order used here: that of the first score read."""
        test = self._tests.get(cell.test.key)
        if test is None or self._only is None:
            return test
        kept = [i for i, id in enumerate(test.ids) if id in self._only]
        return Test(tuple(test.ids[i] for i in kept), tuple(test.groups[i] for i in kept))

    def correct(self, score: Score) -> Doubles | None:
        """What a score says of each test example, [N]."""
        if (scores := self.get(score)) is None:
            return None
        test = self._tests.setdefault(score.gold.examples.key, Test(scores.ids, scores.groups))
        return scores.correct[_places(scores.ids, test.ids, score)][self._shown(test)]

    def hard(self, score: Score) -> Ints | None:
        """The choice predicted for each test example of a score that is there, [N]."""
        if (labels := self.get(score.predictions)) is None:
            return None
        if score.key not in self._hard:
            ids = self._tests[score.gold.examples.key].ids
            self._hard[score.key] = labels.hard()[_places(labels.ids, ids, score)]
        return self._hard[score.key][self._shown(self._tests[score.gold.examples.key])]

    def _shown(self, test: Test) -> Ints | slice:
        if self._only is None:
            return slice(None)
        return np.array([i for i, id in enumerate(test.ids) if id in self._only], dtype=np.int64)

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


class Test(NamedTuple):
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
