"""Counting weights without loading them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from outgrow.cache import cache_folder
from outgrow.models.base import counted, weights_in
from outgrow.types import UserError


def checkpoint(folder: Path, *, files: dict[str, dict[str, tuple[int, ...]]], **config: object) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", **config}))
    for name, shapes in files.items():
        save_file({key: np.zeros(shape, np.float16) for key, shape in shapes.items()}, folder / name)
    if len(files) > 1:
        placed = {key: name for name, shapes in files.items() for key in shapes}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    return folder


EMBEDDING, LAYER = {"embed.weight": (7, 2)}, {"layer.weight": (2, 2), "layer.bias": (2,)}  # 14, 4 + 2


def test_shards_are_summed_and_buffers_left_out(tmp_path: Path) -> None:
    buffer = {"ids": (1, 512)}
    files = {f"model-0000{i}-of-00003.safetensors": each for i, each in enumerate((EMBEDDING, LAYER, buffer), 1)}
    folder = checkpoint(tmp_path / "a", files=files)
    save_file({"ids": np.zeros((1, 512), np.int64)}, folder / "model-00003-of-00003.safetensors")
    assert weights_in(folder) == 14 + 6


@pytest.mark.parametrize(("config", "more"), [({}, 0), ({"tie_word_embeddings": False}, 14)])
def test_a_tied_output_counts_once(tmp_path: Path, config: dict[str, bool], more: int) -> None:
    shapes = {**EMBEDDING, **LAYER, "lm_head.weight": (7, 2)}
    assert weights_in(checkpoint(tmp_path / "a", files={"model.safetensors": shapes}, **config)) == 20 + more


def test_an_output_alone_is_not_tied_to_anything(tmp_path: Path) -> None:
    shapes = {**LAYER, "lm_head.weight": (7, 2)}
    assert weights_in(checkpoint(tmp_path / "a", files={"model.safetensors": shapes})) == 20


def test_pickled_weights_cannot_be_counted(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no safetensors"):
        weights_in(checkpoint(tmp_path / "a", files={}))


@pytest.mark.parametrize(
    ("weights", "text"),
    [(412, "412"), (1000, "1k"), (24608, "24.6k"), (974592, "0.97M"), (17241984, "17.2M"), (7 * 10**9, "7B")],
)
def test_weights_for_people(weights: int, text: str) -> None:
    assert counted(weights) == text


def test_without_a_home_folder_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("OUTGROW_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(UserError, match="no home folder to keep converted checkpoints in: set OUTGROW_CACHE"):
        cache_folder()
