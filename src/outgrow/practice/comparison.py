"""A fitted model compared with the weak labels, the majority class, the audited rows alone, and the model zero-shot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from outgrow.annotations import Bools
from outgrow.measures.ppi import PPIEstimate
from outgrow.numbers import percent, signed, span
from outgrow.practice.audits import Audits, audited_mean, weights
from outgrow.practice.data import PracticeData
from outgrow.types import Doubles, Labels

FEWEST = 20  # audited rows, below which no accuracy is stated
SAME = 1e-9  # how far two probabilities that count as equal may be apart
MODEL = "this model"


@dataclass(frozen=True, kw_only=True)
class LabellerScore:
    """How a labeller does on the audited rows. accuracy: on rows that it answers, with a 95 % interval; None for too
    few. answered: the share of the audited rows that it answers. versus: its accuracy minus the model's on the rows
    that it answers; None for the model itself."""

    name: str
    accuracy: PPIEstimate | None
    answered: float = 1.0
    versus: PPIEstimate | None = None

    @property
    def is_better(self) -> bool:
        """Surely better than the model."""
        return self.versus is not None and self.versus.low > 0

    @property
    def is_close(self) -> bool:
        """Worse than the model in these rows, but not surely."""
        return self.versus is not None and self.versus.mean < 0 <= self.versus.high

    @property
    def is_no_worse(self) -> bool:
        """At least as good as the model in these rows."""
        return self.versus is not None and self.versus.mean >= 0


def compare_labellers(data: PracticeData, audits: Audits, answers: Mapping[str, Labels]) -> tuple[LabellerScore, ...]:
    """Every labeller on the audited rows that the model is scored on, the model first.

    No guesses of the accuracy enter, as they do in `powered_mean`: the model has learned from the weak labels of the
    other rows, and would agree with them there more than on rows that it has not learned from.

    Args:
        data: The rows, some with ground truth.
        audits: How these were chosen, so that rows that were not drawn at random do not count for others.
        answers: The labels of each labeller by its name. Those of the model, `MODEL`, are of the rows that score it.
    """
    scored = np.isin(np.array(data.ids), answers[MODEL].ids)
    assert data.gold is not None
    known = replace(data, gold=np.where(scored, data.gold, -1))
    own = _correct(known, answers[MODEL])
    found = {name: own if name == MODEL else _correct(known, labels) for name, labels in answers.items()}
    shares = np.bincount(known.gold_labels().hard(), weights=weights(known, audits)[scored])
    found["majority class"] = np.where(scored, (data.gold == shares.argmax()).astype(np.float64), np.nan)
    return tuple(_score(name, correct, own, scored, known, audits) for name, correct in found.items())


def _score(
    name: str, correct: Doubles, own: Doubles, scored: Bools, data: PracticeData, audits: Audits
) -> LabellerScore:
    at = ~np.isnan(correct)
    answered = float(at[scored].mean())
    if at[scored].sum() < FEWEST:
        return LabellerScore(name=name, accuracy=None, answered=answered)
    among = at | ~scored if not at[~scored].any() else at  # of other rows it is not known whether they are answered
    mean = partial(audited_mean, data, audits, guesses=np.zeros(len(data)), among=among, finite=False)
    versus = None if name == MODEL else mean(np.nan_to_num(correct) - np.nan_to_num(own), proportion=False)
    return LabellerScore(name=name, accuracy=mean(np.nan_to_num(correct)), answered=answered, versus=versus)


def _correct(data: PracticeData, labels: Labels) -> Doubles:
    """For each row 1 for a right answer, 0 for a wrong one or where the right one is not known, and NaN for none."""
    assert data.gold is not None
    answer = dict(zip(labels.ids, labels.hard().tolist(), strict=True))
    pairs = zip(data.ids, data.gold.tolist(), strict=True)
    return np.array([float(answer[id] == right) if id in answer else np.nan for id, right in pairs])


def verdict(rows: Sequence[LabellerScore], audited: int) -> tuple[str, ...]:
    """What to know first, a sentence each: whether something simpler is better than the model, then how good it is."""
    if not rows:
        audit = "answer some rows (outgrow labels DATA --to-audit 100 audit.csv) and give them (--audited audit.csv)"
        return (f"the accuracy of this model is not known, because no row is audited: {audit}",)
    model = next(row for row in rows if row.name == MODEL)
    if model.accuracy is None:
        return (f"the accuracy of this model is not stated: {audited} audited rows are fewer than {FEWEST}",)
    own = f"{percent(model.accuracy.mean)} % of such rows ({span(model.accuracy.low, model.accuracy.high)})"
    first = [_warning(row) for row in rows if row.is_better] + [
        _warning(row) for row in rows if row.is_no_worse and not row.is_better
    ]
    found = f"this model is right on {own}, by {audited} audited ones that it has not learned from"
    close = [row.name for row in rows if row.is_close]
    unsure = f"better in these rows, but not surely, than {' and '.join(close)}: more random audits would tell"
    return (*first, found, *([unsure] if close else []))


def ties(labels: Labels, name: str) -> tuple[str, ...]:
    """A note on labels that have several most probable classes, of which the first stands for the row."""
    tied = sum(int((row >= row.max() - SAME).sum() > 1) for row in labels.rows())
    if not tied:
        return ()
    return (f"{tied:,} of {len(labels):,} {name} are ties: there the first of the tied classes is taken for the label",)


def _warning(row: LabellerScore) -> str:
    assert row.versus is not None
    assert row.accuracy is not None
    points = f"{signed(row.versus.mean)} points, {span(row.versus.low, row.versus.high)}"
    where = f" on the {100 * row.answered:.0f} % of rows that have one" if row.answered < 1 else ""
    line = f"{row.name}: {percent(row.accuracy.mean)} %{where}"
    if row.is_better:
        return f"{line}, better than this model ({points}): use that"
    return f"{line}, no worse than this model ({points}): it has shown no gain"
