"""What every metric keeps to. A new file in `outgrow.metrics` is picked up by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from outgrow.metrics.base import Metric
from outgrow.plugins import find, names
from outgrow.types import Doubles, Ints, Shape, UserError

Kind = Callable[[], Metric]
METRICS: list[Any] = [find("metric", name) for name in names("metric")]
CLASSES = ("no", "maybe", "yes")


def answers(n: int = 400, seed: int = 0) -> tuple[Doubles, Ints]:
    """Predicted probabilities [n, 3] that know something of the right classes [n]."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=(0.6, 0.3, 0.1))
    logits = rng.normal(size=(n, 3)) + 1.2 * np.eye(3)[truth]
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probs, truth


@pytest.mark.parametrize("kind", METRICS, ids=lambda kind: kind.__name__)
def test_values_are_one_an_example_within_bounds_on_average(kind: Kind) -> None:
    metric, (probs, truth) = kind(), answers()
    values = metric.values(probs, truth, CLASSES)
    assert values.shape == truth.shape
    assert np.isfinite(values).all()
    assert metric.bounds[0] <= values.mean() <= metric.bounds[1]
    assert metric.name


@pytest.mark.parametrize("kind", METRICS, ids=lambda kind: kind.__name__)
def test_the_order_of_the_examples_does_not_matter(kind: Kind) -> None:
    metric, (probs, truth) = kind(), answers()
    order = np.random.default_rng(1).permutation(len(truth))
    values = metric.values(probs, truth, CLASSES)
    np.testing.assert_allclose(metric.values(probs[order], truth[order], CLASSES), values[order], atol=1e-12)


@pytest.mark.parametrize("kind", METRICS, ids=lambda kind: kind.__name__)
def test_knowing_the_truth_is_best(kind: Kind) -> None:
    metric, (probs, truth) = kind(), answers()
    sign = 1 if metric.higher_is_better else -1
    perfect = metric.values(np.eye(3)[truth], truth, CLASSES).mean()
    assert sign * perfect > sign * metric.values(probs, truth, CLASSES).mean()
    assert perfect == pytest.approx(metric.bounds[1] if metric.higher_is_better else metric.bounds[0], abs=1e-6)


@pytest.mark.parametrize("kind", METRICS, ids=lambda kind: kind.__name__)
def test_values_are_the_influence_of_each_example(kind: Kind) -> None:
    """Leaving example i out changes the metric by −(value − mean) / (N − 1), up to terms of order 1 / N²."""
    metric, (probs, truth) = kind(), answers()
    values = metric.values(probs, truth, CLASSES)
    for i in range(0, 400, 23):
        without = metric.values(np.delete(probs, i, axis=0), np.delete(truth, i), CLASSES).mean()
        change = -(values[i] - values.mean()) / (len(truth) - 1)
        assert without - values.mean() == pytest.approx(change, abs=6e-4, rel=0.05)


@pytest.mark.parametrize("kind", METRICS, ids=lambda kind: kind.__name__)
def test_tasks_without_shared_choices_are_for_accuracy_alone(kind: Kind) -> None:
    metric, chess = kind(), Shape(readout="tokens", choices=None, distinct=("e2e4",), most=30)
    metric.check(Shape(readout="head", choices=CLASSES, most=3))
    if not metric.detailed:
        return metric.check(chess)
    with pytest.raises(UserError, match="use accuracy"):
        metric.check(chess)
    return None
