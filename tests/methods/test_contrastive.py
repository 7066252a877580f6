"""Contrastive finetuning: its loss by hand, that states of a class come together, and what is read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from outgrow.graph import Settings
from outgrow.losses.confidence import Confidence
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import FeatureData, HeadWeights, Predictor, TrainingData
from outgrow.methods.contrastive import Contrastive
from outgrow.methods.head import Head
from outgrow.training.contrastive import pair_losses
from outgrow.training.features import FeatureSpec, read_all
from outgrow.training.network import open_encoder
from outgrow.types import Doubles, Examples, Shape, UserError, classes_of

STILL = Contrastive(updates=1, learning_rate=1e-9)


def test_the_loss_by_hand() -> None:
    """Cosines are 0, 1 and 0 for the pairs 01, 02, 12; their labels are the same class by 0.8, 0.2 and 0.2."""
    directions, labels = (
        torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]),
        torch.tensor([[1, 0], [0.8, 0.2], [0.2, 0.8]]),
    )
    same = {(0, 1): 0.8, (0, 2): 0.2, (1, 2): 0.8 * 0.2 + 0.2 * 0.8}
    squared = {pair: (cosine - same[pair]) ** 2 for pair, cosine in {(0, 1): 0.0, (0, 2): 1.0, (1, 2): 0.0}.items()}
    expected = [sum(value for pair, value in squared.items() if i in pair) / 2 for i in range(3)]
    assert pair_losses(directions, labels).tolist() == pytest.approx(expected)
    assert pair_losses(directions[:1], labels[:1]).tolist() == [0.0]


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_without_training_it_is_a_head_on_frozen_features(architecture: str, tmp_path: Path) -> None:
    model, data = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "model", architecture))), tiny.supervision(40)
    features: FeatureData = tiny.read(model, data, Head().feature_spec)
    head = Head().fit(features, CrossEntropy(), 0)
    expected = Head().predict(HeadWeights(weights=head.weights), features.validation_features)
    _, answers = fitted(STILL, model, data, tmp_path / "fit")
    assert np.allclose(answers, expected, atol=1e-4)


def test_texts_of_a_class_come_together_and_the_embeddings_stay(tmp_path: Path) -> None:
    model, data = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "model", "bert"))), tiny.supervision(60)
    predictor, _ = fitted(Contrastive(epochs=8, learning_rate=1e-2), model, data, tmp_path / "fit")
    folders = tmp_path / "model", predictor.folder
    before, after = (spread(folder, data) for folder in folders)
    assert after < before - 0.1
    weights = [dict(open_encoder(folder, Settings()).module.state_dict()) for folder in folders]
    changed = {name for name in weights[0] if not torch.equal(weights[0][name], weights[1][name])}
    assert "embeddings.word_embeddings.weight" not in changed
    assert "encoder.layer.0.attention.self.query.weight" in changed


def test_the_head_has_the_loss_of_the_method_and_long_texts_are_cut(tmp_path: Path) -> None:
    model, data = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "model", "bert"))), tiny.supervision(24)
    row = replace(data.examples.rows[0], prompt="w1 " * 100)
    data = replace(data, examples=Examples(rows=(row, *data.examples.rows[1:]), cut=True))
    plain, other = (
        STILL.fit(model, "head", loss, data, 0, tiny.Scratch(tmp_path / type(loss).__name__))
        for loss in (CrossEntropy(), Confidence())
    )
    assert not np.allclose(*(HeadWeights.load(each.folder).weights["weight"] for each in (plain, other)), atol=1e-4)


def test_several_devices_are_refused(tmp_path: Path) -> None:
    model, scratch = tiny.TinyModel(path=str(tmp_path)), tiny.Scratch(tmp_path / "fit", Settings(shards=2))
    with pytest.raises(UserError, match="on one device: leave out --shards"):
        STILL.fit(model, "head", CrossEntropy(), tiny.supervision(24), 0, scratch)


def test_answers_that_share_no_choices_are_refused() -> None:
    with pytest.raises(UserError, match="share their choices: use finetune"):
        Contrastive().check(Shape(readout="tokens", choices=None, most=4))


def fitted(method: Contrastive, model: tiny.TinyModel, data: TrainingData, folder: Path) -> tuple[Predictor, Doubles]:
    """A fit, and its answers to the validation examples."""
    found = method.fit(model, "head", CrossEntropy(), data, 0, tiny.Scratch(folder))
    return found, classes_of(method.predict(found, "head", data.validation, Settings(), lambda done: None))


def spread(folder: Path, data: TrainingData) -> float:
    """The loss of all pairs of the examples."""
    named = [(row.id, row.prompt) for row in data.examples.rows]
    states = read_all(open_encoder(folder, Settings()), named, FeatureSpec(), None, cut=False)
    labels = torch.from_numpy(classes_of(data.labels).astype(np.float32))
    return float(pair_losses(torch.nn.functional.normalize(torch.from_numpy(states), dim=1), labels).mean())
