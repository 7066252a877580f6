"""The header of a checkpoint: config, names and shapes of the weights, and the tokenizer's file.

Whatever is wrong with a checkpoint and can be seen without loading it is reported here. No tensor is read and no ML
library imported, so an experiment can look at all its models while it is planned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any

from outgrow.content import Stamp, stamp
from outgrow.models.header.architectures import is_known
from outgrow.models.header.tensors import Tensor, read_json, tensors_in
from outgrow.types import UserError

# Fields of a config that count something, by their meaning; architectures call them differently.
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len", "context_length", "n_ctx")
WIDTHS = ("hidden_size", "n_embd", "d_model", "dim", "emb_dim", "embedding_size", "intermediate_size")
HIDDEN = ("hidden_size", "n_embd", "d_model", "dim", "emb_dim")  # the width that the layers work on
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "num_key_value_heads")
MOST_LAYERS = 4096
# Their positions count from the padding token's id: RoBERTa reads 512 tokens with 514 positions.
FROM_PADDING = {"camembert", "data2vec-text", "esm", "ibert", "layoutlmv3", "lilt", "longformer", "luke", "markuplm"}
FROM_PADDING |= {"roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"}
FROM_TWO = {"mpnet"}  # as if the padding token's id were 1, whatever it is
_EMBEDDING = re.compile(
    r"(.*\.)?(word_embeddings?|wte|embed_tokens|embed_in|tok_embeddings|tokens_embed|transformer\.w|embeddings)\.weight"
)
_EMBEDDING_WIDTH = re.compile(r".*emb.*_(size|dim)")  # embedding_size, input_embedding_size, word_embed_proj_dim
_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")
_OUTPUT = ("lm_head.weight", "embed_out.weight")
_BESIDE = ("special_tokens_map.json", "added_tokens.json", "generation_config.json")


@dataclass(frozen=True, kw_only=True)
class CheckpointHeader:
    """What is known of a checkpoint before it is loaded.

    shapes: of the tensors of floats, by name; empty where the weights are pickled. parameters: how many weights that
    is, tied ones once. longest: how many tokens the model reads, special ones included; None: no limit is known.
    vocabulary: how many tokens it knows. tokenizer: tokenizer.json, where there is one.
    """

    model_type: str
    shapes: Mapping[str, tuple[int, ...]]
    parameters: int
    longest: int | None
    vocabulary: int | None
    tokenizer: Path | None


def read_header(folder: Path) -> CheckpointHeader:
    """The header of the checkpoint in `folder`. Raises UserError for all that can be seen without loading it."""
    config = read_config(folder)
    own = _text_part(config)
    tensors = tensors_in(folder)
    _require_sizes(folder, own)
    _require_agreement(folder, config, tensors)
    _require_width(folder, config, tensors)
    vocabulary = own.get("vocab_size")
    tokenizer = folder / "tokenizer.json"
    if tokenizer.is_dir():
        raise UserError(f"{tokenizer} is a folder: save the tokenizer again")
    if tokenizer.is_file():
        token, id = _last_token(tokenizer, stamp(tokenizer))
        if vocabulary is not None and id >= vocabulary:
            raise UserError(
                f"{tokenizer} gives {_short(token)} the id {_short(id)}, config.json says vocab_size = {vocabulary}: "
                "save the tokenizer that belongs to the model"
            )
    for name in _BESIDE:
        if (folder / name).exists():
            read_json(folder / name)
    return CheckpointHeader(
        model_type=config["model_type"],
        shapes={name: tensor.shape for name, tensor in tensors.items() if tensor.is_float},
        parameters=_counted(config, tensors),
        longest=_longest(folder, config["model_type"], own),
        vocabulary=vocabulary,
        tokenizer=tokenizer if tokenizer.is_file() else None,
    )


def longest_input(folder: Path) -> int | None:
    """How many tokens a model reads, special ones included; None: no limit is known. Needs no weights."""
    config = read_config(folder)
    return _longest(folder, config["model_type"], _text_part(config))


def read_config(folder: Path) -> Mapping[str, Any]:
    """config.json, with a model_type that transformers knows or that the checkpoint's own code defines.

    Raises UserError where there is none, and for an adapter or an encoder-decoder.
    """
    path = folder / "config.json"
    if not path.exists():
        raise UserError(f"{folder} has no config.json: give the folder of a Hugging Face checkpoint")
    if not path.is_file():  # a pipe or a device has no end
        raise UserError(f"{path} is not a regular file: give the folder of a Hugging Face checkpoint")
    config = read_json(path)
    if not config.get("model_type"):
        raise UserError(f"{path} names no model_type: this is not a Hugging Face checkpoint")
    if not isinstance(config["model_type"], str):
        raise UserError(f"{path} says model_type = {_short(config['model_type'])}: it must be a text")
    if (folder / "adapter_config.json").exists():
        raise UserError(f"{folder} holds an adapter: merge it into its model (merge_and_unload) and save that")
    if config.get("is_encoder_decoder"):
        raise UserError(
            f"{folder} is an encoder-decoder ({config['model_type']}): choose an encoder or a causal language model"
        )
    if not config.get("auto_map") and not is_known(config["model_type"]):
        raise UserError(
            f"{path} says model_type = {_short(config['model_type'])}, which transformers {version('transformers')} "
            "does not know: upgrade it (pip install --upgrade transformers), or choose another model"
        )
    return config


def _text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config of what reads text, where a model has several parts."""
    part = config.get("text_config")
    return part if isinstance(part, dict) else config


