"""A model that packs its batches has the gradients of one that pads them; one that cannot be packed is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import architectures
import numpy as np
import pytest
import torch
from architectures import CLASSIFYING, ENCODERS, SPEAKING

from outgrow.graph import Settings
from outgrow.training.batches import Batch, Encoded, collate
from outgrow.training.network import Network, open_network
from outgrow.training.precision import Precision, autocast

WORKING = [*ENCODERS, *CLASSIFYING, *SPEAKING]
PACKED = {"bert", "distilbert", "electra", "gemma3_text", "gpt2", "gpt_neox", "llama", "mistral", "modernbert"}
PACKED |= {"opt", "phi3", "qwen3", "roberta", "smollm3", "xlm-roberta"}
MIXED_TOKENS = {"convbert", "fnet", "lfm2", "mamba", "rwkv"}  # their layers read other tokens without attention


def opened(folder: Path, name: str, precision: Precision = "fp32", **settings: Any) -> Network:
    form = "encoder" if name in ENCODERS else "padded"
    readout = architectures.readouts(name)[0]
    made = architectures.checkpoint(folder, name, form)
    classes = ("no", "yes") if readout == "head" else ("score",) if readout == "pair" else None
    return open_network(made, readout, Settings(**settings), classes=classes, trained_in=precision)


def four_texts() -> Batch:
    drawn = np.random.default_rng(0)
    texts = tuple(drawn.integers(4, 44, n) for n in (3, 9, 5, 14))
    return collate(Encoded(tokens=texts, columns=np.zeros((4, 1), dtype=np.int64)), np.arange(4), 1)


def gradient(network: Network, batch: Batch, precision: Precision = "fp32") -> torch.Tensor:
    network.module.zero_grad()
    with autocast("cpu", precision):
        outputs = network.outputs(batch).float()
    (outputs * torch.linspace(-1, 1, outputs.numel()).view_as(outputs)).sum().backward()  # type: ignore[no-untyped-call]
    return torch.cat([weight.grad.flatten() for weight in network.module.parameters() if weight.grad is not None])


def far(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("name", list(dict.fromkeys(WORKING)))
def test_a_packed_model_has_the_gradients_of_a_padded_one(name: str, tmp_path: Path) -> None:
    network, batch = opened(tmp_path, name), four_texts()
    assert network.packing or name not in PACKED
    assert not (network.packing and name in MIXED_TOKENS)
    if network.packing:
        padded = gradient(network, replace(batch, real=None))
        assert far(gradient(network, batch), padded) < 1e-4
        assert far(gradient(network, four_shuffled(batch)), padded) > 1e-2, "all gradients are equal: cannot fail"


def four_shuffled(batch: Batch) -> Batch:
    return replace(batch, tokens=batch.tokens.flip(0), real=None)


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_in_bf16_too(name: str, tmp_path: Path) -> None:
    network, batch = opened(tmp_path, name, "bf16"), four_texts()
    assert network.packing
    exact = gradient(network, replace(batch, real=None))
    rounded = far(gradient(network, replace(batch, real=None), "bf16"), exact)
    assert 0 < far(gradient(network, batch, "bf16"), exact) < 3 * rounded


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_layers_that_are_run_again_in_the_backward_pass(name: str, tmp_path: Path) -> None:
    network, batch = opened(tmp_path, name, gradient_checkpointing=True), four_texts()
    assert network.packing
    network.module.train()
    drop_nothing(network.module)
    assert far(gradient(network, batch), gradient(network, replace(batch, real=None))) < 1e-4


def drop_nothing(module: Any) -> None:
    for each in module.modules():
        if isinstance(each, torch.nn.Dropout):
            each.p = 0.0
        for name in ("dropout", "attention_dropout", "attn_pdrop"):
            if isinstance(getattr(each, name, None), float):
                setattr(each, name, 0.0)


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_layers_see_real_tokens_alone_and_pads_cost_nothing(name: str, tmp_path: Path) -> None:
    from outgrow.training.sharded import layers_of

    network, batch = opened(tmp_path, name), four_texts()
    seen: list[tuple[int, ...]] = []
    linear = next(part for part in layers_of(network.module)[-1].modules() if not list(part.children()))
    linear.register_forward_pre_hook(lambda _, args: seen.append(tuple(args[0].shape[:-1])))
    network.outputs(batch)
    network.hidden(batch, layer=1)  # the states of a layer within keep their shape
    network.module(input_ids=batch.tokens)  # nor is a batch packed that is not read through the network
    assert [int(np.prod(shape)) for shape in seen] == [3 + 9 + 5 + 14, 4 * 14, 4 * 14]


def test_a_stored_model_does_not_know_of_it(tmp_path: Path) -> None:
    network = opened(tmp_path / "made", "gpt2")
    network.save(tmp_path / "stored")
    assert not any("packed" in file.read_text(errors="replace") for file in (tmp_path / "stored").glob("*.json"))


def test_neither_predictions_nor_ranks_pack(tmp_path: Path) -> None:
    folder = architectures.checkpoint(tmp_path, "gpt2", "padded")
    classes = ("no", "yes")
    assert open_network(folder, "head", Settings(), classes=classes).packing is None
    assert open_network(folder, "head", Settings(shards=2), classes=classes, trained_in="fp32").packing is None
