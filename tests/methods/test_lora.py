"""LoRA: few weights learn and are kept, and merged they are an ordinary checkpoint."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny

from outgrow.graph import Settings
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import Predictor, TextMethod
from outgrow.methods.finetune import Finetune
from outgrow.methods.lora import LoRA
from outgrow.types import Labels, UserError

pytest.importorskip("peft")
METHOD = LoRA(learning_rate=1e-2, epochs=6, batch=16, rank=4)


def fitted(folder: Path, architecture: str, readout: str, method: LoRA = METHOD, name: str = "run") -> Predictor:
    if not (folder / "model").exists():
        tiny.checkpoint(folder / "model", architecture)
    model, choices = tiny.TinyModel(path=str(folder / "model")), ("a", "b") if readout == "head" else None
    data = tiny.pairs(160) if readout == "pair" else tiny.supervision(120, choices, longest=2)
    return method.fit(model, readout, CrossEntropy(), data, 0, tiny.Scratch(folder / name))  # type: ignore[arg-type]


def answers(predictor: Predictor, readout: str, method: TextMethod = METHOD) -> Labels:
    choices = ("a", "b") if readout == "head" else None
    validation = (tiny.pairs(160) if readout == "pair" else tiny.supervision(12, choices, longest=2)).validation
    return method.predict(predictor, readout, validation, Settings(), lambda fraction: None)  # type: ignore[arg-type]


def weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    (file,) = folder.glob("*.safetensors")
    return load_file(file)


@pytest.mark.parametrize(("architecture", "readout"), [("bert", "head"), ("gpt2", "tokens"), ("llama", "pair")])
def test_it_learns_and_becomes_an_ordinary_checkpoint(architecture: str, readout: str, tmp_path: Path) -> None:
    import json

    predictor = fitted(tmp_path, architecture, readout)
    curve = json.loads((predictor.folder / "curve.json").read_text())
    assert curve[-1]["training_loss"] < 0.95 * curve[0]["training_loss"]
    whole = predictor.whole(readout, Settings(), tmp_path / "whole")  # type: ignore[arg-type]
    assert (whole.folder / "curve.json").read_bytes() == (predictor.folder / "curve.json").read_bytes()
    before, after = weights(tmp_path / "model"), weights(whole.folder)
    assert not [name for name in after if "lora" in name or "base_layer" in name]
    labels = answers(predictor, readout)
    assert np.allclose([row.sum() for row in labels.rows()], 1, atol=1e-5)
    if architecture != "bert":  # whose classifier names the same weights otherwise
        same = [name for name in before.keys() & after.keys() if before[name].shape == after[name].shape]
        moved = {name for name in same if not np.array_equal(before[name], after[name])}
        assert moved, "nothing has learnt"
        assert all(before[name].ndim == 2 for name in moved), "norms and biases are frozen"
        assert not [name for name in moved if "wte" in name or "embed" in name or "lm_head" in name]
        for name in moved:  # an update of rank 4, up to rounding
            assert np.linalg.matrix_rank(after[name] - before[name], tol=1e-4) <= 4


@pytest.mark.parametrize(("architecture", "readout"), [("bert", "head"), ("gpt2", "tokens"), ("llama", "pair")])
def test_what_is_stored_answers_to_the_byte_as_the_merged_checkpoint(
    architecture: str, readout: str, tmp_path: Path
) -> None:
    """Stores of earlier versions hold merged checkpoints: they are read, too."""
    predictor = fitted(tmp_path, architecture, readout)
    predictor.save(tmp_path / "stored")
    model = tiny.TinyModel(path=str(tmp_path / "model"))
    stored = answers(Predictor.load(tmp_path / "stored").of(model), readout)
    merged = predictor.whole(readout, Settings(), tmp_path / "whole")  # type: ignore[arg-type]
    earlier = Predictor.load(merged.folder)
    assert stored.probs.tobytes() == answers(earlier, readout).probs.tobytes()
    assert stored.probs.tobytes() == answers(earlier, readout, Finetune()).probs.tobytes()
    assert earlier.whole(readout, Settings(), tmp_path / "other") is earlier  # type: ignore[arg-type]


def test_only_what_has_learned_is_stored(tmp_path: Path) -> None:
    predictor = fitted(tmp_path, "gpt2", "head")
    assert sorted(path.name for path in predictor.folder.iterdir()) == [
        "adapters.json", "adapters.safetensors", "curve.json",
    ]  # fmt: skip
    kept, model = (
        sum(each.size for each in weights(folder).values()) for folder in (predictor.folder, tmp_path / "model")
    )
    # Of each of 2 layers: inputs and outputs of its four matrices, 16 + 48, 16 + 16, 16 + 64 and 64 + 16, times rank 4.
    # A head of 2 classes on 16 states.
    assert kept == 2 * 4 * 256 + 2 * 16 < model


def test_updates_of_another_model_are_refused(tmp_path: Path) -> None:
    predictor = fitted(tmp_path, "gpt2", "head")
    other = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "other", num_hidden_layers=1)))
    with pytest.raises(UserError, match="is not the model that the updates"):
        answers(Predictor.load(predictor.folder).of(other), "head")
    with pytest.raises(ValueError, match="name that by `of`"):
        answers(Predictor.load(predictor.folder), "head")


def test_it_repeats_to_the_byte(tmp_path: Path) -> None:
    one, again = (fitted(tmp_path, "gpt2", "head", name=name).folder for name in ("one", "again"))
    assert (one / "adapters.safetensors").read_bytes() == (again / "adapters.safetensors").read_bytes()


def test_a_resume_ends_like_an_undisturbed_fit(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    class Dying(tiny.Scratch):
        def progress(self, fraction: float, note: str = "") -> None:
            super().progress(fraction, note)
            if fraction > 0.6:
                raise KilledError

    whole = fitted(tmp_path, "gpt2", "head", name="whole").folder
    model, data = tiny.TinyModel(path=str(tmp_path / "model")), tiny.supervision(120, ("a", "b"), longest=2)
    with pytest.raises(KilledError):
        METHOD.fit(model, "head", CrossEntropy(), data, 0, Dying(tmp_path / "cut", every=3))
    resumed = METHOD.fit(model, "head", CrossEntropy(), data, 0, tiny.Scratch(tmp_path / "cut", every=3)).folder
    assert (whole / "adapters.safetensors").read_bytes() == (resumed / "adapters.safetensors").read_bytes()


def test_without_peft_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UserError, match=r"pip install 'outgrow\[lora\]'"):
        fitted(tmp_path, "gpt2", "head")


@pytest.mark.parametrize("fields", [{"rank": 0}, {"alpha": 0}])
def test_no_update_at_all_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(UserError, match="of at least 1"):
        replace(METHOD, **fields)
