"""The penalty of the cross-validated head, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from outgrow.losses.confidence import Confidence
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import FeatureData, TrainingData, design_of
from outgrow.methods.cross_validated_head import CrossValidatedHead
from outgrow.methods.head import PENALTIES
from outgrow.training.linear import Design, log_softmax, regress
from outgrow.types import Example, Examples, Ints, Labels, UserError


def data(n: int, noise: float, seed: int = 0) -> FeatureData:
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 5))
    labels = np.eye(2)[((x[:, 0] + noise * random.standard_normal(n)) > 0).astype(int)]
    nothing = np.zeros((0, 5)), np.zeros((0, 2))
    return FeatureData(
        design=Design(x),
        labels=labels,
        groups=np.arange(n),
        validation_features=nothing[0],
        validation_labels=nothing[1],
    )


def test_the_penalty_has_the_lowest_cross_entropy_over_the_folds() -> None:
    given, seed = data(40, 1.0), 7
    found = CrossValidatedHead(folds=4).fit(given, CrossEntropy(), seed)
    fold = np.random.default_rng(seed).permutation(40) % 4
    by_penalty = []
    for penalty in PENALTIES:
        total = 0.0
        for number in range(4):
            mine = fold == number
            x, y = given.design.values, given.labels
            (head,) = regress(Design(x[~mine]), [y[~mine]], x[mine], [y[mine]], (penalty,))
            total -= (y[mine] * log_softmax(x[mine] @ head.weight.T + head.bias)).sum()
        by_penalty.append(total / 40)
    assert [point["loss"] for point in found.curve] == pytest.approx(by_penalty, abs=1e-4)
    best = PENALTIES[int(np.argmin(by_penalty))]
    x, y = given.design.values, given.labels
    (expected,) = regress(given.design, [y], x, [y], (best,))
    assert found.weights["weight"] == pytest.approx(expected.weight, abs=1e-6)


def test_noise_asks_for_a_larger_penalty() -> None:
    def chosen(noise: float) -> float:
        curve = CrossValidatedHead().fit(data(200, noise), CrossEntropy(), 0).curve
        return min(curve, key=lambda point: point["loss"])["penalty"]

    assert chosen(20.0) > chosen(0.0)


def test_two_texts_are_enough_and_one_is_not() -> None:
    assert CrossValidatedHead().fit(data(2, 0.0), CrossEntropy(), 0).weights["weight"].shape == (2, 5)
    with pytest.raises(UserError, match="needs two different texts at least, there are 1"):
        CrossValidatedHead().fit(data(1, 0.0), CrossEntropy(), 0)
    copies = replace(data(6, 0.0), groups=np.zeros(6, dtype=np.int64))
    with pytest.raises(UserError, match="there are 1"):
        CrossValidatedHead().fit(copies, CrossEntropy(), 0)


def test_other_losses_are_refused() -> None:
    with pytest.raises(UserError, match="by cross-entropy only"):
        CrossValidatedHead().fit(data(10, 0.0), Confidence(), 0)


def test_copies_of_a_text_are_in_one_fold() -> None:
    """Copies across folds would tell each other's labels, and the smallest penalty would win on noise."""
    given = data(30, 20.0)
    thrice = replace(
        given,
        design=Design(np.tile(given.design.values, (3, 1))),
        labels=np.tile(given.labels, (3, 1)),
        groups=np.tile(given.groups, 3),
    )

    def chosen(groups: Ints) -> float:
        curve = CrossValidatedHead().fit(replace(thrice, groups=groups), CrossEntropy(), 0).curve
        return min(curve, key=lambda point: point["loss"])["penalty"]

    assert chosen(thrice.groups) >= 0.1  # the smallest is 0.0001
    assert chosen(thrice.groups) > chosen(np.arange(90))


def test_both_ways_round_of_a_pair_and_copies_are_one_group() -> None:
    rows = tuple(
        Example(id=id, group=group, prompt=group, choices=("x", "y")) for id, group in zip("abc", "pqp", strict=True)
    )
    examples, nothing = Examples(rows=rows), Examples(rows=())
    labels, none = (Labels.from_rows(each.ids, np.full((len(each), 2), 0.5)) for each in (examples, nothing))
    training = TrainingData(examples=examples, labels=labels, validation=nothing, validation_labels=none)
    features = np.arange(6.0).reshape(3, 2)
    for readout, groups in (("head", [0, 1, 0]), ("pair", [0, 1, 0, 0, 1, 0])):
        found = FeatureData.of(training, readout, design_of(readout, features), features[:0])  # type: ignore[arg-type]
        assert found.groups.tolist() == groups
        assert len(found.design.values) == len(found.labels) == len(groups)
