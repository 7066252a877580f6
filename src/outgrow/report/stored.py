"""The scores and predictions of an experiment that a store holds, in a compact form, and which are missing.

Every artifact is read once. A score is kept as one byte an example and predictions as their hard labels: an experiment
of ten thousand students would not fit into memory otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Prepare
from outgrow.experiment.scoring import Score
from outgrow.experiment.steps import Fit
from outgrow.graph import Failure, Step, T, load, walk
from outgrow.ids import places
from outgrow.metrics.accuracy import Accuracy
from outgrow.metrics.base import Metric
from outgrow.store import Damaged, Manifest, Store
from outgrow.types import Ints, Scores, UserError

Status = Literal["done", "missing", "failed"]
Compact = npt.NDArray[Any]  # of the smallest type that holds the values
ACCURACY = Accuracy()
ABSTAINED = -1  # instead of the index of a choice
NOTES = "notes.json"  # of a fit: a list of sentences


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A score that is missing. step: the step that failed or is damaged, or the score itself if neither is known."""

    step: Step[Any]
    status: Literal["missing", "failed"]
    why: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Tested:
    """Test examples in the order of the first score that was read, which all scores are brought into."""

    ids: tuple[str, ...]
    groups: Compact

    def __len__(self) -> int:
        return len(self.ids)


