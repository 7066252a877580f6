"""When to stop training without ground truth: rules that read the answers of a student after E epochs.

Each rule gives the index of one of the checks. chosen, held_out: the answers to its own examples and to a held-out
slice, as indices of choices, int64 [E, N] and [E, M]. What students of other seeds answer is read by `steadiest`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from outgrow.types import Doubles, Ints


def lowest_loss(probabilities: Doubles, weak: Doubles) -> int:
    """The check whose cross-entropy to held-out weak labels is lowest: what `keep = "best"` does.

    probabilities: float64 [E, M, K]. weak: float64 [M, K].
    """
    losses = -(weak * np.log(np.maximum(probabilities, 1e-12))).sum(2).mean(1)
    return int(losses.argmin())


def highest_agreement(held_out: Ints, weak: Ints) -> int:
    """The check that repeats most of the held-out weak labels, int64 [M]; the first of several."""
    return int((held_out == weak).mean(1).argmax())


def calmest(chosen: Ints, epochs: Sequence[int]) -> int:
    """The first check after which fewer answers to the training examples had changed per epoch than after both its
    neighbours (after Yuan, Feng & Liu 2025, "Early stopping against label noise without validation data": training
    calms down, and begins to change again where it learns wrong labels). The last check where there is none."""
    spans = np.diff(np.asarray(epochs, dtype=np.float64))
    churn = (chosen[1:] != chosen[:-1]).mean(1) / spans
    for i in range(1, len(churn) - 1):
        if churn[i] < churn[i - 1] and churn[i] < churn[i + 1]:
            return i + 1
    return len(chosen) - 1


def steadiest(answers: Ints) -> int:
    """The check at which students of different seeds agree most on examples that are new to all of them; the first of
    several. answers: int64 [S, E, N] of at least two seeds."""
    return int(agreement_of_seeds(answers).argmax())


def agreement_of_seeds(answers: Ints) -> Doubles:
    """The share of examples on which two seeds agree, in the mean over pairs, [E]."""
    return np.asarray(np.mean([(a == b).mean(1) for a, b in combinations(answers, 2)], axis=0), dtype=np.float64)


def best_on_others(gains: Doubles, tasks: Sequence[str]) -> list[int | None]:
    """For each cell the rule that gained most in the mean over the cells of other tasks; None where there are none.

    gains: of R rules on C cells, float64 [R, C]. tasks: of the cells. The gain on a cell of a rule that is chosen so is
    not too good, as that of the best of R rules is.
    """
    of = np.asarray(tasks)
    others = [gains[:, of != task] for task in of]
    return [int(each.mean(1).argmax()) if each.size else None for each in others]
