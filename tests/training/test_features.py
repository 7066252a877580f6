"""Frozen features: which layer, which tokens, and that padding, batching and order do not matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny

from outgrow.graph import Settings
from outgrow.store import as_digests
from outgrow.training.batches import Batch
from outgrow.training.features import FeatureIndex, FeatureSpec, pooled
from outgrow.training.network import Network, open_encoder
from outgrow.training.precision import IN_FP32
from outgrow.types import Doubles, Examples, UserError


def read(folder: Path, examples: Examples, microbatch: int | None = None, **reading: object) -> Doubles:
    settings = Settings(microbatch=microbatch)
    return tiny.frozen(folder, examples, "head", FeatureSpec(**reading), settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("layer", [0, 1, -1, -3])
def test_features_are_the_pooled_states_of_each_prompt_alone(architecture: str, layer: int, tmp_path: Path) -> None:
    import torch

    folder, examples = tiny.checkpoint(tmp_path / "model", architecture), tiny.examples(12)
    network = open_encoder(folder, Settings())
    found = {pooling: read(folder, examples, pooling=pooling, layer=layer) for pooling in ("mean", "last", "auto")}
    for i, row in enumerate(examples.rows):
        ids = torch.tensor([network.tokenizer(row.prompt)["input_ids"]])
        with torch.no_grad():
            out = network.module(input_ids=ids, output_hidden_states=True)
        states = (out.last_hidden_state if layer == -1 else out.hidden_states[layer])[0].numpy()
        assert np.allclose(found["mean"][i], states.mean(0), atol=1e-4)
        assert np.allclose(found["last"][i], states[-1], atol=1e-4)
    assert np.array_equal(found["auto"], found["mean" if architecture == "bert" else "last"])
    assert not np.allclose(found["mean"], found["last"])


def test_a_pair_s_features_are_the_difference_of_its_texts(tmp_path: Path) -> None:
    folder, pairs = tiny.checkpoint(tmp_path / "model"), tiny.pairs(20).examples
    alone = [
        Examples(rows=tuple(replace(row, prompt=row.prompt + row.choices[i]) for row in pairs.rows)) for i in (0, 1)
    ]
    apart = read(folder, alone[0]) - read(folder, alone[1])
    found, back = (tiny.frozen(folder, each, "pair") for each in (pairs, tiny.swapped(pairs)))
    assert np.allclose(found, apart, atol=1e-5)
    assert np.allclose(found, -back, atol=1e-5)


def test_the_micro_batch_does_not_matter(tmp_path: Path) -> None:
    folder, examples = tiny.checkpoint(tmp_path / "model"), tiny.examples(12)
    assert np.allclose(read(folder, examples), read(folder, examples, microbatch=2), atol=1e-5)


def test_a_layer_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="layers 0 to 2"):
        read(tiny.checkpoint(tmp_path / "model"), tiny.examples(3), layer=3)


def test_an_index_is_read_back_and_looked_up_by_id(tmp_path: Path) -> None:
    texts = as_digests([bytes([i]) * 15 + b"\0" for i in range(6)]).reshape(3, 2)
    FeatureIndex(ids=("a", "b", "c"), texts=texts, notes=("one",)).save(tmp_path)
    again = FeatureIndex.load(tmp_path)
    assert (again.ids, again.notes) == (("a", "b", "c"), ("one",))
    assert np.array_equal(again.of(("c", "a")), texts[[2, 0]])
    assert again.of(("c", "a")).tobytes() == texts[[2, 0]].tobytes()


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_features_do_not_depend_on_the_other_texts_to_the_byte(architecture: str, tmp_path: Path) -> None:
    folder, examples = tiny.checkpoint(tmp_path / "model", architecture), tiny.examples(60)
    whole = tiny.frozen(folder, examples)
    for chosen in (range(0, 60, 7), range(59, 0, -3), [5]):
        part = Examples(rows=tuple(examples.rows[i] for i in chosen))
        assert np.array_equal(tiny.frozen(folder, part), whole[list(chosen)])


def test_in_bf16_what_is_not_finite_is_computed_in_fp32_and_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    folder, examples = tiny.checkpoint(tmp_path / "model"), tiny.examples(4)
    hidden = Network.hidden

    def overflowing(self: Network, batch: Batch, layer: int = -1) -> torch.Tensor:
        states = hidden(self, batch, layer)
        return states / 0 if torch.is_autocast_enabled("cpu") else states

    exact = tiny.frozen(folder, examples)
    near = tiny.frozen(folder, examples, spec=FeatureSpec(precision="bf16"))
    assert np.abs(near - exact).max() < 0.1 * np.abs(exact).max()
    assert not np.array_equal(near, exact)
    monkeypatch.setattr(Network, "hidden", overflowing)
    assert np.array_equal(tiny.frozen(folder, examples, spec=FeatureSpec(precision="bf16")), exact)
    named = [(row.id, row.prompt) for row in examples.rows]
    notes = [
        notes for *_, notes in pooled(open_encoder(folder, Settings()), named, FeatureSpec(precision="bf16"), None)
    ]
    assert notes[0] == (IN_FP32,)


def test_features_that_are_not_numbers_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = Network.hidden
    monkeypatch.setattr(Network, "hidden", lambda self, batch, layer=-1: hidden(self, batch, layer) / 0)
    with pytest.raises(UserError, match="answers are not numbers"):
        read(tiny.checkpoint(tmp_path), tiny.examples(3), layer=1)
