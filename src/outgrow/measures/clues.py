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
LEAST = 1e-12
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


def confidence(weak: Doubles, guess: Doubles) -> float:
    """The supervisor's mean confidence."""
    return float(weak.max(1).mean())


def fold_agreement(weak: Doubles, guess: Doubles) -> float:
    """The share of labels that a student repeats which has not learned from them."""
    return float((guess.argmax(1) == weak.argmax(1)).mean())


def held_out_likelihood(weak: Doubles, guess: Doubles) -> float:
    """The mean log likelihood of a label under a student that has not learned from it, divided by the logarithm of the
    number of choices: −1 is that of guessing."""
    return float((weak * np.log(np.maximum(guess, LEAST))).sum(1).mean() / np.log(weak.shape[1]))


def expected_gain(weak: Doubles, guess: Doubles) -> float:
    """The gain that the student itself expects out of fold: the probability of its choice minus that of the label."""
    return float((guess.max(1) - guess[np.arange(len(weak)), weak.argmax(1)]).mean())


def doubt(weak: Doubles, guess: Doubles) -> float:
    """How much surer the supervisor is of labels that the student repeats out of fold than of the others; 0 where it
    repeats all or none."""
    same, sure = guess.argmax(1) == weak.argmax(1), weak.max(1)
    if same.all() or not same.any():
        return 0.0
    return float(sure[same].mean() - sure[~same].mean())


def doubtful_disagreement(weak: Doubles, guess: Doubles) -> float:
    """How much more often the student disagrees out of fold where the supervisor is unsure: minus the covariance of
    disagreement and confidence. It is `doubt` times the shares of labels that the student repeats and does not."""
    differs, sure = guess.argmax(1) != weak.argmax(1), weak.max(1)
    return float((differs * (sure.mean() - sure)).mean())


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
    student = np.maximum(known.student, LEAST)
    return float((student * np.log(student / weak)).sum(1).mean())


def fold_disagreement(known: Known) -> float:
    """The share of rows that two students of different folds answer otherwise, in the mean over pairs."""
    chosen = known.folds.argmax(2)
    return float(np.mean([(a != b).mean() for a, b in combinations(chosen, 2)]))


def steadiness(known: Known) -> float:
    """How much more often students of different folds agree with each other than with labels that are new to them. What
    labels have and no student finds again is noise to it, or knowledge that it lacks."""
    return 1.0 - fold_disagreement(known) - fold_agreement(known.weak, known.out_of_fold)


def overlap_density(known: Known) -> float:
    """The share of rows that are easy for the supervisor and near to hard ones for the student (after Shin, Cooper &
    Sala 2025): hard rows are those of low confidence, and a row overlaps whose features are most like those
    of a hard row. Both cuts are where the sorted values change most. Of many rows every so manieth is read."""
    step = -(-len(known.weak) // MOST)
    sure, features = known.weak.max(1)[::step], known.features[::step]
    easy = sure > change_point(sure)
    if easy.all() or not easy.any():
        return 0.0
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), LEAST)
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


# Of weak labels and the probabilities of a student that has not learned from them, [N, K] both.
LABEL_CLUES: Mapping[str, Callable[[Doubles, Doubles], float]] = {
    "supervisor's confidence": confidence,
    "out-of-fold agreement": fold_agreement,
    "held-out likelihood": held_out_likelihood,
    "expected gain": expected_gain,
    "doubt": doubt,
    "doubtful disagreement": doubtful_disagreement,
}
STUDENT_CLUES: Mapping[str, Callable[[Known], float]] = {
    "disagreement": disagreement,
    "misfit": misfit,
    "divergence": divergence,
    "disagreement of folds": fold_disagreement,
    "steadiness": steadiness,
    "overlap density": overlap_density,
}
CLUES = (*LABEL_CLUES, *STUDENT_CLUES)


def read_clues(known: Known) -> dict[str, float]:
    """The value of each clue, by its name."""
    of_labels = {name: clue(known.weak, known.out_of_fold) for name, clue in LABEL_CLUES.items()}
    return of_labels | {name: clue(known) for name, clue in STUDENT_CLUES.items()}
