"""How much a student may gain over its weak labels, without ground truth: a prediction from other tasks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.clues import LABEL_CLUES
from outgrow.measures.left_out import Line
from outgrow.numbers import percent, signed, span
from outgrow.types import Doubles, UserError

FITTED = "estimate.json"  # beside this file; `python -m bench.estimates` writes it


@dataclass(frozen=True, kw_only=True)
class GainEstimate:
    """The gain that students of other tasks had with such labels. It is no measurement of this one.

    gain: the accuracy of the student minus that of its labels, a share of 1, with its interval `low` to `high`. level:
    the share of gains on a new task that such intervals are made to hold. covered: the share that they held on tasks
    that were left out. clue: what the gain is predicted from, with its `value`; "" where no clue is surely related to
    the gain, so that it is their mean. tasks, cells: how many it is from. hard: whether no label says how sure it is,
    while theirs did. outside: whether that is so, or no value of theirs was as low, or as high: then gain and interval
    are worth nothing.
    """

    gain: float
    low: float
    high: float
    level: float
    covered: float
    clue: str
    value: float
    tasks: int
    cells: int
    hard: bool
    outside: bool

    def __str__(self) -> str:
        """One sentence for a person. It has no number where the clue is beyond those that it was fitted to: on the one
        set where that was checked, no gain lay in its interval (docs/results/estimate.md)."""
        others = f"{self.cells} students on {self.tasks} other tasks"
        if self.outside and self.hard:
            return f"not predicted: its labels do not say how sure they are, as those of the {others} do"
        if self.outside:
            return f"not predicted: its {self.clue}, {self.value:.3f}, is beyond those of the {others}"
        how = f"from its {self.clue}" if self.clue else "as the mean of all, since no clue is better than chance"
        gain = f"{signed(self.gain)} points against the labels ({span(self.low, self.high)})"
        return (
            f"predicted {how}, not measured: {gain}, by {others}; such intervals held "
            f"{percent(self.covered)} % of the gains on tasks that were left out"
        )


def estimate(weak: npt.ArrayLike, out_of_fold: npt.ArrayLike) -> GainEstimate:
    """Predict the gain of a student over its weak labels without ground truth, from students on other tasks.

    Args:
        weak: The probabilities of the labels, [n, k]; one-hot where a label has none.
        out_of_fold: The probabilities by students that have not learned from the label of the row, [n, k], such as
            those of scikit-learn's `cross_val_predict`.

    Returns:
        The estimate with its interval, which is wide. It rests on a few text sets, on heads on frozen features and on
        supervisors that say how sure they are, and says nothing of how accurate the labels themselves are.

    Raises:
        UserError: The shapes differ, there are no rows, or one has values that are no probabilities.

    Example:
        >>> weak = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]
        >>> found = outgrow.estimate(weak, [[0.8, 0.2], [0.3, 0.7], [0.1, 0.9], [0.2, 0.8]])
        >>> found.low < found.gain < found.high
        True
    """
    labels, guess = _checked("weak", weak), _checked("out_of_fold", out_of_fold)
    if labels.shape != guess.shape:
        raise UserError(
            f"weak has the shape {labels.shape} and out_of_fold {guess.shape}: give the same rows and classes"
        )
    clue = coefficients()["clue"]
    return predicted_gain(LABEL_CLUES[clue](labels, guess) if clue else 0.0, hard=bool((labels.max(1) == 1).all()))


def predicted_gain(value: float, *, hard: bool = False) -> GainEstimate:
    """The estimate for this value of the clue that `coefficients` name. hard: whether labels have no confidences."""
    fitted = coefficients()
    gain, (least, most) = float(Line(intercept=fitted["intercept"], slope=fitted["slope"]).at(value)), fitted["values"]
    return GainEstimate(
        gain=gain,
        low=gain - fitted["reach"],
        high=gain + fitted["reach"],
        level=fitted["level"],
        covered=fitted["covered"],
        clue=fitted["clue"],
        value=value,
        tasks=len(fitted["tasks"]),
        cells=fitted["cells"],
        hard=hard,
        outside=bool(fitted["clue"]) and (hard or not least <= value <= most),
    )


@cache
def coefficients() -> dict[str, Any]:
    """What `python -m bench.estimates` has fitted, with the cells that it was fitted to."""
    found: dict[str, Any] = json.loads((files("outgrow.practice") / FITTED).read_text(encoding="utf-8"))
    return found


def _checked(name: str, values: npt.ArrayLike) -> Doubles:
    """Probabilities [n, k] as float64. Raises UserError for anything else."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{name} is no table of numbers: give probabilities, a row for each label") from None
    if found.ndim != 2 or not len(found) or found.shape[1] < 2:
        raise UserError(
            f"{name} has the shape {found.shape}: give probabilities, a row for each label, two classes at least"
        )
    wrong = ~(np.isfinite(found).all(1) & (found >= 0).all(1) & (np.abs(found.sum(1) - 1) < 1e-3))
    if wrong.any():
        i = int(wrong.argmax())
        raise UserError(f"{name}[{i}] is {found[i].tolist()}: give probabilities that sum to 1")
    return found
