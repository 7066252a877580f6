"""What every method of fitting keeps to. A new file in `outgrow.methods` is picked up by itself."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest
import tiny

import outgrow.methods
from outgrow.graph import Settings, identity
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import FeatureData, FeatureMethod, HeadWeights, Method, Predictor, TextMethod

MODULES = [
    importlib.import_module(f"outgrow.methods.{each.name}")
    for each in pkgutil.iter_modules(outgrow.methods.__path__)
    if each.name != "base"
]
METHODS = [
    kind
    for module in MODULES
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Method) and kind.__module__ == module.__name__
]


def test_there_are_methods() -> None:
    assert len(METHODS) == len(MODULES) > 0


@pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.__name__)
def test_it_fits_repeats_and_predicts(kind: type[Method], tmp_path: Path) -> None:
    method, data = kind(), tiny.supervision(24)
    model = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "model")))
    if isinstance(method, FeatureMethod):
        _fits_repeats_and_predicts(method, tiny.read(model, data, method.feature_spec), tmp_path)
        return
    assert isinstance(method, TextMethod)
    first, second = (
        method.fit(model, "head", CrossEntropy(), data, 0, tiny.Scratch(tmp_path / name)) for name in ("one", "two")
    )
    names = sorted(path.name for path in first.folder.iterdir())
    assert "curve.json" in names
    assert names == sorted(path.name for path in second.folder.iterdir())
    assert all((first.folder / name).read_bytes() == (second.folder / name).read_bytes() for name in names)
    first.save(tmp_path / "saved")
    saved = Predictor.load(tmp_path / "saved").of(model)
    labels = method.predict(saved, "head", data.validation, Settings(), lambda done: None)
    assert labels.ids == data.validation.ids
    assert np.allclose([row.sum() for row in labels.rows()], 1, atol=1e-6)


def _fits_repeats_and_predicts(method: FeatureMethod, data: FeatureData, tmp_path: Path) -> None:
    first, second = (method.fit(data, CrossEntropy(), 0) for _ in range(2))
    first.save(tmp_path)
    saved = HeadWeights.load(tmp_path)
    assert saved.weights.keys() == second.weights.keys()
    assert all(np.array_equal(saved.weights[name], second.weights[name]) for name in saved.weights)
    assert saved.curve == second.curve
    probs = method.predict(saved, data.validation_features)
    assert probs.shape == data.validation_labels.shape
    assert np.allclose(probs.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.__name__)
def test_it_has_an_identity_and_a_docstring(kind: type[Method]) -> None:
    assert identity(kind())
    assert kind.__doc__
