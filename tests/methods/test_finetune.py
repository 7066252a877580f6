"""Finetuning end to end on tiny models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny

from outgrow.graph import Settings
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import Predictor
from outgrow.methods.finetune import Finetune
from outgrow.types import Labels, UserError

METHOD = Finetune(learning_rate=1e-2, epochs=5, batch=16)


def fitted(folder: Path, readout: str, name: str = "run", method: Finetune = METHOD, seed: int = 0) -> Predictor:
    if not (folder / "model").exists():
        tiny.checkpoint(folder / "model", "bert" if readout == "head" else "gpt2", initializer_range=0.02)
    data = tiny.supervision(120, ("a", "b") if readout == "head" else None, longest=2)
    model = tiny.TinyModel(path=str(folder / "model"))
    return method.fit(model, readout, CrossEntropy(), data, seed, tiny.Scratch(folder / name))  # type: ignore[arg-type]


def files(predictor: Predictor) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(predictor.folder.iterdir())}


@pytest.mark.parametrize("readout", ["head", "tokens"])
def test_it_learns_predicts_and_repeats_to_the_byte(readout: str, tmp_path: Path) -> None:
    predictor = fitted(tmp_path, readout)
    assert files(predictor) == files(fitted(tmp_path, readout, "again"))
    other = fitted(tmp_path, readout, "other", replace(METHOD, epochs=1), seed=1)
    assert files(predictor)["model.safetensors"] != files(other)["model.safetensors"]

    curve = json.loads((predictor.folder / "curve.json").read_text())
    assert len(curve) == 5
    assert curve[-1]["training_loss"] < 0.8 * curve[0]["training_loss"]

    examples = tiny.supervision(120, ("a", "b") if readout == "head" else None, longest=2).validation
    fractions: list[float] = []
    moved = tmp_path / "moved"
    predictor.save(moved)
    labels = METHOD.predict(Predictor.load(moved), readout, examples, Settings(), fractions.append)  # type: ignore[arg-type]
    assert labels.ids == examples.ids
    assert labels.probs.dtype == np.float32
    assert [len(row) for row in labels.rows()] == [len(row.choices) for row in examples.rows]
    assert np.allclose([row.sum() for row in labels.rows()], 1, atol=1e-6)
    assert fractions[-1] == 1
    loss = -np.mean([weak @ np.log(row) for weak, row in zip(tiny.labels(examples).rows(), labels.rows(), strict=True)])
    assert loss == pytest.approx(min(epoch["validation_loss"] for epoch in curve), abs=1e-5)


def test_it_learns_which_of_two_texts_is_better(tmp_path: Path) -> None:
    data = tiny.pairs(320)
    model = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "model", "bert", initializer_range=0.02)))
    predictor = METHOD.fit(model, "pair", CrossEntropy(), data, 0, tiny.Scratch(tmp_path / "run"))
    predictions, back = (
        METHOD.predict(predictor, "pair", each, Settings(), lambda fraction: None)
        for each in (data.validation, tiny.swapped(data.validation))
    )
    assert (predictions.hard() == data.validation_labels.hard()).mean() > 0.85
    assert np.array_equal(predictions.probs.reshape(-1, 2), back.probs.reshape(-1, 2)[:, ::-1])


def test_a_fit_is_an_ordinary_checkpoint(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = fitted(tmp_path, "head", method=replace(METHOD, epochs=1)).folder
    assert AutoModelForSequenceClassification.from_pretrained(folder).config.label2id == {"a": 0, "b": 1}
    assert AutoTokenizer.from_pretrained(folder)("w0 !")["input_ids"]


def test_labels_at_the_edge_are_learnt_without_nan(tmp_path: Path) -> None:
    tiny.checkpoint(tmp_path / "model")
    data = tiny.supervision(16, None)
    hard = replace(data, labels=data.labels.hardened(), validation_labels=data.validation_labels.hardened())
    model = tiny.TinyModel(path=str(tmp_path / "model"))
    predictor = METHOD.fit(model, "tokens", CrossEntropy(), hard, 0, tiny.Scratch(tmp_path / "run"))
    labels = METHOD.predict(predictor, "tokens", data.validation, Settings(), lambda fraction: None)
    assert np.isfinite(labels.probs).all()


def test_a_plain_model_cannot_be_asked_for_classes(tmp_path: Path) -> None:
    pretrained = Predictor(tiny.checkpoint(tmp_path, "bert"))
    with pytest.raises(UserError, match="is not a classifier"):
        METHOD.predict(pretrained, "head", tiny.examples(4), Settings(), lambda fraction: None)


def test_zero_shot_is_asking_a_language_model_as_it_is(tmp_path: Path) -> None:
    pretrained = Predictor(tiny.checkpoint(tmp_path))
    labels = METHOD.predict(pretrained, "tokens", tiny.examples(4, None), Settings(), lambda fraction: None)
    assert isinstance(labels, Labels)
    assert np.allclose([row.sum() for row in labels.rows()], 1, atol=1e-6)
