"""Intervals for smooth functions of means, such as a ratio, a correlation or a slope: the delta method.

A function f of K means over seeds and examples varies, to first order, as the mean of

    f(m) + Σ_k ∂f/∂m_k (t_k − m)

over the examples, with m the means and t_k their tables. These values are each example's influence (Hampel 1974), as in
`outgrow.metrics.base`. Differences and slopes of several such statistics are the same sums of their values, and all
intervals over seeds and groups follow from `outgrow.measures.crossed`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.measures.crossed import same_shape
from outgrow.types import Doubles

STEP = 1e-6  # of the numerical derivative, relative to 1: the tables hold shares or numbers of that size


def function_of_means(function: Callable[..., float], *tables: npt.NDArray[Any]) -> Doubles:
    """The influence values [S, N] of function(mean of the first table, mean of the second, …); their mean is its value.

    tables: [S, N] each, or [1, N] where a table does not depend on the seed. Raises ValueError for shapes that do not
    fit, and FloatingPointError where the function has no finite value or slope at the means.
    """
    columns = same_shape(*tables)
    means = np.array([float(table.mean()) for table in columns])
    at = float(function(*means))
    values = np.full(columns[0].shape, at)
    for k, table in enumerate(columns):
        values = values + _slope(function, means, k) * (table - means[k])
    if not np.isfinite(values).all():
        raise FloatingPointError("the function has no finite value or slope at these means")
    return values


def share_values(hit: npt.NDArray[Any], among: npt.NDArray[Any]) -> Doubles:
    """The influence values of the share of the examples `among` that are `hit`, as in `measures.accuracy.share`.

    Raises FloatingPointError where no example is among them.
    """
    inside, weight = same_shape(hit, among)
    if not weight.any():
        raise FloatingPointError("no example is among those of the share")
    return function_of_means(lambda both, some: both / some, inside * weight, weight)


def phi_values(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Doubles:
    """The influence values of the correlation of two tables of zeros and ones (phi; Yule 1912). For errors of two
    models: 0 where they err independently, 1 where they err on the same examples alone.

    Raises FloatingPointError where one of the tables is constant.
    """
    first, second = same_shape(a, b)

    def phi(both: float, one: float, other: float) -> float:
        return float((both - one * other) / np.sqrt(one * (1 - one) * other * (1 - other)))

    with np.errstate(divide="ignore", invalid="ignore"):
        return function_of_means(phi, first * second, first, second)


def slope_values(x: Sequence[float], values: Sequence[Doubles]) -> Doubles:
    """The influence values of the least-squares slope of several statistics against x, one a model.

    values: their influence values on the same seeds and examples. Raises ValueError where all x are equal.
    """
    centred = np.asarray(x, dtype=np.float64) - np.mean(x)
    if not centred.any():
        raise ValueError("a slope needs two different values of x")
    weights = centred / np.square(centred).sum()
    return np.asarray(sum(weight * each for weight, each in zip(weights, values, strict=True)), dtype=np.float64)


def _slope(function: Callable[..., float], means: Doubles, k: int) -> float:
    """The partial derivative by the k-th mean, from both sides."""
    above, below = means.copy(), means.copy()
    above[k] += STEP
    below[k] -= STEP
    return (float(function(*above)) - float(function(*below))) / (2 * STEP)
