"""Performance gap recovered (Burns et al. 2023, §3): how much of the way from floor to ceiling a student has come."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.crossed import Crossed, Groups, OneGroupError, crossed, fieller_interval, same_shape
from outgrow.types import Doubles

MIN_GROUPS = 20  # below about this many groups a clustered variance is itself too noisy to state anything
WIDEST = 1.0  # an interval wider than from floor to ceiling says nothing


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """PGR with its interval, or the reason why it is withheld: then pgr, low and high are None, never NaN.

    gap = ceiling − floor, with its interval (None where the groups are too few for any interval).
    `seed_noise` is False where there was one seed and the intervals speak of test groups only.
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
    """(student − floor) / (ceiling − floor), Burns et al. 2023, §3. ValueError where ceiling and floor are equal."""
    if ceiling == floor:
        raise ValueError(f"floor and ceiling are both {floor}: there is no gap to recover")
    return (student - floor) / (ceiling - floor)


def recovered(
    floor: npt.NDArray[Any],
    student: npt.NDArray[Any],
    ceiling: npt.NDArray[Any],
    groups: Groups,
    *,
    level: float = 0.95,
) -> Recovery:
    """PGR over seeds and examples: the ratio of the mean differences, with a Fieller interval.

    It is withheld where the test groups are too few, where the gap's interval reaches zero (Fieller's set is then not
    an interval), and where the interval of the PGR is wider than 100 points.

    floor, student, ceiling: scores [S, N], or [1, N] for what no seed touches (a ready-made supervisor); row s of all
    three belongs to one seed, column i to one test example of group groups[i].
    ValueError: empty, NaN or infinite scores, shapes that do not fit.
    """
    low, middle, high = same_shape(floor, student, ceiling)
    gains = np.stack([middle - low, high - low])
    seed_noise = len(low) > 1
    try:
        parts = crossed(gains, groups)
    except OneGroupError:
        gap = float(gains[1].mean())
        return Recovery(withheld=_too_few("1"), gap=gap, gap_low=None, gap_high=None, seed_noise=seed_noise)
    gap, half = float(parts.mean[1]), parts.half_width(np.array([0.0, 1.0]), level)
    with_gap = partial(Recovery, gap=gap, gap_low=gap - half, gap_high=gap + half, seed_noise=seed_noise)
    ratio = fieller_interval(parts, level=level)
    if parts.effective_groups < MIN_GROUPS:
        return with_gap(withheld=_too_few(_count(parts)))
    if ratio is None:
        return with_gap(withheld=_reaches_zero(parts, half))
    if ratio[1] - ratio[0] > WIDEST:
        return with_gap(withheld=_not_determined(parts, *ratio))
    return with_gap(pgr=float(parts.mean[0]) / gap, low=ratio[0], high=ratio[1])


def _too_few(count: str) -> str:
    return f"too few test groups ({count}): at least {MIN_GROUPS} are needed"


def _count(parts: Crossed) -> str:
    if parts.groups < MIN_GROUPS:
        return str(parts.groups)
    return f"{parts.groups}, of sizes so unequal that they count as {parts.effective_groups:.1f}"


def _reaches_zero(parts: Crossed, half: float) -> str:
    gap, low, high = (_points(100 * value) for value in (parts.mean[1], parts.mean[1] - half, parts.mean[1] + half))
    if parts.mean[1] + half < 0:
        return f"the gap between floor and ceiling is {gap} points: a ceiling below its floor leaves nothing to recover"
    return (
        f"the gap between floor and ceiling is {gap} points, its interval {low} to {high} reaches zero: "
        f"more {_more(parts, np.array([0.0, 1.0]))} or a weaker supervisor are needed"
    )


def _not_determined(parts: Crossed, low: float, high: float) -> str:
    ends = " to ".join(_points(100 * value, 0) for value in (low, high))
    more = _more(parts, np.array([1.0, -float(parts.mean[0] / parts.mean[1])]))
    return f"not determined, the interval {ends} % says nothing: more {more} or a weaker supervisor are needed"


def _more(parts: Crossed, direction: Doubles) -> str:
    """What would narrow the interval of direction · mean most."""
    seed, group, both = (float(direction @ part @ direction) for part in (parts.seed, parts.group, parts.both))
    return "seeds" if seed - both > group else "test examples"


def _points(value: float, decimals: int = 1) -> str:
    """With a real minus sign, and no minus before a zero."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")