def _require_sizes(folder: Path, config: Mapping[str, Any]) -> None:
    """The fields that count something are whole numbers above 0."""
    for name in (*LAYERS, *WIDTHS, *HEADS, *POSITIONS, "vocab_size"):
        several = config.get(name)
        for value in several if isinstance(several, list) and several else [several]:
            endless = name in POSITIONS and type(value) is int and value == -1
            if value is None or endless or (type(value) is int and 0 < value < 2**40):
                continue
            raise UserError(f"{folder / 'config.json'} says {name} = {_short(several)}: it must be a number above 0")
    for name in (*LAYERS, *POSITIONS, "vocab_size", "hidden_size", "pad_token_id"):
        if not isinstance(config.get(name), int | None):
            raise UserError(f"{folder / 'config.json'} says {name} = {_short(config[name])}: it must be one number")
    for name in LAYERS:
        if (config.get(name) or 0) > MOST_LAYERS:
            raise UserError(f"{folder / 'config.json'} says {name} = {config[name]}: no model has so many")


def _require_agreement(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Vocabulary and number of layers are those of the weights, where their names tell."""
    if not tensors or _parts(config):
        return
    path, vocabulary = folder / "config.json", config.get("vocab_size")
    for name, tensor in tensors.items():
        if vocabulary and _EMBEDDING.fullmatch(name) and len(tensor.shape) == 2 and tensor.shape[0] != vocabulary:
            raise UserError(
                f"{path} says vocab_size = {vocabulary}, but {name} has {tensor.shape[0]} rows: "
                "save config and weights together"
            )
    stored = 1 + max((int(match[1]) for name in tensors if (match := _LAYER.search(name))), default=-1)
    field = next((name for name in LAYERS if config.get(name)), None)
    if stored and field and config[field] != stored and not config.get("num_nextn_predict_layers"):
        raise UserError(
            f"{path} says {field} = {config[field]}, but the weights have {stored} layers: "
            "save config and weights together"
        )


def _require_width(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """The embedding is as wide as the layers, or as the config says beside, with a tensor that maps it to the layers.

    MobileBERT maps three embeddings at once, so the tensor may have a multiple of the embedding's width.
    """
    field = next((name for name in HIDDEN if isinstance(config.get(name), int)), None)
    name = next((name for name, tensor in tensors.items() if _EMBEDDING.fullmatch(name) and tensor.is_float), None)
    if field is None or name is None or _parts(config) or len(tensors[name].shape) != 2:
        return
    rows, width = tensors[name].shape
    others = {key: value for key, value in config.items() if key != field and _EMBEDDING_WIDTH.fullmatch(key)}
    mapped = (
        len(tensor.shape) == 2 and tensor.shape[0] == config[field] and tensor.shape[1] % width == 0
        for other, tensor in tensors.items()
        if other != name and not _LAYER.search(other)
    )
    if width != config[field] and not (width in others.values() and any(mapped)):
        stated = " and ".join(f"{key} = {_short(value)}" for key, value in ({field: config[field]} | others).items())
        raise UserError(
            f"{folder / 'config.json'} says {stated}, but {name} has {rows} rows of {width} numbers: "
            "save config and weights together"
        )


def _parts(config: Mapping[str, Any]) -> bool:
    """Whether a model has parts with a config each: the names of its tensors do not tell which part they belong to."""
    return any(f"{part}_config" in config for part in ("text", "vision", "audio"))


def _longest(folder: Path, model_type: str, config: Mapping[str, Any]) -> int | None:
    """The lesser of what the positions and what the tokenizer's settings allow."""
    limits = []
    if positions := next((config[name] for name in POSITIONS if config.get(name)), None):
        taken = 2 if model_type in FROM_TWO else 0
        if model_type in FROM_PADDING:
            taken = 1 + max(config["pad_token_id"] if config.get("pad_token_id") is not None else 1, 0)
        if positions > 0:
            limits.append(positions - taken)
    path = folder / "tokenizer_config.json"
    if path.exists():
        most = read_json(path).get("model_max_length")
        if not (most is None or (isinstance(most, int | float) and not isinstance(most, bool) and most > 0)):
            raise UserError(f"{path} says model_max_length = {_short(most)}: it must be a number above 0")
        if most is not None and most < 2**40:  # the library writes 10^30 for no limit
            limits.append(int(most))
    return min(limits, default=None)


@lru_cache(maxsize=64)
def _last_token(path: Path, now: Stamp) -> tuple[str, int]:
    """The token with the highest id. The file may be large, so it is read once as long as it stays as it is."""
    found = read_json(path)
    try:
        tokens = list(_ids(found))
        if all(type(id) is int for _, id in tokens):
            return max(tokens, key=lambda each: each[1], default=("", -1))
        raise TypeError
    except (TypeError, KeyError, IndexError, AttributeError):
        raise UserError(f"{path} is not a tokenizer: save the tokenizer again") from None


def _ids(tokenizer: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Every token with its id: a mapping, or pieces with their scores in the order of their ids."""
    vocabulary = tokenizer["model"].get("vocab") or {}
    if isinstance(vocabulary, dict):
        yield from vocabulary.items()
    else:
        yield from ((str(piece[0]), id) for id, piece in enumerate(vocabulary))
    for token in tokenizer.get("added_tokens") or ():
        yield token["content"], token["id"]


def _counted(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> int:
    """Integers are buffers and do not count; nor does an output layer that the config ties to the input embedding."""
    shapes = {name: tensor.shape for name, tensor in tensors.items() if tensor.is_float}
    if config.get("tie_word_embeddings", True):
        for name in [name for name in shapes if name.endswith(_OUTPUT)]:
            if list(shapes.values()).count(shapes[name]) > 1:  # the embedding is there too
                del shapes[name]
    return sum(map(prod, shapes.values()))


def _short(value: Any) -> str:
    """A value for a message, cut where it is long."""
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**20 else "a huge number"
    return text if len(text) <= 40 else f"{text[:40]}..."
