"""How much memory a model takes to read or to learn, counted from its shapes before anything is loaded.

Bytes for each weight: 4 for its value, and where it is trained 4 for the gradient, 8 for Adam's moments, 4 for the best
check so far, and in bf16 2 for its cast. Activations are what torch keeps for the backward pass of one micro-batch (as
in Korthikanti et al. 2022, section 4, counted for fp32 and for autocast): they grow with tokens, layers and width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from outgrow.models.header import read_config, read_header
from outgrow.training.batches import MOST_TOKENS

PROCESS = 0.5e9  # of Python with torch and transformers
CUDA_PROCESS = 1.5e9  # of a process that uses a GPU: a guess, no GPU was at hand
CUDA = 1.0e9  # of a GPU's context and workspaces: a guess, too
VALUE, GRADIENT, MOMENTS, BEST, CAST = 4, 4, 8, 4, 2  # bytes a weight
AGAIN = 4  # layers' worth of activations while one layer is computed again: measured (bench/footprint.py)
FIELDS: Mapping[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "width": ("hidden_size", "n_embd", "d_model", "dim"),
    "inner": ("intermediate_size", "n_inner", "ffn_dim", "hidden_dim"),
    "heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "vocabulary": ("vocab_size",),
}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The sizes of a transformer. sides: the inputs and outputs of all its matrices in layers, summed. gated: its MLP
    has a third matrix."""

    parameters: int
    layers: int
    width: int
    inner: int
    heads: int
    vocabulary: int
    sides: int
    gated: bool = False


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What goes through a model at once: texts, each padded to so many tokens. precision: fp32 or bf16. outputs: how
    many rows of logits over the vocabulary there are. eager: attention keeps its probabilities.
    gradient_checkpointing: only the inputs of layers are kept."""

    texts: int
    length: int
    precision: str = "fp32"
    outputs: int = 0
    eager: bool = False
    gradient_checkpointing: bool = False

    @property
    def tokens(self) -> int:
        return self.texts * self.length


def pass_of(texts: int, length: int, **fields: Any) -> Pass:
    """The largest micro-batch of so many texts at most: of `MOST_TOKENS` tokens, or of one text."""
    return Pass(texts=max(1, min(texts, MOST_TOKENS // max(length, 1))), length=length, **fields)


@lru_cache(maxsize=256)
def architecture(folder: Path) -> Architecture:
    """The sizes of the checkpoint in a folder; those of a BERT of its width where the config names them otherwise.
    Raises UserError for a folder that is not a checkpoint."""
    config, header = read_config(folder), read_header(folder)
    own = {**config, **config.get("text_config", {})}
    found = {name: next((own[each] for each in names if own.get(each)), 0) for name, names in FIELDS.items()}
    width = found["width"] or 768
    matrices = [shape for name, shape in header.shapes.items() if len(shape) == 2 and "emb" not in name]
    return Architecture(
        parameters=header.parameters or sum(map(prod, matrices)),
        layers=found["layers"] or 12,
        width=width,
        inner=found["inner"] or 4 * width,
        heads=found["heads"] or max(1, width // 64),
        vocabulary=found["vocabulary"] or 32_000,
        sides=sum(map(sum, matrices)),
        gated=any("gate_proj" in name or "gate_up" in name for name in header.shapes),
    )


def weights_to_learn(of: Architecture, trained: int, precision: str) -> float:
    """Bytes of the weights and of all that training keeps of those that are trained."""
    return VALUE * of.parameters + trained * (GRADIENT + MOMENTS + BEST + (CAST if precision == "bf16" else 0))


def activations(of: Architecture, each: Pass) -> float:
    """Bytes that a forward and a backward pass of a micro-batch take at their peak."""
    layer = each.tokens * _a_token(of, each)
    logits = 12.0 * each.outputs * of.vocabulary  # the logits, their softmax and their gradient
    kept = (of.layers + 1) * layer  # one more for the gradients of a layer
    if each.gradient_checkpointing:
        kept = min(kept, 4.0 * each.tokens * of.width * of.layers + AGAIN * layer)
    return kept + logits


def gathered_at_once(of: Architecture) -> float:
    """Bytes of the weights that each device gathers of a model that is spread: of two layers, the second while the
    first is used, and of what is outside the layers."""
    return VALUE * (2 * of.parameters / of.layers + 2 * of.vocabulary * of.width)


def answers(of: Architecture, each: Pass) -> float:
    """Bytes that a forward pass without gradients takes at its peak: those of one layer, and the logits."""
    return each.tokens * _a_token(of, each) + 12.0 * each.outputs * of.vocabulary


def _a_token(of: Architecture, each: Pass) -> float:
    """Bytes that a layer keeps of a token. fp32: the inputs of both norms, of three products, queries, keys, values and
    the output of attention, at 4 bytes; two dropout masks; the MLP before and after its activation. In bf16 the inputs
    of the norms stay in fp32. Eager attention keeps its probabilities in fp32, after dropout, and the mask."""
    wide, mlp = (22, 4) if each.precision == "bf16" else (34, 8)
    probabilities = (4 + (2 if each.precision == "bf16" else 4) + 1) * of.heads * each.length if each.eager else 0
    return wide * of.width + mlp * (2 if of.gated else 1) * of.inner + probabilities
