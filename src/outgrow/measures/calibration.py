"""Do probabilities mean what they say? Expected calibration error, log loss, Brier score.

Examples may have different numbers of choices: `probs` is flat and example i owns probs[offsets[i]:offsets[i + 1]], as
in `outgrow.types.Labels`. `gold` is flat likewise: one-hot where the truth is one choice, a distribution where it is
soft.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.types import Doubles

SMALLEST = float(np.finfo(np.float32).eps)  # stored probabilities are float32: a zero may be a rounded one


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """ece: from 0 to 1. log_loss: nats an example. brier: sum of squares over an example's choices, from 0 to 2."""

    ece: float
    log_loss: float
    brier: float


def calibration(
    probs: npt.NDArray[Any], offsets: npt.NDArray[Any], gold: npt.NDArray[Any], *, bins: int = 15
) -> Calibration:
    """All three, as means over examples: probs and gold [sum of choices], offsets [N + 1].

    ValueError: no examples, an example without choices, NaN, rows that do not sum to 1, shapes that do not fit.
    """
    return Calibration(
        ece=expected_calibration_error(probs, offsets, gold, bins=bins),
        log_loss=float(log_losses(probs, offsets, gold).mean()),
        brier=float(brier_scores(probs, offsets, gold).mean()),
    )


def expected_calibration_error(
    probs: npt.NDArray[Any], offsets: npt.NDArray[Any], gold: npt.NDArray[Any], *, bins: int = 15
) -> float:
    """Mean distance of confidence and accuracy over equally wide bins of confidence (Guo et al. 2017, eq. 3).

    Confidence is the largest probability of an example, the first of equals being the answer; accuracy is the gold
    probability of that answer.
    """
    said, truth, starts = _checked(probs, offsets, gold)
    if bins < 1:
        raise ValueError(f"at least one bin is needed, got {bins}")
    confidence = np.maximum.reduceat(said, starts)
    largest = np.flatnonzero(said == np.repeat(confidence, np.diff(np.append(starts, len(said)))))
    answer = largest[np.searchsorted(largest, starts)]
    where = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)  # bins are (low, high]
    distance = np.bincount(where, weights=confidence - truth[answer], minlength=bins)
    return float(np.abs(distance).sum() / len(starts))


def log_losses(probs: npt.NDArray[Any], offsets: npt.NDArray[Any], gold: npt.NDArray[Any]) -> Doubles:
    """−Σ gold · ln(probs) of each example, in nats [N]; probabilities below float32's epsilon count as epsilon."""
    said, truth, starts = _checked(probs, offsets, gold)
    return np.add.reduceat(-truth * np.log(np.maximum(said, SMALLEST)), starts)


def brier_scores(probs: npt.NDArray[Any], offsets: npt.NDArray[Any], gold: npt.NDArray[Any]) -> Doubles:
    """Σ (probs − gold)² of each example [N], from 0 to 2 (Brier 1950)."""
    said, truth, starts = _checked(probs, offsets, gold)
    return np.add.reduceat(np.square(said - truth), starts)


def _checked(
    probs: npt.NDArray[Any], offsets: npt.NDArray[Any], gold: npt.NDArray[Any]
) -> tuple[Doubles, Doubles, npt.NDArray[np.int64]]:
    """probs and gold as float64, and where each example starts."""
    said, truth = np.asarray(probs, dtype=np.float64), np.asarray(gold, dtype=np.float64)
    ends = np.asarray(offsets, dtype=np.int64)
    if len(ends) < 2:
        raise ValueError("calibration needs at least one example")
    if said.ndim != 1 or said.shape != truth.shape or ends[0] != 0 or ends[-1] != len(said):
        shapes = f"probs {said.shape}, gold {truth.shape}, offsets from {ends[0]} to {ends[-1]}"
        raise ValueError(f"{shapes} do not fit: probs and gold are flat, and offsets run from 0 to their length")
    if (np.diff(ends) < 1).any():
        raise ValueError(f"example {int(np.argmax(np.diff(ends) < 1))} has no choices")
    for name, values in (("probs", said), ("gold", truth)):
        sums = np.add.reduceat(values, ends[:-1])
        if not (np.abs(sums - 1.0) < 1e-3).all() or (values < 0).any():  # also where a NaN makes the sum one
            raise ValueError(f"{name}: every example's probabilities must be non-negative numbers that sum to 1")
    return said, truth, ends[:-1]
