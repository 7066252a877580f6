"""Calibration: expected calibration error, log loss and Brier score.

Examples may have different numbers of choices: `probs` is flat, and the probabilities of example i are
probs[offsets[i]:offsets[i + 1]], as in `outgrow.types.Labels`. `gold`, the ground truth, has the same layout: one-hot,
or a distribution if several answers are right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.types import Doubles

EPSILON = float(np.finfo(np.float32).eps)  # stored probabilities are float32, so a 0 may be a rounded small number


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """ece: expected calibration error, 0 to 1. log_loss: in nats. brier: sum of squares over the choices, 0 to 2."""

    ece: float
    log_loss: float
    brier: float


def calibration(
    probs: npt.NDArray[Any], offsets: npt.NDArray[Any], gold: npt.NDArray[Any], *, bins: int = 15
) -> Calibration:
    """All three measures, as means over examples.

    probs, gold: [total number of choices]. offsets: [N + 1]. bins: of the expected calibration error.

    Raises ValueError for no examples, an example without choices, NaN, probabilities that do not sum to 1, or shapes
    that do not fit.
    """
    return Calibration(
        ece=expected_calibration_error(probs, offsets, gold, bins=bins),
        log_loss=float(log_losses(probs, offsets, gold).mean()),
        brier=float(brier_scores(probs, offsets, gold).mean()),
    )


def expected_calibration_error(
    probs: npt.NDArray[Any], offsets: npt.NDArray[Any], gold: npt.NDArray[Any], *, bins: int = 15
) -> float:
    """The weighted mean of |accuracy − confidence| over equally wide bins of confidence (Guo et al. 2017, eq. 3).

    The confidence of an example is its largest probability; the prediction is that choice, the first one in case of
    ties. The accuracy is the gold probability of the prediction. Raises ValueError as `calibration` does, and for
    bins < 1.
    """
    predictions, truth, starts = _checked(probs, offsets, gold)
    if bins < 1:
        raise ValueError(f"at least one bin is needed, got {bins}")
    confidence = np.maximum.reduceat(predictions, starts)
    largest = np.flatnonzero(predictions == np.repeat(confidence, np.diff(np.append(starts, len(predictions)))))
    predicted = largest[np.searchsorted(largest, starts)]
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)  # bins are (low, high]
    gaps = np.bincount(bin_of, weights=confidence - truth[predicted], minlength=bins)
    return float(np.abs(gaps).sum() / len(starts))


def log_losses(probs: npt.NDArray[Any], offsets: npt.NDArray[Any], gold: npt.NDArray[Any]) -> Doubles:
    """−Σ gold · ln(probs) of each example, in nats, [N]. Probabilities are clipped to float32's epsilon from below."""
    predictions, truth, starts = _checked(probs, offsets, gold)
    return np.add.reduceat(-truth * np.log(np.maximum(predictions, EPSILON)), starts)


def brier_scores(probs: npt.NDArray[Any], offsets: npt.NDArray[Any], gold: npt.NDArray[Any]) -> Doubles:
    """Σ (probs − gold)² of each example, from 0 to 2, [N] (Brier 1950)."""
    predictions, truth, starts = _checked(probs, offsets, gold)
    return np.add.reduceat(np.square(predictions - truth), starts)


def _checked(
    probs: npt.NDArray[Any], offsets: npt.NDArray[Any], gold: npt.NDArray[Any]
) -> tuple[Doubles, Doubles, npt.NDArray[np.int64]]:
    """probs and gold as float64, and the offset at which each example starts. Raises ValueError."""
    predictions, truth = np.asarray(probs, dtype=np.float64), np.asarray(gold, dtype=np.float64)
    ends = np.asarray(offsets, dtype=np.int64)
    if len(ends) < 2:
        raise ValueError("calibration needs at least one example")
    if predictions.ndim != 1 or predictions.shape != truth.shape or ends[0] != 0 or ends[-1] != len(predictions):
        shapes = f"probs {predictions.shape}, gold {truth.shape}, offsets from {ends[0]} to {ends[-1]}"
        raise ValueError(f"{shapes} do not fit: probs and gold are flat, and offsets run from 0 to their length")
    if (np.diff(ends) < 1).any():
        raise ValueError(f"example {int(np.argmax(np.diff(ends) < 1))} has no choices")
    for name, values in (("probs", predictions), ("gold", truth)):
        sums = np.add.reduceat(values, ends[:-1])
        if not (np.abs(sums - 1.0) < 1e-3).all() or (values < 0).any():  # also where a NaN makes the sum one
            raise ValueError(f"{name}: every example's probabilities must be non-negative numbers that sum to 1")
    return predictions, truth, ends[:-1]
