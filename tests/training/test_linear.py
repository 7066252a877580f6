"""The solver of linear heads: against scikit-learn, alone and together, and where features are degenerate."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from outgrow.training import linear
from outgrow.training.linear import Design, regress
from outgrow.types import Doubles


def features(n: int, width: int, seed: int = 0) -> Doubles:
    """Correlated, of unequal scale and mean, as hidden states are."""
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(n, 3)) @ random.normal(size=(3, width)) + 0.3 * random.normal(size=(n, width))
    return mixed * random.uniform(0.01, 50, width) + random.normal(size=width)


def votes(x: Doubles, classes: int, seed: int) -> Doubles:
    """Hard labels that a direction of the features explains in part."""
    random = np.random.default_rng(seed)
    z = (x - x.mean(0)) / x.std(0)
    return np.eye(classes)[
        (z @ random.normal(size=(x.shape[1], classes)) + random.gumbel(size=(len(x), classes))).argmax(1)
    ]


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("penalty", [1.0, 0.01, 0.0005])
def test_it_finds_what_scikit_learn_finds(classes: int, penalty: float) -> None:
    x = features(300, 12)
    y = votes(x, classes, seed=1)
    (head,) = regress(Design(x), [y], x, [y], [penalty])
    z = (x - x.mean(0)) / x.std(0)
    other = LogisticRegression(C=1 / (penalty * len(x)), tol=1e-10, max_iter=10_000).fit(z, y.argmax(1))
    logits = x @ head.weight.T.astype(float) + head.bias
    probs = np.exp(linear.log_softmax(logits))
    if classes == 2:  # scikit-learn has one weight for two classes; half the penalty makes it the same problem
        other = LogisticRegression(C=2 / (penalty * len(x)), tol=1e-10, max_iter=10_000).fit(z, y.argmax(1))
    assert np.abs(probs - other.predict_proba(z)).max() < 1e-3


def test_heads_come_out_the_same_alone_and_together() -> None:
    x, held_out = features(200, 20), features(80, 20, seed=5)
    labels = [votes(x, 3, seed) for seed in range(7)]
    held_out_labels = [votes(held_out, 3, seed) for seed in range(7)]
    design, penalties = Design(x), [1.0, 0.1, 0.01, 0.001]
    together = regress(design, labels, held_out, held_out_labels, penalties)
    for head, own, own_held_out in zip(together, labels, held_out_labels, strict=True):
        (alone,) = regress(design, [own], held_out, [own_held_out], penalties)
        assert np.abs(head.weight - alone.weight).max() <= 1e-5 * np.abs(alone.weight).max()
        assert [each["penalty"] for each in head.curve] == penalties
        assert [each["validation_loss"] for each in head.curve] == pytest.approx(
            [each["validation_loss"] for each in alone.curve], rel=2e-3
        )  # of the path, which is in float32; how it rounds differs by processor
    assert len({head.weight.tobytes() for head in together}) == 7


def test_many_heads_are_solved_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    x = features(60, 5)
    labels = [votes(x, 2, seed) for seed in range(5)]
    whole = regress(Design(x), labels, x, labels, [0.1])
    monkeypatch.setattr(linear, "MOST_LOGITS", 2 * labels[0].size)
    parts = regress(Design(x), labels, x, labels, [0.1])
    assert [np.abs(a.weight - b.weight).max() < 1e-6 for a, b in zip(whole, parts, strict=True)] == [True] * 5


def test_the_gradient_vanishes_at_the_solution() -> None:
    """Of the objective as it is written, in the features as they are given."""
    x, penalty = features(100, 6), 0.05
    y = np.random.default_rng(3).dirichlet([0.5] * 3, 100)
    (head,) = regress(Design(x), [y], x, [y], [penalty])
    z = (x - x.mean(0)) / x.std(0)
    weight = head.weight * x.std(0)
    probs = np.exp(linear.log_softmax(x @ head.weight.T.astype(float) + head.bias))
    assert np.abs((probs - y).T @ z / 100 + penalty * weight).max() < 1e-4
    assert np.abs((probs - y).mean(0)).max() < 1e-4


@pytest.mark.parametrize("penalties", [[1.0, 0.001], [0.0]])
@pytest.mark.parametrize("case", ["a constant feature", "a feature twice", "fewer rows than features", "one class"])
def test_degenerate_features_have_a_finite_solution(case: str, penalties: list[float]) -> None:
    x = features(40, 8)
    if case == "a constant feature":
        x[:, 2] = 3.0
    if case == "a feature twice":
        x[:, 2] = x[:, 3]
    if case == "fewer rows than features":
        x = x[:5]
    y = np.eye(2)[np.zeros(len(x), dtype=int)] if case == "one class" else votes(features(len(x), 8), 2, seed=2)
    (head,) = regress(Design(x), [y], x, [y], penalties)
    assert np.isfinite(head.weight).all()
    assert np.isfinite(head.bias).all()
    agreement = (linear.log_softmax(x @ head.weight.T + head.bias).argmax(1) == y.argmax(1)).mean()
    assert agreement > 0.7


def test_of_equal_penalties_the_first_is_kept() -> None:
    x = np.zeros((8, 2))
    y = np.eye(2)[[0, 0, 0, 1, 0, 0, 0, 1]]
    (head,) = regress(Design(x), [y], x, [y], [1.0, 1.0])
    assert len(head.curve) == 2
    assert not head.weight.any()
