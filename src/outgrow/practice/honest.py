"""What stands beside a model: the weak labels, the majority class, the audited rows alone, the model when asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from outgrow.measures.accuracy import accuracy
from outgrow.measures.crossed import Interval
from outgrow.measures.difference import Difference, paired
from outgrow.types import Doubles, Ints, Labels

FEWEST = 20  # audited rows, below which no accuracy is stated
MODEL = "this model"


@dataclass(frozen=True, kw_only=True)
class Beside:
    """How a labeller does on the audited rows. accuracy: of the rows that it answers, with a 95 % interval; None for
    too few. answered: their share. versus: its accuracy minus the model's on the rows that it answers; None for the
    model itself."""

    name: str
    accuracy: Interval | None
    answered: float = 1.0
    versus: Difference | None = None

    @property
    def is_better(self) -> bool:
        """Surely better than the model."""
        return self.versus is not None and self.versus.low > 0

    @property
    def is_no_worse(self) -> bool:
        """At least as good as the model in these rows."""
        return self.versus is not None and self.versus.mean >= 0


def beside(gold: Labels, answers: Mapping[str, Labels]) -> tuple[Beside, ...]:
    """Every labeller on the same audited rows, the model first.

    Args:
        gold: The ground truth of the audited rows, one-hot.
        answers: The labels of each labeller by its name; that of the model, `MODEL`, has all of the rows. Labellers may
            lack some.
    """
    ids, truth = gold.ids, gold.hard()
    own = _correct(answers[MODEL], ids, truth)
    found = {name: own if name == MODEL else _correct(labels, ids, truth) for name, labels in answers.items()}
    majority = np.bincount(truth).argmax()
    found["majority class"] = (truth == majority).astype(np.float64)
    return tuple(_beside(name, correct, own, ids) for name, correct in found.items())


def _beside(name: str, correct: Doubles, own: Doubles, ids: Sequence[str]) -> Beside:
    at = ~np.isnan(correct)
    if at.sum() < FEWEST:
        return Beside(name=name, accuracy=None, answered=float(at.mean()))
    kept = [id for id, answered in zip(ids, at, strict=True) if answered]
    return Beside(
        name=name,
        accuracy=accuracy(correct[None, at], kept),
        answered=float(at.mean()),
        versus=None if name == MODEL else paired(correct[None, at], own[None, at], kept),
    )


def _correct(labels: Labels, ids: Sequence[str], truth: Ints) -> Doubles:
    """1 for a right answer, 0 for a wrong one, NaN for none, float64 [n]."""
    answer = dict(zip(labels.ids, labels.hard().tolist(), strict=True))
    found = [float(answer[id] == right) if id in answer else np.nan for id, right in zip(ids, truth, strict=True)]
    return np.array(found, dtype=np.float64)


def verdict(rows: Sequence[Beside], audited: int) -> tuple[str, ...]:
    """What to know first, a sentence each: whether something simpler is better than the model, then how good it is."""
    if not rows:
        return ("how good this model is cannot be said, because no row is audited",)
    model = next(row for row in rows if row.name == MODEL)
    if model.accuracy is None:
        return (f"how good this model is cannot be said: {audited} audited rows are fewer than {FEWEST}",)
    own = f"{model.accuracy.mean:.1%} of {audited} audited rows ({_range(model.accuracy)})"
    first = [_warning(row) for row in rows if row.is_better] + [
        _warning(row) for row in rows if row.is_no_worse and not row.is_better
    ]
    return (*first, f"this model is right on {own}, none of which it has learned from")


def _warning(row: Beside) -> str:
    assert row.versus is not None
    assert row.accuracy is not None
    points = f"{100 * row.versus.mean:+.1f} points, {100 * row.versus.low:.1f} to {100 * row.versus.high:.1f}"
    where = f" on the {row.answered:.0%} of rows that have one" if row.answered < 1 else ""
    if row.is_better:
        return f"{row.name}: {row.accuracy.mean:.1%}{where}, better than this model ({points}): use that"
    return f"{row.name}: {row.accuracy.mean:.1%}{where}, no worse than this model ({points}): it has shown no gain"


def _range(interval: Interval) -> str:
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"
