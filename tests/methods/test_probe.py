"""Logistic regression on frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from outgrow.losses.base import Loss
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import FeatureData, HeadWeights
from outgrow.methods.probe import PENALTIES, Probe
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
    model, probe = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "model", architecture))), Probe()
    data = tiny.read(model, tiny.supervision(300, longest=1), probe.feature_spec)
    probe.fit(data, CrossEntropy(), 0).save(tmp_path)
    probs = probe.predict(HeadWeights.load(tmp_path), data.design.values)
    assert np.allclose(probs.sum(1), 1, atol=1e-6)
    assert (probs.argmax(1) == data.labels.argmax(1)).mean() > 0.7


def test_a_probe_of_pairs_prefers_neither_place(tmp_path: Path) -> None:
    model, probe = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "model"))), Probe()
    data = tiny.read(model, tiny.pairs(400), probe.feature_spec, "pair")
    head = probe.fit(data, CrossEntropy(), 0)
    probs, swapped = (probe.predict(head, sign * data.validation_features) for sign in (1, -1))
    assert (probs.argmax(1) == data.validation_labels.argmax(1)).mean() > 0.7
    assert np.allclose(probs, swapped[:, ::-1], atol=1e-4)


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Other(Loss):
        pass

    data, features = tiny.supervision(20), np.zeros((20, 2))
    with pytest.raises(UserError, match="use finetune"):
        FeatureData.of(data, "tokens", Design(features), features)
    with pytest.raises(UserError, match="cross-entropy"):
        Probe().fit(FeatureData.of(data, "head", Design(features), features), Other(), 0)


@pytest.mark.parametrize("by", [np.nan, np.inf])
@pytest.mark.parametrize("what", ["features", "validation_features"])
def test_features_that_are_no_numbers_fail(what: str, by: float) -> None:
    data = tiny.supervision(20)
    random = np.random.default_rng(0)
    arrays = {"features": random.normal(size=(20, 3)), "validation_features": random.normal(size=(12, 3))}
    arrays[what][3, 1] = by
    given = FeatureData.of(data, "head", Design(arrays["features"]), arrays["validation_features"])
    with pytest.raises(UserError, match=f"{what.replace('_', ' ')} that are not finite"):
        Probe().fit(given, CrossEntropy(), 0)


def test_labels_and_coefficients_that_are_no_numbers_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(20, 3)), np.eye(2)[random.integers(0, 2, 20)]
    broken = np.where(np.arange(20)[:, None] == 4, np.nan, y)
    with pytest.raises(UserError, match="cannot use labels"):
        regress(x, broken, x, y)
    with pytest.raises(UserError, match="cannot use validation labels"):
        regress(x, y, x, broken)
    monkeypatch.setattr(linear, "_minimised", lambda objective, start: np.full(start.shape, np.nan))
    with pytest.raises(UserError, match="cannot use coefficients"):
        regress(x, y, x, y)


def test_the_best_penalty_is_kept_and_of_equals_the_largest() -> None:
    """Features without any spread: every penalty gives the classes' shares."""
    x, y = np.zeros((8, 2)), np.eye(2)[[0, 0, 0, 1, 0, 0, 0, 1]]
    weight, bias, curve = regress(x, y, x, y)
    assert len(curve) == len(PENALTIES)
    assert np.exp(bias) / np.exp(bias).sum() == pytest.approx([0.75, 0.25], abs=1e-3)
    assert not weight.any()
