"""Reliability of confidence: how often an answer is right that is given with this probability.

Tables are [S seeds, N examples]. confidence: the probability of the answer that is given. correct: whether that is
right, from 0 to 1. Examples without an answer have NaN in both and count in nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.delta import share_values
from outgrow.types import Doubles, Ints

BINS = 10


def equal_mass_bins(confidence: Doubles, bins: int = BINS) -> Ints:
    """The bin of each answer, 0 to at most `bins` − 1, [S, N]; −1 without an answer. Each bin has as many answers, as
    far as equal confidences allow, which share a bin (Roelofs et al. 2022, "Mitigating bias in calibration error
    estimation")."""
    edges = np.unique(np.nanquantile(confidence, np.linspace(0, 1, bins + 1)[1:-1]))
    found = np.searchsorted(edges, confidence, side="left")
    _, dense = np.unique(np.where(np.isnan(confidence), -1, found), return_inverse=True)
    return np.asarray(dense.reshape(confidence.shape) - int(np.isnan(confidence).any()), dtype=np.int64)


def overconfidence_values(confidence: Doubles, correct: Doubles) -> Doubles:
    """The influence values of mean confidence minus accuracy, over the answers that are given, from −1 to 1."""
    given = _given(confidence)
    return share_values(np.nan_to_num(confidence), given) - share_values(np.nan_to_num(correct), given)


def ece_values(confidence: Doubles, correct: Doubles, bins: Ints) -> Doubles:
    """The influence values of the expected calibration error: the mean of |confidence − accuracy| over the bins, by the
    number of their answers (Guo et al. 2017, eq. 3). bins: of each answer, [S, N]."""
    given = _given(confidence)
    gap = np.nan_to_num(confidence - correct)
    signs = [np.sign((gap * (bins == each)).sum()) for each in range(int(bins.max()) + 1)]
    signed = gap * np.where(given > 0, np.asarray(signs)[np.maximum(bins, 0)], 0.0)
    return share_values(signed, given)


def ece_by_chance(confidence: Doubles, bins: Ints) -> float:
    """The expected calibration error that a perfectly calibrated model with these confidences shows on average, since
    bins are finite: the mean of |x| for normal x with the standard deviation of each bin's gap. Seeds count as one draw
    of the examples, because they share these."""
    given = _given(confidence)
    variance = np.nan_to_num(confidence * (1 - confidence)).sum
    per_bin = [float(np.sqrt(variance(where=bins == each) / len(given))) for each in range(int(bins.max()) + 1)]
    return float(np.sqrt(2 / np.pi) * sum(per_bin) / (given.sum() / len(given)))


def squared_error_values(confidence: Doubles, correct: Doubles) -> Doubles:
    """The influence values of the Brier score of the statement "my answer is right": the mean of (confidence −
    correct)² (Brier 1950). With two choices it is the Brier score of the probabilities, halved; from 0 to 1."""
    return share_values(np.nan_to_num(np.square(confidence - correct)), _given(confidence))


def _given(table: npt.NDArray[Any]) -> Doubles:
    given: Doubles = (~np.isnan(table)).astype(np.float64)
    return given
