"""Performance gap recovered (PGR): the fraction of the gap from floor to ceiling that a student recovers.

Burns et al. 2023, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.accuracy import effective_groups, unseen
from outgrow.measures.crossed import Crossed, Groups, OneGroupError, crossed, fieller_interval, same_shape
from outgrow.types import Doubles

MIN_GROUPS = 20  # with fewer groups the estimate of a clustered variance is itself too noisy
NO_WIDTH = 1e-9  # of an interval whose variance is zero, up to rounding
WIDEST = 1.0  # an interval wider than the whole gap from floor to ceiling is not informative


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """PGR with its confidence interval, or the reason why it is withheld.

    pgr, low, high: None (never NaN) if `withheld` gives a reason. gap, gap_low, gap_high: ceiling − floor and its
    interval, None with a single group. seed_noise: False if there was one seed, so that the intervals cover variation
    between test groups only.
    """

    pgr: float | None = None
    low: float | None = None
    high: float | None = None
    withheld: str | None = None
    gap: float
    gap_low: float | None
    gap_high: float | None
    seed_noise: bool


def pgr(*, floor: float, student: float, ceiling: float) -> float:
    """The performance gap recovered, (student − floor) / (ceiling − floor) (Burns et al. 2023, section 3).

    Args:
        floor, student, ceiling: Scores of the supervisor, of the student on weak labels, and of it on ground truth.

    Returns:
        1 where the student reaches the ceiling, 0 where it stays at the floor.

    Raises:
        ValueError: Ceiling and floor are equal.

    Example:
        >>> pgr(floor=0.25, student=0.5, ceiling=0.75)
        0.5
    """
    if ceiling == floor:
        raise ValueError(f"floor and ceiling are both {floor}: there is no gap to recover")
    return (student - floor) / (ceiling - floor)


def recovered(
    floor: npt.NDArray[Any],
    student: npt.NDArray[Any],
    ceiling: npt.NDArray[Any],
    groups: Groups,
    *,
    among: npt.NDArray[Any] | None = None,
    percent: bool = True,
    level: float = 0.95,
) -> Recovery:
    """PGR over seeds and examples: the ratio of the mean differences, with Fieller's confidence interval.

    It is withheld if there are too few test groups, if the interval of the gap reaches zero (Fieller's set is then not
    an interval), or if the interval of the PGR is wider than 100 points. Where the student equals the ceiling, or the
    floor, on every example, the exact binomial bound of the share of groups where it may differ widens the interval.

    Args:
        floor, student, ceiling: Scores [S, N], or [1, N] if they do not depend on the seed (a ready-made supervisor).
            Row s is one seed and column i one test example, of group groups[i], in all three.
        groups: The group of each example, [N].
        among: 1 for an example that counts and 0 for one that does not, since the supervisor abstains, [S, N] or
            [1, N]; their share is taken as given.
        percent: Reasons give the gap in points, hundredths; False gives it as it is.
        level: The confidence level.

    Returns:
        PGR and gap with their intervals; where PGR is withheld, the reason.

    Raises:
        ValueError: There are no scores, some are NaN or infinite, or shapes do not fit.

    Example:
        >>> floor, student, ceiling = (np.arange(400).reshape(2, 200) % 100 < share for share in (40, 60, 80))
        >>> found = recovered(floor * 1.0, student * 1.0, ceiling * 1.0, np.arange(200))
        >>> round(found.pgr, 3), found.withheld
        (0.5, None)
    """
    low, middle, high = same_shape(floor, student, ceiling)
    gains = np.stack([middle - low, high - low])
    if among is not None:
        gains = gains * among / np.mean(among)
    seed_noise = len(low) > 1
    try:
        parts = crossed(gains, groups)
    except OneGroupError:
        gap = float(gains[1].mean())
        return Recovery(withheld=_too_few("1"), gap=gap, gap_low=None, gap_high=None, seed_noise=seed_noise)
    gap, half = float(parts.mean[1]), parts.half_width(np.array([0.0, 1.0]), level)
    with_gap = partial(Recovery, gap=gap, gap_low=gap - half, gap_high=gap + half, seed_noise=seed_noise)
    ratio = fieller_interval(parts, level=level)
    if ratio and ratio[1] - ratio[0] < NO_WIDTH:
        more = _unseen(high - low, among, groups, level) / (gap - half)
        ratio = ratio[0] - more, ratio[1] + more
    if parts.effective_groups < MIN_GROUPS:
        return with_gap(withheld=_too_few(_count(parts)))
    if ratio is None:
        return with_gap(withheld=_reaches_zero(parts, half, percent))
    if ratio[1] - ratio[0] > WIDEST:
        return with_gap(withheld=_not_determined(parts, *ratio))
    return with_gap(pgr=float(parts.mean[0]) / gap, low=ratio[0], high=ratio[1])


def _unseen(gaps: Doubles, among: npt.NDArray[Any] | None, groups: Groups, level: float) -> float:
    """How far the mean score of a student may lie from one that it equals on every example, [S, N]."""
    weight = np.ones((1, gaps.shape[1])) if among is None else np.asarray(among, dtype=np.float64)
    return unseen(effective_groups(weight.mean(axis=0), groups), level) * float(np.abs(gaps * weight).max())


def _too_few(count: str) -> str:
    return f"too few test groups ({count}): at least {MIN_GROUPS} groups are needed"


def _count(parts: Crossed) -> str:
    if parts.groups < MIN_GROUPS:
        return str(parts.groups)
    return f"{parts.groups}, of sizes so unequal that they count as {parts.effective_groups:.1f}"


def _reaches_zero(parts: Crossed, half: float, percent: bool) -> str:
    ends = (parts.mean[1], parts.mean[1] - half, parts.mean[1] + half)
    gap, low, high = (_points(100 * value) if percent else _points(value, 3) for value in ends)
    gap += " points" if percent else ""
    if parts.mean[1] + half < 0:
        return f"the gap between floor and ceiling is {gap}: a ceiling below its floor leaves nothing to recover"
    return (
        f"the gap between floor and ceiling is {gap}, its interval {low} to {high} reaches zero: "
        f"more {_more(parts, np.array([0.0, 1.0]))} or a weaker supervisor are needed"
    )


def _not_determined(parts: Crossed, low: float, high: float) -> str:
    ends = " to ".join(_points(100 * value, 0) for value in (low, high))
    more = _more(parts, np.array([1.0, -float(parts.mean[0] / parts.mean[1])]))
    return f"not determined, the interval {ends} % is too wide: more {more} or a weaker supervisor are needed"


def _more(parts: Crossed, direction: Doubles) -> str:
    """What would narrow the interval of direction · mean most: seeds or test examples."""
    seed, group, both = (float(direction @ part @ direction) for part in (parts.seed, parts.group, parts.both))
    return "seeds" if seed - both > group else "test examples"


def _points(value: float, decimals: int = 1) -> str:
    """A number with the typographic minus sign, and without a sign before zero."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")
