"""Agreement of student and supervisor: does the student imitate its errors (Burns et al. 2023, §5.1.3)?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.accuracy import share
from outgrow.measures.crossed import Groups, Interval, OneGroupError, same_shape


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The proportion of examples on which student and supervisor give the same hard label.

    overall: among all examples. where_right, where_wrong: among those on which the supervisor is right or wrong; None
    if they are too few for an interval. High agreement where the supervisor is wrong is imitation of its errors.
    """

    overall: Interval
    where_right: Interval | None
    where_wrong: Interval | None


def agreement(
    student: npt.NDArray[Any],
    supervisor: npt.NDArray[Any],
    supervisor_correct: npt.NDArray[Any],
    groups: Groups,
    *,
    among: npt.NDArray[Any] | None = None,
    level: float = 0.95,
) -> Agreement:
    """Agreement of student and supervisor, with confidence intervals.

    student, supervisor: hard labels as indices of choices, [S, N]. supervisor_correct: the supervisor's scores, 1 right
    and 0 wrong, [S, N]; not derived from labels, since a task may accept several answers. Each may be [1, N] if it does
    not depend on the seed. groups: [N]. among: 1 for examples that count and 0 for those on which the supervisor
    abstains, in the same shape; default: all count.

    Raises ValueError for no examples, NaN, shapes that do not fit, or a single group.
    """
    predicted, weak, right = same_shape(student, supervisor, supervisor_correct)
    if np.isnan(predicted).any() or np.isnan(weak).any():
        raise ValueError("some hard labels are NaN")  # NaN never equals NaN, so it would count as disagreement
    same, answered = (predicted == weak).astype(np.float64), np.ones_like(right) if among is None else among
    overall = share(same, answered, groups, level=level)
    if overall is None:
        raise OneGroupError("the supervisor answers too few examples for an interval")
    return Agreement(
        overall=overall,
        where_right=share(same, right * answered, groups, level=level),
        where_wrong=share(same, (1.0 - right) * answered, groups, level=level),
    )
