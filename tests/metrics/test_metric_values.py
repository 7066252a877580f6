"""Metrics against scikit-learn, by hand, and the coverage of their intervals."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from outgrow.measures.crossed import mean_interval
from outgrow.metrics.auroc import Auroc
from outgrow.metrics.balanced_accuracy import BalancedAccuracy
from outgrow.metrics.base import Metric, UndefinedError
from outgrow.metrics.brier import Brier
from outgrow.metrics.f1 import F1
from outgrow.metrics.log_loss import LogLoss
from outgrow.types import Doubles, Ints, Shape, UserError

CLASSES = ("a", "b", "c")


def drawn(n: int, k: int, seed: int, rare: float = 0.2) -> tuple[Doubles, Ints]:
    """Probabilities with ties, and classes of unequal frequency."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(k, n, p=np.array([1 - rare, *[rare / (k - 1)] * (k - 1)]))
    logits = np.round(rng.normal(size=(n, k)) + np.eye(k)[truth], 1)
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), truth


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [2, 3])
def test_point_values_are_those_of_scikit_learn(k: int, seed: int) -> None:
    probs, truth = drawn(150, k, seed)
    predicted = probs.argmax(axis=1)
    area = sk.roc_auc_score(truth, probs[:, 1] if k == 2 else probs, multi_class="ovr", average="macro")
    wanted = {
        BalancedAccuracy(): sk.balanced_accuracy_score(truth, predicted),
        Auroc(): area,
        F1(): sk.f1_score(truth, predicted, average="macro"),
        F1(of="b"): sk.f1_score(truth, predicted, labels=[1], average="macro"),
        LogLoss(): sk.log_loss(truth, probs, labels=range(k)),
        Brier(): 0.5 * np.square(probs - np.eye(k)[truth]).sum(axis=1).mean(),
    }
    for metric, value in wanted.items():
        assert metric.values(probs, truth, CLASSES).mean() == pytest.approx(value, abs=1e-9), metric.name
    if k == 2:
        assert Brier().values(probs, truth, CLASSES).mean() == pytest.approx(sk.brier_score_loss(truth, probs[:, 1]))


def test_an_area_by_hand() -> None:
    """Class b scores 0.8, 0.4; class a 0.6, 0.4: of four pairs two are won, one is lost, one is tied: 2.5 / 4."""
    b = np.array([0.8, 0.4, 0.6, 0.4])
    probs, truth = np.stack([1 - b, b], axis=1), np.array([1, 1, 0, 0])
    values = Auroc().values(probs, truth, ("a", "b"))
    assert values.mean() == pytest.approx(0.625)
    np.testing.assert_allclose(values, [1.375, -0.125, 0.375, 0.875])


def test_what_has_no_value_is_reported() -> None:
    probs = np.full((3, 2), 0.5)
    with pytest.raises(UndefinedError, match="two classes"):
        Auroc().values(probs, np.zeros(3, dtype=np.int64), CLASSES)
    assert F1(of="b").values(probs, np.zeros(3, dtype=np.int64), CLASSES).mean() == 0
    with pytest.raises(UserError, match="no class called 'spam': choose one of ham, eggs"):
        F1(of="spam").check(Shape(readout="head", choices=("ham", "eggs"), most=2))


def test_a_probability_of_zero_is_a_finite_loss() -> None:
    loss = LogLoss().values(np.array([[1.0, 0.0]]), np.array([1]), CLASSES)
    assert loss[0] == pytest.approx(-np.log(np.finfo(np.float32).eps))


@pytest.mark.parametrize("metric", [BalancedAccuracy(), Auroc(), F1(), F1(of="b")], ids=lambda metric: metric.name)
def test_intervals_over_groups_cover(metric: Metric) -> None:
    """Groups of two examples that share their noise; the interval should hold the value of a very large sample."""
    probs, truth = grouped(60_000, 99)
    value, covered, runs = metric.values(probs, truth, ("a", "b")).mean(), 0, 300
    for seed in range(runs):
        probs, truth = grouped(150, seed)
        interval = mean_interval(metric.values(probs, truth, ("a", "b"))[None], np.repeat(np.arange(150), 2))
        covered += interval.low <= value <= interval.high
    assert 0.91 <= covered / runs <= 0.98


def grouped(groups: int, seed: int) -> tuple[Doubles, Ints]:
    rng = np.random.default_rng(seed)
    truth = np.repeat((rng.random(groups) < 0.3).astype(np.int64), 2)
    logit = 1.5 * (truth - 0.5) + np.repeat(rng.normal(size=groups), 2) + 0.7 * rng.normal(size=2 * groups)
    positive = 1 / (1 + np.exp(-logit))
    return np.stack([1 - positive, positive], axis=1), truth
