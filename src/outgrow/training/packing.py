"""Training without padding: layers read the real tokens of a batch alone, one text after the other.

Only attention sees texts that are padded to one length, as it does without packing, so that no token sees another text.
Everything else in a layer works on each token by itself, and is most of the arithmetic. The answers are those of the
padded batch up to rounding: `measuring.can_pack` compares them when a model is opened.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS as MASKS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS as ATTENTION

from outgrow.training.batches import Batch
from outgrow.training.sharded import layers_of

PREFIX = "packed-"
_packing_of: WeakKeyDictionary[nn.Module, Packing] = WeakKeyDictionary()  # of every module of a packed model


class Packing:
    """What packs the batches of a model of transformers. `remove` undoes it."""

    def __init__(self, module: Any) -> None:
        self._tokens: torch.Tensor | None = None
        self._real: torch.Tensor | None = None
        self._shape = (0, 0)
        self._module, self._plain = module, module.config._attn_implementation
        layers = layers_of(module)
        self._hooks = [layer.register_forward_pre_hook(self._pack_inputs, with_kwargs=True) for layer in layers]
        self._hooks.append(layers[-1].register_forward_hook(self._unpack_output))
        self._hooks.append(module.base_model.register_forward_pre_hook(self._begin, with_kwargs=True))
        for part in module.modules():
            _packing_of[part] = self
        module.set_attn_implementation(PREFIX + self._plain)

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._module.set_attn_implementation(self._plain)

    def read(self, batch: Batch | None) -> None:
        """Pack the next forward pass if it is that of this batch, and its backward pass, which may run layers again."""
        self._tokens, self._real = (batch.tokens, batch.real) if batch else (None, None)
        self._shape = (batch.tokens.shape[0], batch.tokens.shape[1]) if batch else (0, 0)

    def _begin(self, _module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if kwargs.get("input_ids", args[0] if args else None) is not self._tokens:
            self.read(None)

    def attend(self, plain: Callable[..., Any], module: Any, given: Sequence[torch.Tensor], options: Any) -> Any:
        """Attention over padded texts. given: queries, keys and values, [1, heads, tokens, width of a head]. Returns
        the states, [1, tokens, heads, width], and the weights, of which nothing here makes use."""
        if self._real is None:
            return plain(module, *given, **options)
        states, weights = plain(
            module, *(self._unpacked(each.transpose(1, 2)).transpose(1, 2) for each in given), **options
        )
        return self._packed(states), weights

    def _packed(self, states: torch.Tensor) -> torch.Tensor:
        """[texts, length, ...] to [1, tokens, ...]."""
        assert self._real is not None
        return states.flatten(0, 1).index_select(0, self._real)[None]

    def _unpacked(self, states: torch.Tensor) -> torch.Tensor:
        """[1, tokens, ...] to [texts, length, ...], 0 where a text is padded."""
        assert self._real is not None
        texts, length = self._shape
        padded = states.new_zeros(texts * length, *states.shape[2:]).index_copy(0, self._real, states[0])
        return padded.view(texts, length, *states.shape[2:])

    def _pack_inputs(self, _layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._real is None:
            return None
        return tuple(map(self._pack_input, args)), {name: self._pack_input(each) for name, each in kwargs.items()}

    def _pack_input(self, given: Any) -> Any:
        """The states, and what belongs to positions, such as rotary embeddings: [texts or 1, length, width]. Masks, and
        what is packed already, stay as they are."""
        if isinstance(given, tuple):
            return tuple(map(self._pack_input, given))
        if not (isinstance(given, torch.Tensor) and given.ndim == 3 and given.shape[1] == self._shape[1]):
            return given
        return self._packed(given.expand(*self._shape, -1))

    def _unpack_output(self, _layer: Any, _args: Any, output: Any) -> Any:
        if self._real is None:
            return output
        return (self._unpacked(output[0]), *output[1:]) if isinstance(output, tuple) else self._unpacked(output)


def packing_of(module: Any) -> Packing | None:
    """Pack the batches of a model of transformers; None where its attention cannot be exchanged."""
    possible = module._can_set_attn_implementation() and module.config._attn_implementation in PLAIN
    return Packing(module) if possible and layers_of(module) else None


def _register(name: str) -> None:
    """Attention for packed batches, by transformers' implementation of this name."""
    inner = ATTENTION.get(name)

    def attention(module: Any, query: Any, key: Any, value: Any, attention_mask: Any = None, **options: Any) -> Any:
        plain = inner or sys.modules[type(module).__module__].eager_attention_forward
        options["attention_mask"] = attention_mask
        return _packing_of[module].attend(plain, module, (query, key, value), options)

    AttentionInterface.register(PREFIX + name, attention)
    AttentionMaskInterface.register(PREFIX + name, MASKS[name])


PLAIN = ("eager", "sdpa")
for _name in PLAIN:
    _register(_name)
