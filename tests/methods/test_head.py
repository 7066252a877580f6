"""Logistic regression on frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tiny

from outgrow.losses.base import Loss
from outgrow.losses.confidence import Confidence
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.losses.log_confidence import LogConfidence
from outgrow.methods.base import FeatureData, HeadWeights
from outgrow.methods.head import PENALTIES, Head
from outgrow.training import linear
from outgrow.training.linear import Design
from outgrow.types import Doubles, Floats, UserError


def regress(x: Doubles, y: Doubles, validation: Doubles, validation_y: Doubles) -> tuple[Floats, Floats, Any]:
    (head,) = linear.regress(Design(x), [y], validation, [validation_y], PENALTIES)
    return head.weight, head.bias, head.curve


def test_the_regression_finds_the_weights_that_made_soft_labels() -> None:
    """Soft labels of a logistic model are fitted exactly, up to the smallest penalty; their classes would not be."""
    rng = np.random.default_rng(0)
    x, weight = rng.normal(3.0, 2.0, (2000, 3)), np.array([[0.5, -1.0, 0.2], [0.0, 0.0, 0.0], [-0.3, 0.4, 0.8]])
    logits = x @ weight.T + np.array([0.3, 0.0, -0.2])
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found, bias, curve = regress(x[:1500], probs[:1500], x[1500:], probs[1500:])
    assert np.allclose(found - found[1], weight - weight[1], atol=0.02)
    assert bias[0] - bias[1] == pytest.approx(0.3, abs=0.05)
    assert min(curve, key=lambda record: record["validation_loss"])["penalty"] == 0.0001


def test_the_penalty_is_chosen_on_the_held_out_labels() -> None:
    """Labels that features say nothing of: the largest penalty generalises best."""
    rng = np.random.default_rng(0)
    x, validation, y = rng.normal(size=(60, 30)), rng.normal(size=(400, 30)), rng.integers(0, 2, 460)
    _, _, curve = regress(x, np.eye(2)[y[:60]], validation, np.eye(2)[y[60:]])
    assert min(curve, key=lambda record: record["validation_loss"])["penalty"] == max(PENALTIES)


def test_the_penalties_reach_beyond_what_weak_features_want() -> None:
    """A direction that says a little among many that say nothing, as an encoder's do of a hard question: neither the
    largest penalty, which is chance, nor the smallest."""
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(3000, 300)), rng.normal(size=3000)
    y = np.eye(2)[(0.5 * x[:, 0] + noise > 0).astype(int)]
    _, _, curve = regress(x[:400], y[:400], x[400:], y[400:])
    losses = [record["validation_loss"] for record in curve]
    assert 0 < int(np.argmin(losses)) < len(PENALTIES) - 1
    assert PENALTIES[int(np.argmin(losses))] > 1.0
    assert min(losses) < losses[0] < losses[-1]


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_a_probe_learns_and_says_the_same_wherever_it_lies(architecture: str, tmp_path: Path) -> None:
    model, probe = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "model", architecture))), Head()
    data = tiny.read(model, tiny.supervision(300, longest=1), probe.feature_spec)
    probe.fit(data, CrossEntropy(), 0).save(tmp_path)
    probs = probe.predict(HeadWeights.load(tmp_path), data.design.values)
    assert np.allclose(probs.sum(1), 1, atol=1e-6)
    assert (probs.argmax(1) == data.labels.argmax(1)).mean() > 0.7


def test_a_probe_of_pairs_prefers_neither_place(tmp_path: Path) -> None:
    model, probe = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "model"))), Head()
    data = tiny.read(model, tiny.pairs(400), probe.feature_spec, "pair")
    head = probe.fit(data, CrossEntropy(), 0)
    probs, swapped = (probe.predict(head, sign * data.validation_features) for sign in (1, -1))
    assert (probs.argmax(1) == data.validation_labels.argmax(1)).mean() > 0.7
    assert np.allclose(probs, swapped[:, ::-1], atol=1e-4)


def test_what_makes_no_sense_is_refused() -> None:
    data, features = tiny.supervision(20), np.zeros((20, 2))
    with pytest.raises(UserError, match="use finetune"):
        FeatureData.of(data, "tokens", Design(features), features)
    for wrong in ({"hidden": (0,)}, {"penalties": (-1.0,)}, {"dropout": 1.0}, {"layer": 5000}, {"epochs": 0}):
        with pytest.raises(UserError, match="give"):
            Head(**wrong)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Descended(CrossEntropy):
    """Cross-entropy that is not solved exactly."""

    kind: ClassVar[str] = "test/descended"
    fixed_targets: ClassVar[bool] = False


def some_data(labels: Doubles, x: Doubles, held_out: int) -> FeatureData:
    return FeatureData(
        design=Design(x[held_out:]),
        labels=labels[held_out:],
        groups=np.arange(len(x) - held_out),
        validation_features=x[:held_out],
        validation_labels=labels[:held_out],
    )


def xor(n: int = 900, seed: int = 0) -> FeatureData:
    """Two classes that no line separates."""
    x = np.random.default_rng(seed).normal(size=(n, 6)) * 3 + 1
    return some_data(np.eye(2)[((x[:, 0] > 1) ^ (x[:, 1] > 1)).astype(int)], x, n // 3)


@pytest.mark.parametrize("loss", [CrossEntropy(), Confidence(), LogConfidence()])
def test_a_hidden_layer_learns_what_no_line_separates_with_any_loss(loss: Loss) -> None:
    data = xor()
    accuracy = {}
    for hidden in ((), (32,), (32, 16)):
        method = Head(hidden=hidden, epochs=40)
        probs = method.predict(method.fit(data, loss, 0), data.validation_features)
        accuracy[hidden] = (probs.argmax(1) == data.validation_labels.argmax(1)).mean()
    assert accuracy[()] < 0.65
    assert min(accuracy[(32,)], accuracy[(32, 16)]) > 0.9


def test_gradient_descent_on_a_linear_head_reaches_the_regression() -> None:
    """The same objective at one penalty: the two predict alike."""
    rng = np.random.default_rng(1)
    x = rng.normal(2.0, 3.0, (600, 8))
    logits = np.stack([x[:, 0], x[:, 1], -x[:, 0]], 1) / 3 + rng.normal(size=(600, 3))
    labels = np.eye(3)[logits.argmax(1)]
    data = FeatureData(
        design=Design(x), labels=labels, groups=np.arange(600), validation_features=x, validation_labels=labels
    )
    solved = Head(penalties=(1e-4,))
    trained = Head(penalties=(1e-4,), epochs=500, batch=400, learning_rate=0.05)
    one, other = (
        method.predict(method.fit(data, loss, 0), data.validation_features)
        for method, loss in ((solved, CrossEntropy()), (trained, Descended()))
    )
    assert np.abs(one - other).max() < 2e-2


def test_heads_of_a_group_come_out_as_alone() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(300, 10))
    labels = [np.eye(2)[(x[:, i] + rng.normal(size=300) > 0).astype(int)] for i in range(4)]
    every = [some_data(each, x, 100) for each in labels]
    method = Head(hidden=(16,), dropout=0.2, epochs=5)
    together = method.fit_group(every, Confidence(), [3, 1, 4, 1])
    for each, seed, head in zip(every, [3, 1, 4, 1], together, strict=True):
        alone = method.fit(each, Confidence(), seed)
        for name, weights in alone.weights.items():
            assert np.abs(weights - head.weights[name]).max() <= 1e-3 * np.abs(weights).max()
    assert not np.allclose(together[1].weights["weight"], together[3].weights["weight"])


def test_balanced_classes_count_alike_whatever_their_share() -> None:
    """One class in twenty, hardly separable: cross-entropy answers the other class nearly always."""
    rng = np.random.default_rng(3)
    rare = rng.random(3000) < 0.05
    data = some_data(np.eye(2)[rare.astype(int)], rng.normal(size=(3000, 4)) + rare[:, None] * 0.8, 1000)
    answers = {}
    for balanced in (False, True):
        method = Head(balanced=balanced, penalties=(0.001,), epochs=1)
        probs = method.predict(method.fit(data, CrossEntropy(), 0), data.validation_features)
        answers[balanced] = probs.argmax(1)[data.validation_labels.argmax(1) == 1].mean()
    assert answers[False] < 0.3
    assert answers[True] > 0.5


@pytest.mark.parametrize("hidden", [(), (64,)])
def test_a_head_that_is_not_stopped_is_that_of_its_last_epoch(hidden: tuple[int, ...]) -> None:
    """Labels that are noise: the longer a head trains, the worse it is for other labels of the kind."""
    rng = np.random.default_rng(4)
    data = some_data(np.eye(2)[rng.integers(0, 2, 500)], rng.normal(size=(500, 40)), 200)
    losses = {}
    for keep in ("best", "last"):
        method = Head(hidden=hidden, penalties=(0.0,), epochs=30, keep=keep)
        head = method.fit(data, Descended(), 0)
        probs = method.predict(head, data.validation_features)
        losses[keep] = -(data.validation_labels * np.log(probs)).sum(1).mean()
        curve = [record["validation_loss"] for record in head.curve]
        assert losses[keep] == pytest.approx({"best": min(curve), "last": curve[-1]}[keep], rel=1e-4)
    assert losses["last"] > 1.1 * losses["best"]


@pytest.mark.parametrize(("loss", "hidden"), [(CrossEntropy(), ()), (Confidence(), ()), (CrossEntropy(), (8,))])
def test_a_head_that_is_stored_says_what_it_said_before(loss: Loss, hidden: tuple[int, ...], tmp_path: Path) -> None:
    """Solved or trained: trained weights come as transposed arrays."""
    data, method = xor(120), Head(hidden=hidden, epochs=3)
    head = method.fit(data, loss, 0)
    head.save(tmp_path)
    stored = method.predict(HeadWeights.load(tmp_path), data.validation_features)
    assert np.array_equal(stored, method.predict(head, data.validation_features))
    agreement = (stored.argmax(1) == data.validation_labels.argmax(1)).mean()
    assert agreement in [pytest.approx(record["validation_agreement"], abs=1e-6) for record in head.curve]


def test_a_linear_head_that_is_not_stopped_has_epochs() -> None:
    """It is trained, where it would be solved otherwise; the penalty is still chosen on the held-out labels."""
    head = Head(keep="last", epochs=3).fit(xor(90), CrossEntropy(), 0)
    assert {record["epoch"] for record in head.curve} == {1.0, 2.0, 3.0}
    with pytest.raises(UserError, match="keep is 'first'"):
        Head(keep="first")  # type: ignore[arg-type]


def test_random_numbers_of_the_process_are_left_as_they_were() -> None:
    import torch

    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    Head(hidden=(4,), dropout=0.5, epochs=1).fit(xor(60), CrossEntropy(), 0)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("by", [np.nan, np.inf])
@pytest.mark.parametrize("what", ["features", "validation_features"])
def test_features_that_are_no_numbers_fail(what: str, by: float) -> None:
    data = tiny.supervision(20)
    random = np.random.default_rng(0)
    arrays = {"features": random.normal(size=(20, 3)), "validation_features": random.normal(size=(12, 3))}
    arrays[what][3, 1] = by
    given = FeatureData.of(data, "head", Design(arrays["features"]), arrays["validation_features"])
    with pytest.raises(UserError, match=f"{what.replace('_', ' ')} that are not finite"):
        Head().fit(given, CrossEntropy(), 0)


def test_labels_and_coefficients_that_are_no_numbers_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(20, 3)), np.eye(2)[random.integers(0, 2, 20)]
    broken = np.where(np.arange(20)[:, None] == 4, np.nan, y)
    with pytest.raises(UserError, match="cannot use labels"):
        regress(x, broken, x, y)
    with pytest.raises(UserError, match="cannot use validation labels"):
        regress(x, y, x, broken)
    monkeypatch.setattr(linear, "_minimised", lambda objective, start, *_: np.full(start.shape, np.nan))
    with pytest.raises(UserError, match="cannot use coefficients"):
        regress(x, y, x, y)


def test_the_best_penalty_is_kept_and_of_equals_the_largest() -> None:
    """Features without any spread: every penalty gives the classes' shares."""
    x, y = np.zeros((8, 2)), np.eye(2)[[0, 0, 0, 1, 0, 0, 0, 1]]
    weight, bias, curve = regress(x, y, x, y)
    assert len(curve) == len(PENALTIES)
    assert np.exp(bias) / np.exp(bias).sum() == pytest.approx([0.75, 0.25], abs=1e-3)
    assert not weight.any()


def test_a_head_that_ends_early_is_as_it_was_then() -> None:
    """Its curve is the start of the whole one, on the same falling learning rate, and the last epoch is the whole."""
    whole, early, last = (
        Head(hidden=(3,), penalties=(0.0,), keep="last", epochs=4, until=until).fit(xor(60), CrossEntropy(), 0)
        for until in (0, 2, 4)
    )
    assert early.curve == whole.curve[:2]
    assert np.array_equal(last.weights["weight"], whole.weights["weight"])
    assert not np.array_equal(early.weights["weight"], whole.weights["weight"])
    with pytest.raises(UserError, match="until is 5"):
        Head(epochs=4, until=5)
    with pytest.raises(
        UserError, match=r'until is 2, and a linear head is solved without epochs: set keep = "last" too'
    ):
        Head(epochs=4, until=2)
