"""Tokenizer and config agree, in memory and as they are stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import architectures
import numpy as np
import pytest
import tiny
import torch

from outgrow.graph import Settings
from outgrow.training.classification import probabilities
from outgrow.training.network import Network, open_network
from outgrow.types import UserError

CLASSES = {"head": ("a", "b"), "pair": ("score",), "tokens": None}


def configured(folder: Path, name: str, **fields: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return folder


def opened(folder: Path, readout: str = "head") -> Network:
    return open_network(folder, readout, Settings(), classes=CLASSES[readout])  # type: ignore[arg-type]


@pytest.mark.parametrize("pad", [None, "[SEP]", "[UNK]", "!", "w3"])
def test_a_padding_token_that_may_end_a_text_is_replaced(pad: str | None, tmp_path: Path) -> None:
    """By a new one with a row of zeros; all other rows, and the tokens of every text, stay as they were."""
    folder = tiny.checkpoint(tmp_path, "gpt2", pad=False, pad_token_id=None)
    configured(folder, "tokenizer_config.json", eos_token="[SEP]", **({"pad_token": pad} if pad else {}))
    before = opened(folder, "tokens")
    network = opened(folder)
    added = len(tiny.WORDS)
    assert (network.tokenizer.pad_token_id, network.module.config.pad_token_id) == (added, added)
    rows, stored = network.module.get_input_embeddings().weight, before.module.get_input_embeddings().weight
    assert torch.equal(rows[:added], stored)
    assert not rows[added:].any()
    examples = tiny.examples(8)
    texts = [(row.id, row.prompt) for row in examples.rows]
    for one, other in zip(*(each.tokens(texts, cut=False) for each in (network, before)), strict=True):
        assert np.array_equal(one, other)


def test_a_padding_token_of_its_own_is_kept(tmp_path: Path) -> None:
    network = opened(tiny.checkpoint(tmp_path))
    assert network.tokenizer.pad_token == "[PAD]"
    assert len(network.module.get_input_embeddings().weight) == len(tiny.WORDS)


def test_a_language_model_pads_with_its_end_and_stays_as_it_is(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path, "gpt2", pad=False, pad_token_id=None)
    network = opened(configured(folder, "tokenizer_config.json", eos_token="[SEP]"), "tokens")
    assert network.tokenizer.pad_token == "[SEP]"
    assert network.module.config.pad_token_id == tiny.WORDS.index("[SEP]")
    assert len(network.module.get_input_embeddings().weight) == len(tiny.WORDS)


def test_positions_that_count_from_the_padding_token_keep_it(tmp_path: Path) -> None:
    """RoBERTa's config says 3, which is <sep>, and the tokenizer <pad>, which is 0: another id would move every
    position by three."""
    folder = architectures.checkpoint(tmp_path, "roberta", pad_token_id=3)
    network = opened(folder)
    assert network.module.config.pad_token_id == network.tokenizer.pad_token_id == 3
    network.save(tmp_path / "fitted")
    again, examples = open_network(tmp_path / "fitted", "head", Settings()), tiny.examples(6)
    assert network.longest == again.longest == architectures.POSITIONS - 4
    one, other = (probabilities(each, each.encode(examples)) for each in (network, again))
    assert np.allclose(one, other, atol=1e-6)


def test_a_token_that_has_no_embedding_is_named(tmp_path: Path) -> None:
    folder = configured(tiny.checkpoint(tmp_path), "tokenizer_config.json", mask_token="<another>")
    for readout in CLASSES:
        with pytest.raises(UserError, match="has the token '<another>' with id 49, the model's embedding 49 rows"):
            opened(folder, readout)


@pytest.mark.parametrize("was", ["multi_label_classification", "regression", "single_label_classification", None])
def test_the_stored_problem_is_the_one_that_was_learnt(was: str | None, tmp_path: Path) -> None:
    names = {"id2label": {"0": "x"}} if was == "regression" else {}
    folder = configured(tiny.checkpoint(tmp_path / "model", "bert"), "config.json", problem_type=was, **names)
    for readout, problem in (("head", "single_label_classification"), ("pair", "regression"), ("head", None)):
        network = opened(folder, readout)
        network.save(tmp_path / readout)
        config = json.loads((tmp_path / readout / "config.json").read_text())
        assert problem in (None, config["problem_type"])
        assert list(config["id2label"].values()) == list(CLASSES[readout] or ())
        folder = tmp_path / readout  # a head becomes a score, and a score a head


def test_what_is_stored_pads_on_the_right_without_segments_and_knows_its_end(tmp_path: Path) -> None:
    """GPT-2 adds the embedding of a segment's id to that of the token; absolute positions count from the left."""
    from transformers import AutoTokenizer

    folder = tiny.checkpoint(tmp_path / "model", "gpt2")
    names = ["input_ids", "token_type_ids", "attention_mask"]
    configured(folder, "tokenizer_config.json", eos_token="[CLS]", padding_side="left", model_input_names=names)
    network = opened(folder)
    network.save(tmp_path / "fitted")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "fitted")
    assert tokenizer.padding_side == "right"
    assert sorted(tokenizer("w1")) == ["attention_mask", "input_ids"]
    assert tokenizer.model_max_length == network.longest == 64
    assert json.loads((tmp_path / "fitted" / "config.json").read_text())["eos_token_id"] == tokenizer.eos_token_id == 3


def test_an_end_among_several_is_left_alone(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "model", "llama", eos_token_id=[2, 3])
    network = opened(configured(folder, "tokenizer_config.json", eos_token="[CLS]"), "tokens")
    network.save(tmp_path / "fitted")
    assert json.loads((tmp_path / "fitted" / "config.json").read_text())["eos_token_id"] == [2, 3]
