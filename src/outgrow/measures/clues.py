"""Clues: what may say without ground truth how much better a student is than the weak labels it learned from.

Each clue is a number of one student and its labels. Whether any of them predicts the gain is a question for
measurements: `outgrow.analyses.without_truth` asks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from outgrow.types import Doubles, Ints

SMOOTHED = 0.01  # of each weak label that is spread over all choices, so that a logarithm is finite
MOST = 2000  # rows whose features are compared, each with each


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """What is known of a student and its N weak labels over K choices.

    weak, student: probabilities, float64 [N, K]; the student has learned from these labels. folds: of F students, each
    of which has learned from the labels outside its fold, float64 [F, N, K]. fold: the fold of each row, int64 [N].
    features: the student's frozen ones, float64 [N, width].
    """

    weak: Doubles
    student: Doubles
    folds: Doubles
    fold: Ints
    features: Doubles

    @cached_property
    def out_of_fold(self) -> Doubles:
        """For each row the probabilities of the student that has not learned from its label, [N, K]."""
        return np.asarray(self.folds[self.fold, np.arange(len(self.fold))], dtype=np.float64)


def confidence(known: Known) -> float:
    """The supervisor's mean confidence."""
    return float(known.weak.max(1).mean())


def disagreement(known: Known) -> float:
    """The share of its own labels that the student answers otherwise."""
    return float((known.student.argmax(1) != known.weak.argmax(1)).mean())


def misfit(known: Known) -> float:
    """Half the mean squared distance of student and label (Charikar, Pabbaraju & Shiragur 2024, theorem 1: for squared
    loss and a convex class of students the gain is at least the misfit)."""
    return float(0.5 * np.square(known.student - known.weak).sum(1).mean())


def divergence(known: Known) -> float:
    """The mean Kullback-Leibler divergence of the student from its labels, in nats: the misfit of other Bregman losses
    (Mulgund & Pabbaraju 2025). A hundredth of each label is spread over all choices."""
    weak = (1 - SMOOTHED) * known.weak + SMOOTHED / known.weak.shape[1]
    student = np.maximum(known.student, 1e-12)
    return float((student * np.log(student / weak)).sum(1).mean())


def fold_agreement(known: Known) -> float:
    """The share of labels that a student repeats which has not learned from them."""
    return float((known.out_of_fold.argmax(1) == known.weak.argmax(1)).mean())


def held_out_likelihood(known: Known) -> float:
    """The mean log likelihood of a label under a student that has not learned from it, divided by the logarithm of the
    number of choices: −1 is that of guessing."""
    likely = (known.weak * np.log(np.maximum(known.out_of_fold, 1e-12))).sum(1).mean()
    return float(likely / np.log(known.weak.shape[1]))


def fold_disagreement(known: Known) -> float:
    """The share of rows that two students of different folds answer otherwise, in the mean over pairs."""
    chosen = known.folds.argmax(2)
    return float(np.mean([(a != b).mean() for a, b in combinations(chosen, 2)]))


def steadiness(known: Known) -> float:
    """How much more often students of different folds agree with each other than with labels that are new to them. What
    labels have and no student finds again is noise to it, or knowledge that it lacks."""
    return 1.0 - fold_disagreement(known) - fold_agreement(known)


def expected_gain(known: Known) -> float:
    """The gain that the student itself expects out of fold: the probability of its choice minus that of the label."""
    rows, guess = np.arange(len(known.weak)), known.out_of_fold
    return float((guess.max(1) - guess[rows, known.weak.argmax(1)]).mean())


def doubt(known: Known) -> float:
    """How much surer the supervisor is of labels that the student repeats out of fold than of the others; 0 where it
    repeats all or none."""
    same = known.out_of_fold.argmax(1) == known.weak.argmax(1)
    if same.all() or not same.any():
        return 0.0
    sure = known.weak.max(1)
    return float(sure[same].mean() - sure[~same].mean())


def overlap_density(known: Known) -> float:
    """The share of rows that are easy for the supervisor and near to hard ones for the student (after Shin, Cooper &
    Sala 2025, section 3): hard rows are those of low confidence, and a row overlaps whose features are most like those
    of a hard row. Both cuts are where the sorted values change most. Of many rows every so manieth is read."""
    step = -(-len(known.weak) // MOST)
    sure, features = known.weak.max(1)[::step], known.features[::step]
    easy = sure > change_point(sure)
    if easy.all() or not easy.any():
        return 0.0
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    nearness = (unit[easy] @ unit[~easy].T).max(1)
    return float((nearness > change_point(nearness)).sum() / len(sure))


def change_point(values: Doubles) -> float:
    """The largest value of the lower part, where sorted values are cut into two parts that are each as equal as
    possible (least squares; Fisher 1958)."""
    ordered = np.sort(values)
    n, sums = len(ordered), np.cumsum(ordered)
    if n < 2:
        return float(ordered[-1])
    lower = np.arange(1, n)
    between = sums[:-1] ** 2 / lower + (sums[-1] - sums[:-1]) ** 2 / (n - lower)
    return float(ordered[int(between.argmax())])


CLUES: Mapping[str, Callable[[Known], float]] = {
    "supervisor's confidence": confidence,
    "disagreement": disagreement,
    "misfit": misfit,
    "divergence": divergence,
    "out-of-fold agreement": fold_agreement,
    "held-out likelihood": held_out_likelihood,
    "disagreement of folds": fold_disagreement,
    "steadiness": steadiness,
    "expected gain": expected_gain,
    "doubt": doubt,
    "overlap density": overlap_density,
}
