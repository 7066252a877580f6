"""How often one model repeats the errors of another, and references: influence values [S, N] of each statistic.

Arrays have a row for each seed and a column for each test example. chosen: the index of the choice. wrong: 1 where that
is wrong, 0 where it is right or where no answer was given. The mean of a result is the statistic, and
`outgrow.measures.crossed` gives its interval; see `outgrow.measures.delta`.
"""

from __future__ import annotations

import numpy as np

from outgrow.measures.delta import function_of_means, share_values
from outgrow.types import Doubles, Ints


def repeated(student: Ints, supervisor: Ints, wrong: Doubles) -> Doubles:
    """The share of the supervisor's wrong answers that the student gives too. Raises FloatingPointError without any."""
    return share_values(student == supervisor, wrong)


def repeated_of_others(student: Ints, supervisor: Ints, wrong: Doubles) -> Doubles:
    """The same for the supervisors of the other seeds, which each student has never seen: the mean over them.

    Raises FloatingPointError where one of them is never wrong.
    """
    others = range(1, len(supervisor))
    shares = [repeated(student, np.roll(supervisor, by, axis=0), np.roll(wrong, by, axis=0)) for by in others]
    return np.asarray(np.mean(shares, axis=0), dtype=np.float64)


def repeated_by_chance(student_wrong: Doubles, wrong: Doubles, choices: Ints) -> Doubles:
    """The same for a student that errs as often, independently, and picks one of the wrong choices at random.

    choices: the number of choices of each example, [N].
    """
    hits = wrong / np.maximum(choices - 1, 1)
    return function_of_means(lambda error, hit, some: error * hit / some, student_wrong, hits, wrong)


def error_consistency(first_wrong: Doubles, second_wrong: Doubles) -> Doubles:
    """Cohen's kappa of right and wrong: how often both are right or both wrong, beyond independent errors of the same
    rates (Geirhos, Meding & Wichmann 2020, "Beyond accuracy: quantifying trial-by-trial behaviour", section 2).

    Raises FloatingPointError where both are always right, or both always wrong.
    """

    def kappa(alike: float, first: float, second: float) -> float:
        chance = first * second + (1 - first) * (1 - second)
        return (alike - chance) / (1 - chance) if chance < 1 else float("nan")

    alike = first_wrong * second_wrong + (1 - first_wrong) * (1 - second_wrong)
    return function_of_means(kappa, alike, first_wrong, second_wrong)
