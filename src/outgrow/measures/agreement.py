"""How often the student says what its supervisor says (Burns et al. 2023, §5.1.3): learning the task or its errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.accuracy import accuracy, share
from outgrow.measures.crossed import Groups, Interval, same_shape


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Shares of examples on which student and supervisor give the same hard label: of all, and of those on which the
    supervisor is right or wrong (None where these are too few to state a share). High agreement where the supervisor
    is wrong is imitation of its errors."""

    overall: Interval
    where_right: Interval | None
    where_wrong: Interval | None


def agreement(
    student: npt.NDArray[Any],
    supervisor: npt.NDArray[Any],
    supervisor_correct: npt.NDArray[Any],
    groups: Groups,
    *,
    level: float = 0.95,
) -> Agreement:
    """student, supervisor: hard labels (indices of choices) [S, N]; supervisor_correct: 1 right, 0 wrong [S, N].

    Each may be [1, N] where no seed plays a part. Right and wrong come as scores, since a task may accept several
    answers. ValueError: empty, NaN, shapes that do not fit, or all examples of one group.
    """
    ours, theirs, right = same_shape(student, supervisor, supervisor_correct)
    if np.isnan(ours).any() or np.isnan(theirs).any():
        raise ValueError("some hard labels are NaN")  # NaN never equals NaN, and would read as disagreement
    same = (ours == theirs).astype(np.float64)
    return Agreement(
        overall=accuracy(same, groups, level=level),
        where_right=share(same, right, groups, level=level),
        where_wrong=share(same, 1.0 - right, groups, level=level),
    )
