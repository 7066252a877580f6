"""What a store holds of an experiment, as small as tables need it, and what is not there.

Every artifact is read once. Of a score only a byte an example stays in memory, of predictions their hard labels: an
experiment of ten thousand students would not fit otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from outgrow.experiment import Cell
from outgrow.graph import Failure, Step, T, load, walk
from outgrow.steps import Fit, Score
from outgrow.store import Damaged, Manifest, Store
from outgrow.types import Ints, Scores, UserError

Status = Literal["done", "missing", "failed"]
Compact = npt.NDArray[Any]  # of the smallest type that holds the values
NOTES = "notes.json"  # what a fit has to say of itself: a list of sentences


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A score that is not there: `step` is what failed or is damaged, or the score itself where it was not reached."""

    step: Step[Any]
    status: Literal["missing", "failed"]
    why: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Tested:
    """Test examples in the one order used here, that of the first score read, with their groups as numbers."""

    ids: tuple[str, ...]
    groups: Compact

    def __len__(self) -> int:
        return len(self.ids)


class StoredArtifacts:
    """What is known of the artifacts of one store, with its test examples always in the same order."""

    def __init__(self, store: Store, failures: Sequence[Failure]) -> None:
        self.problems: dict[str, Problem] = {}  # by the key of what is not there
        self._store, self._stored = store, store.listing()
        self._failed = {failure.step.key: failure for failure in failures}
        self._tests: dict[str, Tested] = {}  # by the key of the examples
        self._correct: dict[str, Compact | None] = {}
        self._hard: dict[str, Compact | None] = {}
        self._samples: dict[str, tuple[Compact, Compact] | None] = {}
        self._dropped: dict[str, int | None] = {}
        self._notes: dict[str, tuple[str, ...]] = {}
        self._numbers: dict[str, int] = {}  # of groups, by their names
        self._sampled: dict[str, Compact] = {}  # groups by the key of the examples
        self._only: frozenset[str] | None = None
        self._shown: dict[str, Ints] = {}

    def only(self, ids: frozenset[str]) -> StoredArtifacts:
        """The same artifacts, of which it shows these test examples alone."""
        part = copy(self)
        part._only, part._shown = ids, {}
        return part

    @property
    def whole(self) -> bool:
        return self._only is None

    def get(self, step: Step[T]) -> T | None:
        """The artifact of `step`, None where there is none that can be trusted. It is not kept."""
        if step.key in self._stored:
            try:
                return load(step, self._store)
            except Damaged as damage:
                why = f"{damage.why}: run again to compute it anew"
                self.problems[step.key] = Problem(step=step, status="failed", why=why)
            except KeyError:
                pass  # pruned since the listing
        return None

    def test(self, cell: Cell) -> Tested | None:
        """The test examples, None where no score has been read."""
        test = self._tests.get(cell.test.key)
        if test is None or self._only is None:
            return test
        places = self._places(cell.test.key)
        return Tested(ids=tuple(test.ids[i] for i in places.tolist()), groups=test.groups[places])

    def dropped(self, cell: Cell) -> int | None:
        """How many candidates were left out of the test examples."""
        if cell.test.key not in self._dropped:
            examples = self.get(cell.test)
            self._dropped[cell.test.key] = None if examples is None else sum(count for _, count in examples.dropped)
        return self._dropped[cell.test.key]

    def correct(self, score: Score) -> Compact | None:
        """What a score says of each test example, [N]."""
        if score.key not in self._correct:
            scores = self.get(score)
            self._correct[score.key] = None if scores is None else self._ordered(scores, score)
        return self._of_shown(self._correct[score.key], score)

    def _ordered(self, scores: Scores, score: Score) -> Compact:
        key = score.gold.examples.key
        if key not in self._tests:
            self._tests[key] = Tested(ids=scores.ids, groups=self._numbered(scores.groups))
        return _compact(scores.correct[_order(scores.ids, self._tests[key].ids, score)])

    def hard(self, score: Score) -> Compact | None:
        """The choice predicted for each test example of a score that is there, [N]."""
        if score.key not in self._hard:
            labels = self.get(score.predictions)
            ids = self._tests[score.gold.examples.key].ids
            chosen = None if labels is None else labels.hard()[_order(labels.ids, ids, score)]
            self._hard[score.key] = None if chosen is None else _compact(chosen)
        return self._of_shown(self._hard[score.key], score)

    def _of_shown(self, found: Compact | None, score: Score) -> Compact | None:
        return found if found is None or self._only is None else found[self._places(score.gold.examples.key)]

    def _places(self, key: str) -> Ints:
        """Where the shown test examples stand."""
        if key not in self._shown:
            assert self._only is not None
            places = [i for i, id in enumerate(self._tests[key].ids) if id in self._only]
            self._shown[key] = np.array(places, dtype=np.int64)
        return self._shown[key]

    def sample(self, score: Score) -> tuple[Compact, Compact] | None:
        """What a score says of examples that others need not share: scores and groups, [N] each."""
        if score.key not in self._samples:
            scores = self.get(score)
            self._samples[score.key] = None if scores is None else self._sample(scores, score)
        return self._samples[score.key]

    def _sample(self, scores: Scores, score: Score) -> tuple[Compact, Compact]:
        groups = self._numbered(scores.groups)
        known = self._sampled.setdefault(score.examples.key, groups)  # one array for all labels of the same examples
        return _compact(scores.correct), known if np.array_equal(known, groups) else groups

    def _numbered(self, groups: Iterable[str]) -> Compact:
        numbers = self._numbers
        return np.array([numbers.setdefault(name, len(numbers)) for name in groups], dtype=np.int32)

    def notes(self, fits: Sequence[Fit]) -> list[tuple[str, ...]]:
        """What each of these fits has to say of itself."""
        unread = {fit.key for fit in fits} - self._notes.keys()
        for key, manifest in self._store.manifests(unread & self._stored).items():
            noted = isinstance(manifest, Manifest) and NOTES in manifest.files
            self._notes[key] = self._read_notes(key) if noted else ()
        return [self._notes.get(fit.key, ()) for fit in fits]

    def _read_notes(self, key: str) -> tuple[str, ...]:
        try:
            found = json.loads((self._store.fetch(key, only={NOTES}) / NOTES).read_text(encoding="utf-8"))
        except (Damaged, ValueError):
            return ("it has notes that cannot be read: run again to compute it anew",)
        return tuple(map(str, found)) if isinstance(found, list) else (str(found),)

    def status(self, found: Iterable[tuple[Score, object]]) -> Status:
        """Whether all of these scores are there, each with what was found of it; one that is not becomes a problem."""
        absent = [score for score, values in found if values is None]
        for score in absent:
            if score.key not in self.problems:
                self.problems[score.key] = self._problem(score)
        if not absent:
            return "done"
        return "failed" if any(self.problems[score.key].status == "failed" for score in absent) else "missing"

    def _problem(self, score: Score) -> Problem:
        behind = walk([score]) if self._failed else ()
        failure = next((self._failed[step.key] for step in behind if step.key in self._failed), None)
        if failure:
            return Problem(step=failure.step, status="failed", why=failure.error_text.strip())
        return Problem(step=score, status="missing", why="not computed yet")


def _compact(values: Compact) -> Compact:
    """The same values in the smallest type that holds them: a byte where they are whole, four where they are not."""
    for kind in (np.uint8, np.int16, np.int32):
        with np.errstate(invalid="ignore"):
            small = values.astype(kind)
        if np.array_equal(small, values):
            return small
    return values.astype(np.float32)


def _order(ids: tuple[str, ...], wanted: tuple[str, ...], score: Score) -> Ints | slice:
    """Where each of `wanted` stands in `ids`."""
    if ids == wanted:
        return slice(None)
    where = {id: i for i, id in enumerate(ids)}
    if len(ids) != len(wanted) or where.keys() != set(wanted):
        raise UserError(f"{score.key} is not of the same test examples as the other scores: they cannot be compared")
    return np.array([where[id] for id in wanted], dtype=np.int64)
