"""Multinomial logistic regression for many label sets on one feature matrix, penalties chosen on a validation slice.

All heads are solved together, in the principal axes of the standardised features. There the curvature of the objective
is nearly diagonal, so L-BFGS in variables that are scaled by it needs some ten steps, whatever the features' scales and
correlations. The axes depend on the features alone, and every step reads the matrix once for all heads. The path of
penalties is followed in float32; the last steps for the penalty that is kept are in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.types import Doubles, Floats, UserError

CURVATURE = 0.25  # of the cross-entropy in a logit, at most
FLAT = 1e-12  # the least curvature that is scaled by: of an axis along which no row differs, without a penalty
MOST_STEPS = 500
MEMORY = 10  # pairs of steps and gradients that L-BFGS keeps
MOST_LOGITS = 4_000_000  # computed at once: what bounds memory
PART = 200_000  # numbers of the features that are read together: 0.8 to 1.6 MB, which a cache holds

COARSE, FINE = np.float32, np.float64  # types of what is computed of the rows
NOISE = {COARSE: 1e-8, FINE: 1e-15}  # the relative error of a value
TOLERANCE = {COARSE: 1e-5, FINE: 1e-7}  # of the largest gradient in scaled variables

Objective = Callable[[Doubles, npt.NDArray[np.int64]], tuple[Doubles, Doubles]]


@dataclass(frozen=True, eq=False)
class Design:
    """Features [n, width], float64, that several heads are fitted on."""

    values: Doubles

    @cached_property
    def mean(self) -> Doubles:
        found: Doubles = self.values.mean(0)
        return found

    @cached_property
    def spread(self) -> Doubles:
        """The standard deviation of each feature, 1e-6 at least."""
        found: Doubles = np.maximum(self.values.std(0), 1e-6)
        return found

    @cached_property
    def axes(self) -> tuple[Doubles, Doubles]:
        """The principal axes of the standardised features, [width, width], and the variance along each, [width]."""
        width = self.values.shape[1]
        covariance = np.zeros((width, width))
        for part in _parts(self.values):
            x = ((self.values[part] - self.mean) / self.spread).astype(np.float32)  # any orthogonal axes would do
            covariance += x.T @ x
        variance, axes = np.linalg.eigh(covariance / len(self.values))
        return axes, np.maximum(variance, 0.0)

    @cached_property
    def rotated(self) -> Floats:
        """The standardised features along the axes, float32 [n, width]."""
        found = np.empty(self.values.shape, dtype=np.float32)
        for part in _parts(self.values):
            found[part] = self.projected(self.values[part])
        return found

    def projected(self, features: Doubles) -> Doubles:
        """Other features [m, width] in the same coordinates."""
        found: Doubles = ((features - self.mean) / self.spread) @ self.axes[0]
        return found


def _parts(x: Doubles | Floats) -> list[slice]:
    """Rows of a matrix that a processor's cache holds together."""
    rows = max(1, PART // x.shape[1])
    return [slice(start, start + rows) for start in range(0, len(x), rows)]


@dataclass(frozen=True, eq=False)
class Head:
    """softmax(features @ weight.T + bias): weight float32 [classes, width], bias float32 [classes]; for each penalty a
    record of its validation loss and agreement."""

    weight: Floats
    bias: Floats
    curve: tuple[dict[str, float], ...]


def regress(
    design: Design,
    targets: Sequence[Doubles],
    validation: Doubles,
    validation_targets: Sequence[Doubles],
    penalties: Sequence[float],
) -> list[Head]:
    """One head for each of the label sets: soft labels [n, classes], and [m, classes] of the validation slice.

    validation: features [m, width]. penalties: on half the squared weights of standardised features (not on the bias),
    tried in this order, each from the solution before it; the one with the lowest validation loss is kept, of equals
    the first. A head is the same alone and among others, to 1e-5 of its largest weight, unless two penalties have
    losses within 0.2 % of each other: those of the path, which is in float32, are no more exact. Raises UserError where
    a number given or found is not finite.
    """
    for what, arrays in (
        ("features", [design.values]),
        ("labels", targets),
        ("validation features", [validation]),
        ("validation labels", validation_targets),
    ):
        for values in arrays:
            refuse_not_finite(what, values)
    most = max(1, MOST_LOGITS // targets[0].size)
    heads: list[Head] = []
    rotated = design.projected(validation)
    for first in range(0, len(targets), most):
        part = slice(first, first + most)
        heads += _path(design, _stacked(targets[part]), rotated, _stacked(validation_targets[part]), penalties)
    return heads


def _stacked(targets: Sequence[Doubles]) -> Doubles:
    """Labels [n, classes] of each head as [classes, heads, n]."""
    return np.ascontiguousarray(np.stack(targets).transpose(2, 0, 1))


def _path(
    design: Design,
    targets: Doubles,
    validation: Doubles,
    validation_targets: Doubles,
    penalties: Sequence[float],
) -> list[Head]:
    """The heads of targets [classes, heads, n], along the path of the penalties."""
    classes, count, _ = targets.shape
    solution = np.zeros((count, classes, design.values.shape[1] + 1))
    best, best_loss, chosen = solution, np.full(count, np.inf), np.zeros(count)
    curves: list[list[dict[str, float]]] = [[] for _ in range(count)]
    for penalty in penalties:
        solution = _solved(design, targets, penalty, solution, COARSE)
        log_probs = _log_probs(validation, solution)
        losses = -(validation_targets * log_probs).sum(0).mean(1)
        refuse_not_finite("a validation loss", losses)
        agreement = (log_probs.argmax(0) == validation_targets.argmax(0)).mean(1)
        for curve, loss, agrees in zip(curves, losses.tolist(), agreement.tolist(), strict=True):
            curve.append({"penalty": penalty, "validation_loss": loss, "validation_agreement": agrees})
        improved = losses < best_loss
        best = np.where(improved[:, None, None], solution, best)
        best_loss, chosen = np.minimum(losses, best_loss), np.where(improved, penalty, chosen)
    for penalty in np.unique(chosen):
        own = chosen == penalty
        best[own] = _solved(design, targets[:, own], penalty, best[own], FINE)
    weight = best[:, :, :-1] @ design.axes[0].T / design.spread
    bias = best[:, :, -1] - weight @ design.mean
    return [
        Head(weight=w.astype(np.float32), bias=b.astype(np.float32), curve=tuple(curve))
        for w, b, curve in zip(weight, bias, curves, strict=True)
    ]


def _solved(design: Design, targets: Doubles, penalty: float, start: Doubles, kind: type[np.floating[Any]]) -> Doubles:
    """The minima [heads, classes, width + 1] for one penalty, from a solution near by."""
    width = start.shape[2] - 1
    curvature = CURVATURE * np.append(design.axes[1], 1.0) + np.append(np.full(width, penalty), 0.0)
    scale = 1 / np.sqrt(np.maximum(curvature, FLAT))
    objective = _objective(design.rotated, targets, penalty, scale, kind)
    scaled = _minimised(objective, (start / scale).reshape(len(start), -1), NOISE[kind], TOLERANCE[kind])
    solution: Doubles = scaled.reshape(start.shape) * scale
    refuse_not_finite("coefficients", solution)
    return solution


def _log_probs(x: Any, solution: Any) -> Any:
    """[classes, heads, n] of features [n, width] and solutions [heads, classes, width + 1], the bias last. The classes
    come first, so that what is summed over them is summed over long rows."""
    heads, classes, _ = solution.shape
    by_class = solution.transpose(1, 0, 2)
    logits = by_class[:, :, :-1].reshape(classes * heads, -1) @ x.T
    logits = logits.reshape(classes, heads, len(x)) + by_class[:, :, -1:]
    logits -= logits.max(0)
    logits -= np.log(np.exp(logits).sum(0))
    return logits


def _objective(x: Floats, targets: Doubles, penalty: float, scale: Doubles, kind: type[np.floating[Any]]) -> Objective:
    """The mean cross-entropy with its penalty, [heads], and its gradient in scaled variables, of some of the heads.

    The rows are read in parts that stay in the processor's cache between the logits and the gradient. kind: the type
    of what is computed of a part.
    """
    classes, every, n = targets.shape

    def objective(scaled: Doubles, heads: npt.NDArray[np.int64]) -> tuple[Doubles, Doubles]:
        count = len(heads)
        solution = scaled.reshape(count, classes, -1) * scale
        wanted = targets if count == every else targets[:, heads]
        values, bias = np.zeros(count), np.zeros((classes, count))
        slopes = np.zeros((classes * count, x.shape[1]))
        rounded = solution.astype(kind)
        for rows in _parts(x):
            part, own = x[rows].astype(kind, copy=False), wanted[:, :, rows].astype(kind, copy=False)
            log_probs = _log_probs(part, rounded)
            values -= (own * log_probs).sum((0, 2), dtype=np.float64)
            residual = np.exp(log_probs, out=log_probs)
            residual -= own
            slopes += residual.reshape(classes * count, -1) @ part
            bias += residual.sum(2, dtype=np.float64)
        gradient = np.empty_like(solution)
        gradient[:, :, :-1] = slopes.reshape(classes, count, -1).transpose(1, 0, 2) / n + penalty * solution[:, :, :-1]
        gradient[:, :, -1] = bias.T / n
        values = values / n + 0.5 * penalty * (solution[:, :, :-1] ** 2).sum((1, 2))
        return values, (gradient * scale).reshape(count, -1)

    return objective


def _minimised(objective: Objective, start: Doubles, noise: float, tolerance: float) -> Doubles:
    """The minima [heads, variables] of convex objectives by L-BFGS with backtracking (Nocedal and Wright 2006,
    chapter 7.2); a head that has converged is not computed again.

    noise: the relative error of a value. tolerance: of the largest gradient.
    """
    found, active = start.copy(), np.arange(len(start))
    values, gradients = objective(start, active)
    steps: list[Doubles] = []
    changes: list[Doubles] = []
    for _ in range(MOST_STEPS):
        going = np.abs(gradients).max(1) > tolerance
        if not going.any():
            break
        if not going.all():
            active, values, gradients = active[going], values[going], gradients[going]
            steps, changes = [each[going] for each in steps], [each[going] for each in changes]
        direction = _direction(gradients, steps, changes)
        at = found[active]
        new, new_values, new_gradients = _searched(objective, active, at, values, gradients, direction, noise)
        steps, changes = [*steps, new - at][-MEMORY:], [*changes, new_gradients - gradients][-MEMORY:]
        found[active] = new
        stuck = new_values >= values - noise * np.abs(values)  # no digit left to gain
        values, gradients = new_values, np.where(stuck[:, None], 0.0, new_gradients)
    return found


def _direction(gradients: Doubles, steps: list[Doubles], changes: list[Doubles]) -> Doubles:
    """Minus the inverse Hessian, as the last steps and changes of the gradient show it, times the gradient."""
    direction, terms = gradients.copy(), []
    for step, change in zip(reversed(steps), reversed(changes), strict=True):
        curvature = (step * change).sum(1)
        rho = np.where(curvature > 1e-18, 1 / np.maximum(curvature, 1e-18), 0.0)  # 0: the pair is left out
        alpha = rho * (step * direction).sum(1)
        direction -= alpha[:, None] * change
        terms.append((step, change, rho, alpha))
    if steps:
        curvature, square = (steps[-1] * changes[-1]).sum(1), (changes[-1] ** 2).sum(1)
        direction *= np.where(curvature > 1e-18, curvature / np.maximum(square, 1e-300), 1.0)[:, None]
    for step, change, rho, alpha in reversed(terms):
        direction += (alpha - rho * (change * direction).sum(1))[:, None] * step
    return -direction


def _searched(
    objective: Objective,
    active: npt.NDArray[np.int64],
    at: Doubles,
    values: Doubles,
    gradients: Doubles,
    direction: Doubles,
    noise: float,
) -> tuple[Doubles, Doubles, Doubles]:
    """Where each head's step ends, with its value and gradient: the direction, halved until the value falls enough."""
    slope = (gradients * direction).sum(1)
    direction = np.where((slope < 0)[:, None], direction, -gradients)
    slope = np.minimum((gradients * direction).sum(1), 0.0)
    length = np.ones(len(active))
    new = at + direction
    new_values, new_gradients = objective(new, active)
    for _ in range(30):
        short = ~(new_values <= values + 1e-4 * length * slope + noise * np.abs(values))
        if not short.any():
            break
        length[short] *= 0.5
        new[short] = at[short] + length[short, None] * direction[short]
        new_values[short], new_gradients[short] = objective(new[short], active[short])
    return new, new_values, new_gradients


def refuse_not_finite(what: str, values: Doubles | Floats) -> None:
    """Raise a UserError where a number is NaN or infinite."""
    if not np.isfinite(values).all():
        raise UserError(f"a probe cannot use {what} that are not finite: look at the checkpoint's weights")


def log_softmax(logits: Doubles) -> Doubles:
    """Over the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    found: Doubles = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return found
