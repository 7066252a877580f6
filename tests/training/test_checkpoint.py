"""What is loaded is what is stored: every difference but a head that is to be drawn is an error that names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from outgrow.graph import Settings
from outgrow.training.network import open_encoder, open_network
from outgrow.types import UserError

OPENED: dict[str, Callable[[Path], Any]] = {
    "head": lambda folder: open_network(folder, "head", Settings(), classes=("a", "b")),
    "pair": lambda folder: open_network(folder, "pair", Settings(), classes=("score",)),
    "tokens": lambda folder: open_network(folder, "tokens", Settings()),
    "features": lambda folder: open_encoder(folder, Settings()),
}
CASES = [
    (kind, readout) for kind in ("bert", "gpt2", "llama") for readout in OPENED if (kind, readout) != ("bert", "tokens")
]


def configured(folder: Path, **fields: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return folder


def rewritten(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Path:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})
    return folder


GPT2 = {"hidden_size": "n_embd", "intermediate_size": "n_inner", "num_hidden_layers": "n_layer"}
GPT2 |= {"max_position_embeddings": "n_positions"}
FIELDS = [("vocab_size", 60), ("vocab_size", 40), ("hidden_size", 32), ("hidden_size", 8), ("intermediate_size", 40)]
FIELDS += [("num_hidden_layers", layers) for layers in (1, 3, -1, 0)]
MISFITS = [(kind, readout, field, value) for kind, readout in CASES for field, value in FIELDS]
MISFITS += [(kind, readout, "max_position_embeddings", 32) for kind, readout in CASES if kind != "llama"]
MISFITS += [(kind, readout, "type_vocab_size", 10**12) for kind, readout in CASES if kind == "bert"]


@pytest.mark.parametrize(("kind", "readout", "field", "value"), MISFITS)
def test_a_config_that_does_not_fit_its_weights_is_refused(
    kind: str, readout: str, field: str, value: int, tmp_path: Path
) -> None:
    own = GPT2.get(field, field) if kind == "gpt2" else field
    folder = configured(tiny.checkpoint(tmp_path, kind), **{own: value})
    with pytest.raises(UserError) as caught:
        OPENED[readout](folder)
    message = str(caught.value)
    assert "\n" not in message
    assert own in message or ".weight" in message or ".bias" in message or "describes" in message, message


@pytest.mark.parametrize(("kind", "readout"), CASES)
def test_a_tensor_of_the_backbone_that_is_missing_is_named(kind: str, readout: str, tmp_path: Path) -> None:
    tiny.checkpoint(tmp_path, kind)
    gone = next(name for name in load_file(tmp_path / "model.safetensors") if ".1." in name and name.endswith("weight"))
    rewritten(tmp_path, lambda all: {name: each for name, each in all.items() if name != gone})
    with pytest.raises(UserError, match=f"lacks .*{gone.split('.1.')[1]}"):
        OPENED[readout](tmp_path)


@pytest.mark.parametrize(("kind", "readout"), CASES)
def test_a_tensor_of_the_backbone_that_has_no_place_is_named(kind: str, readout: str, tmp_path: Path) -> None:
    """Such as a bias that the config says is not there: without it every answer would be another."""
    tiny.checkpoint(tmp_path, kind)
    beside = next(
        name for name in load_file(tmp_path / "model.safetensors") if ".1." in name and name.endswith("weight")
    )
    surplus = beside.replace("weight", "surplus")
    rewritten(tmp_path, lambda all: {**all, surplus: torch.zeros(16)})
    with pytest.raises(UserError, match=f"hold .*{surplus.split('.1.')[1]}, which the config has no place for"):
        OPENED[readout](tmp_path)


def test_buffers_that_older_versions_kept_are_no_fault(tmp_path: Path) -> None:
    for kind, buffers in {
        "gpt2": {
            "transformer.h.0.attn.bias": torch.ones(1, 1, 64, 64),
            "transformer.h.0.attn.masked_bias": torch.ones(()),
        },
        "llama": {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)},
        "bert": {"embeddings.position_ids": torch.arange(64)[None]},
    }.items():
        folder = tiny.checkpoint(tmp_path / kind, kind)
        before = OPENED["features"](folder).module.state_dict()
        rewritten(folder, lambda all, more=buffers: {**all, **more})  # type: ignore[misc]
        for readout in ("head", "features"):
            OPENED[readout](folder)
        assert all(
            torch.equal(before[name], each) for name, each in OPENED["features"](folder).module.state_dict().items()
        )


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_backbone_is_the_same_bare_or_inside_a_classifier(kind: str, tmp_path: Path) -> None:
    bare = tiny.checkpoint(tmp_path / "bare", kind)
    network = OPENED["head"](bare)
    network.save(tmp_path / "fitted")
    examples, settings = tiny.examples(5), Settings()
    one, other = (tiny.frozen(folder, examples, settings=settings) for folder in (bare, tmp_path / "fitted"))
    assert np.array_equal(one, other)


def test_a_head_is_drawn_where_the_file_lacks_it_or_has_it_in_another_size(tmp_path: Path) -> None:
    first = OPENED["head"](tiny.checkpoint(tmp_path / "bare"))
    first.save(tmp_path / "two")
    kept = open_network(tmp_path / "two", "head", Settings(), classes=("c", "d"), seed=9)
    assert torch.equal(kept.module.score.weight, first.module.score.weight)
    drawn = open_network(tmp_path / "two", "head", Settings(), classes=("a", "b", "c"), seed=9)
    assert drawn.module.score.weight.shape == (3, 16)
    assert torch.equal(drawn.module.base_model.wte.weight, first.module.base_model.wte.weight)
    with pytest.raises(UserError, match=r"score\.weight has the shape \(2, 16\)"):
        open_network(configured(tmp_path / "two", id2label={"0": "a", "1": "b", "2": "c"}), "head", Settings())


def test_a_pooler_may_lack_where_nobody_reads_it(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "bert", "bert")
    OPENED["head"](folder).save(tmp_path / "fitted")
    for each in (folder, tmp_path / "fitted"):
        rewritten(each, lambda all: {name: weight for name, weight in all.items() if "pooler" not in name})
    one, two = (open_network(folder, "head", Settings(), classes=("a", "b"), seed=seed) for seed in (1, 2))
    pooler = "bert.pooler.dense.weight"
    assert not torch.equal(one.module.state_dict()[pooler], two.module.state_dict()[pooler])
    OPENED["features"](folder)
    with pytest.raises(UserError, match=r"is not a classifier: it lacks bert\.pooler"):
        open_network(tmp_path / "fitted", "head", Settings())


def test_an_output_that_is_tied_is_no_fault_and_one_that_is_not_is(tmp_path: Path) -> None:
    OPENED["tokens"](tiny.checkpoint(tmp_path / "tied", "gpt2"))
    folder = tiny.checkpoint(tmp_path / "untied", "llama", tie_word_embeddings=False)
    OPENED["tokens"](folder)
    rewritten(folder, lambda all: {name: each for name, each in all.items() if name != "lm_head.weight"})
    OPENED["head"](folder)
    with pytest.raises(UserError, match=r"is not a language model: it lacks lm_head\.weight"):
        OPENED["tokens"](folder)


def test_shards_are_read_as_one_file_is(tmp_path: Path) -> None:
    whole = OPENED["tokens"](tiny.checkpoint(tmp_path)).module
    whole.save_pretrained(tmp_path, max_shard_size="8KB")
    (tmp_path / "model.safetensors").unlink()
    again = OPENED["tokens"](tmp_path).module
    assert all(torch.equal(each, again.state_dict()[name]) for name, each in whole.state_dict().items())
    shard = sorted(tmp_path.glob("model-*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(UserError, match=f"names the shard '{shard.name}', which is not there"):
        OPENED["tokens"](tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(value: float, tmp_path: Path) -> None:
    tiny.checkpoint(tmp_path)
    name = "transformer.h.1.mlp.c_fc.weight"

    def spoil(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        tensors[name][0, 0] = value
        return tensors

    rewritten(tmp_path, spoil)
    for opened in OPENED.values():
        with pytest.raises(UserError, match=r"h\.1\.mlp\.c_fc\.weight holds what is not a number"):
            opened(tmp_path)


def test_an_architecture_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    folder = configured(tiny.checkpoint(tmp_path), model_type="never-heard-of")
    for opened in OPENED.values():
        with pytest.raises(UserError, match="never-heard-of"):
            opened(folder)


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    """transformers would load the model that it names instead."""
    folder = tiny.checkpoint(tmp_path / "one")
    other = tiny.checkpoint(tmp_path / "other", seed=1)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(other)}))
    with pytest.raises(UserError, match="holds an adapter: merge it"):
        OPENED["head"](folder)
