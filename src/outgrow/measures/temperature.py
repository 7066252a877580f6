"""What answers are worth that are drawn from predicted probabilities, at a temperature.

A student of several supervisors that err in different places has learned the mixture of their answers. Drawn at a low
temperature its answers are their majority's, which can be better than any of theirs (Zhang et al. 2024, "Transcendence:
generative models can outperform the experts that train them").
"""

from __future__ import annotations

import numpy as np

from outgrow.types import Doubles, Ints

GREEDY = 0.0  # the temperature at which the most probable choice is taken


def tempered(probs: Doubles, offsets: Ints, temperature: float) -> Doubles:
    """The probabilities p^(1/T), scaled to sum to 1 over the choices of each example.

    probs: of all choices of N examples, flat; those of example i are probs[offsets[i]:offsets[i + 1]]. temperature: at
    0 the most probable choice has probability 1, the first of several.
    """
    starts, widths = offsets[:-1], np.diff(offsets)
    with np.errstate(divide="ignore"):
        logits = np.log(np.asarray(probs, dtype=np.float64))
    logits -= np.repeat(np.maximum.reduceat(logits, starts), widths)
    if temperature == GREEDY:
        found, places = np.zeros_like(logits), np.flatnonzero(logits == 0)
        found[places[np.searchsorted(places, starts)]] = 1.0
        return found
    found = np.exp(logits / temperature)
    return np.asarray(found / np.repeat(np.add.reduceat(found, starts), widths), dtype=np.float64)


def expected(values: Doubles, probs: Doubles, offsets: Ints) -> Doubles:
    """The mean value of an answer that is drawn with these probabilities, of each example, [N].

    values: of each choice, flat like `probs`: 1 for a right one and 0 for a wrong one gives the expected accuracy, what
    each move loses the expected win probability lost.
    """
    return np.asarray(np.add.reduceat(values * probs, offsets[:-1]), dtype=np.float64)