class StoredArtifacts:
    """The stored artifacts of an experiment, with test examples always in the same order."""

    def __init__(self, store: Store, failures: Sequence[Failure], metric: Metric = ACCURACY) -> None:
        self.metric = metric
        self.problems: dict[str, Problem] = {}  # by the key of the missing score or damaged step
        self._store, self._stored = store, store.listing()
        self._failed = {failure.step.key: failure for failure in failures}
        self._tests: dict[str, Tested] = {}  # by the key of the examples
        self._correct: dict[str, Compact | None] = {}
        self._hard: dict[str, Compact | None] = {}
        self._details: dict[str, tuple[Compact, Compact] | None] = {}  # probabilities and truth
        self._values: dict[str, Compact | None] = {}
        self._chance: dict[str, float] = {}  # by the key of the examples
        self._classes: dict[str, tuple[str, ...]] = {}
        self._samples: dict[str, tuple[Compact, Compact] | None] = {}
        self._dropped: dict[str, int | None] = {}
        self._notes: dict[str, tuple[str, ...]] = {}
        self._numbers: dict[str, int] = {}  # of groups, by their names
        self._sampled: dict[str, Compact] = {}  # groups by the key of the examples
        self.means: dict[tuple[str, ...], Any] = {}  # what rows have estimated, by the keys of the scores
        self._only: frozenset[str] | None = None
        self._shown: dict[str, Ints] = {}

    def only(self, ids: frozenset[str]) -> StoredArtifacts:
        """A view of these test examples only."""
        part = copy(self)
        part._only, part._shown, part._values, part.means = ids, {}, {}, {}
        return part

    @property
    def whole(self) -> bool:
        return self._only is None

    def get(self, step: Step[T]) -> T | None:
        """The artifact of `step`, None if it is missing or damaged. It is not cached."""
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
        """The test examples, None if no score has been read."""
        test = self._tests.get(cell.test.key)
        if test is None or self._only is None:
            return test
        places = self._places(cell.test.key)
        return Tested(ids=tuple(test.ids[i] for i in places.tolist()), groups=test.groups[places])

    def dropped(self, cell: Cell) -> int | None:
        """The number of candidates that were left out of the test examples, None if unknown."""
        if cell.test.key not in self._dropped:
            examples = self.get(cell.test)
            self._dropped[cell.test.key] = None if examples is None else sum(count for _, count in examples.dropped)
        return self._dropped[cell.test.key]

    def correct(self, score: Score) -> Compact | None:
        """The score of each test example, [N]; None if it is missing."""
        if score.key not in self._correct:
            scores = self.get(score)
            self._correct[score.key] = None if scores is None else self._ordered(scores, score)
        return self._of_shown(self._correct[score.key], score)

    def values(self, score: Score) -> Compact | None:
        """The share of each test example in the metric, [N], NaN where a supervisor abstains; None if it is missing.

        Raises UndefinedError where the metric has no value for these examples.
        """
        if not self.metric.detailed:
            return self.correct(score)
        if score.key not in self._values:
            details = self.details(score)
            self._values[score.key] = None if details is None else self._measured(*details, score)
        return self._values[score.key]

    def _measured(self, probs: Compact, truth: Compact, score: Score) -> Compact:
        values = np.full(len(truth), np.nan)
        if (answered := ~np.isnan(probs[:, 0])).any():
            known = probs[answered].astype(np.float64), truth[answered].astype(np.int64)
            values[answered] = self.metric.values(*known, self.classes(score.gold.examples))
        return values

    def details(self, score: Score) -> tuple[Compact, Compact] | None:
        """Predicted probabilities [N, k] and right classes [N] of a detailed score; None if it is missing."""
        if score.key not in self._details:
            scores = self.get(score)
            if scores is None or scores.probs is None or scores.truth is None:
                self._details[score.key] = None
            else:
                self._ordered(scores, score)
                order = _order(scores.ids, self._tests[score.gold.examples.key].ids, score)
                self._details[score.key] = scores.probs[order], _compact(scores.truth[order])
        found = self._details[score.key]
        if found is None:
            return None
        probs, truth = (self._of_shown(each, score) for each in found)
        assert probs is not None
        assert truth is not None
        return probs, truth

    def classes(self, examples: Prepare) -> tuple[str, ...]:
        """The choices that the examples of a task share; () if they are not stored."""
        if examples.key not in self._classes:
            found = self.get(examples)
            self._classes[examples.key] = found.rows[0].choices if found else ()
        return self._classes[examples.key]

    def chance(self, cell: Cell) -> float | None:
        """The accuracy of a random choice on the test examples, if each has one right; None before `hard` was read."""
        return self._chance.get(cell.test.key)

    def _ordered(self, scores: Scores, score: Score) -> Compact:
        key = score.gold.examples.key
        if key not in self._tests:
            self._tests[key] = Tested(ids=scores.ids, groups=self._numbered(scores.groups))
        return _compact(scores.correct[_order(scores.ids, self._tests[key].ids, score)])

    def hard(self, score: Score) -> Compact | None:
        """The predicted choice for each test example of a stored score, [N], `ABSTAINED` where a supervisor gives none;
        None if the predictions are missing."""
        if score.key not in self._hard:
            labels = self.get(score.predictions)
            key = score.gold.examples.key
            ids = self._tests[key].ids
            if labels is None:
                self._hard[score.key] = None
            elif score.predictions.partial:
                chosen = dict(zip(labels.ids, labels.hard().tolist(), strict=True))
                self._hard[score.key] = _compact(np.array([chosen.get(id, ABSTAINED) for id in ids]))
            else:
                self._chance.setdefault(key, float(np.mean(1.0 / labels.widths)))
                self._hard[score.key] = _compact(labels.hard()[_order(labels.ids, ids, score)])
        return self._of_shown(self._hard[score.key], score)

    def _of_shown(self, values: Compact | None, score: Score) -> Compact | None:
        return values if values is None or self._only is None else values[self._places(score.gold.examples.key)]

    def _places(self, key: str) -> Ints:
        """The positions of the test examples of this view."""
        if key not in self._shown:
            assert self._only is not None
            places = [i for i, id in enumerate(self._tests[key].ids) if id in self._only]
            self._shown[key] = np.array(places, dtype=np.int64)
        return self._shown[key]

    def sample(self, score: Score) -> tuple[Compact, Compact] | None:
        """The share in the metric and the group of each example, [N] each, of a score whose examples differ between
        seeds; None if it is missing. Raises UndefinedError as `values` does."""
        if score.key not in self._samples:
            scores = self.get(score)
            self._samples[score.key] = None if scores is None else self._sample(scores, score)
        return self._samples[score.key]

    def _sample(self, scores: Scores, score: Score) -> tuple[Compact, Compact]:
        groups = self._numbered(scores.groups)
        known = self._sampled.setdefault(score.examples.key, groups)  # one array for all labels of the same examples
        values = scores.correct
        if self.metric.detailed and scores.probs is not None and scores.truth is not None:
            classes = self.classes(score.gold.examples)
            values = self.metric.values(scores.probs.astype(np.float64), scores.truth, classes)
        return _compact(values), known if np.array_equal(known, groups) else groups

    def _numbered(self, groups: Iterable[str]) -> Compact:
        numbers = self._numbers
        return np.array([numbers.setdefault(name, len(numbers)) for name in groups], dtype=np.int32)

    def notes(self, fits: Sequence[Fit]) -> list[tuple[str, ...]]:
        """The notes of each of these fits."""
        unread = {fit.key for fit in fits} - self._notes.keys()
        for key, manifest in self._store.manifests(unread & self._stored).items():
            noted = isinstance(manifest, Manifest) and NOTES in manifest.files
            self._notes[key] = self._read_notes(key) if noted else ()
        return [self._notes.get(fit.key, ()) for fit in fits]

    def _read_notes(self, key: str) -> tuple[str, ...]:
        try:
            notes = json.loads((self._store.fetch(key, only={NOTES}) / NOTES).read_text(encoding="utf-8"))
        except (Damaged, ValueError):
            return ("it has notes that cannot be read: run again to compute it anew",)
        return tuple(map(str, notes)) if isinstance(notes, list) else (str(notes),)

    def status(self, scores: Iterable[tuple[Score, object]]) -> Status:
        """The status of these scores, each given with its values or None. A missing one is recorded as a problem."""
        absent = [score for score, values in scores if values is None]
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
    """The values in the smallest type that holds them: an integer type for whole numbers, float32 for others."""
    for kind in (np.uint8, np.int16, np.int32):
        with np.errstate(invalid="ignore"):
            small = values.astype(kind)
        if np.array_equal(small, values):
            return small
    return values.astype(np.float32)


def _order(ids: tuple[str, ...], wanted: tuple[str, ...], score: Score) -> Ints | slice:
    """The positions of `wanted` in `ids`."""
    if ids == wanted:
        return slice(None)
    found = places(ids, wanted)
    if len(ids) != len(wanted) or (found < 0).any():
        raise UserError(f"{score.key} is not of the same test examples as the other scores: they cannot be compared")
    return found
