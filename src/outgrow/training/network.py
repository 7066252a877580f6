"""A Hugging Face checkpoint with a readout: a head of k classes, the choices as next tokens, or a head of one output
that scores each choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outgrow.graph import Settings
from outgrow.models.base import first_line, quiet
from outgrow.models.header import read_header
from outgrow.tasks.base import Readout
from outgrow.training import sharded
from outgrow.training.batches import Batch, Encoded, at, padded
from outgrow.training.checkpoint import NOT_CAUSAL, Kind, check_loadable, load_module
from outgrow.training.measuring import can_pack, is_causal, sees_padding
from outgrow.training.precision import Precision, attention
from outgrow.training.tokenizer import (
    fit_tokenizer,
    load_tokenizer,
    make_ordinary,
    require_embeddings,
    single_token,
)
from outgrow.training.waiting import no_lookups
from outgrow.types import Examples, Ints, UserError, same_choices

if TYPE_CHECKING:
    import torch

    from outgrow.training.packing import Packing


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A module with its tokenizer.

    longest: how many tokens it reads, None where no limit is known. Two things were measured: whether it is `causal`
    (no token sees a later one), and whether it `sees_padding` in spite of a mask. packing: of a model that is trained,
    where it can be packed.
    """

    module: Any
    tokenizer: Any
    readout: Readout
    device: str
    causal: bool
    longest: int | None
    sees_padding: bool
    packing: Packing | None = None

    def encode(self, examples: Examples) -> Encoded:
        """Token ids and output columns of every example. An example that is too long is a UserError."""
        if self.readout == "pair":
            if self.module.config.num_labels != 1:
                raise UserError(
                    f"the model has {self.module.config.num_labels} classes: scoring texts needs one output"
                )
            return self._pairs(examples)
        tokens = self.tokens([(row.id, row.prompt) for row in examples.rows], examples.cut)
        if self.readout == "head":
            k = len(same_choices(examples))
            if k != self.module.config.num_labels:
                raise UserError(f"the model has {self.module.config.num_labels} classes, the examples have {k} choices")
            return Encoded(tokens=tokens, columns=np.tile(np.arange(k, dtype=np.int64), (len(tokens), 1)))
        column = self._columns({choice for row in examples.rows for choice in row.choices})
        rows = [np.array([column[choice] for choice in row.choices], dtype=np.int64) for row in examples.rows]
        return Encoded(tokens=tokens, columns=padded(rows))

    def _pairs(self, examples: Examples) -> Encoded:
        """The texts of each example, its prompt with each choice, with one output per text."""
        read = [[row.prompt + choice for choice in row.choices] for row in examples.rows]
        named = [(row.id, text) for row, own in zip(examples.rows, read, strict=True) for text in own]
        tokens = self.tokens(named, examples.cut)
        ends = np.cumsum([len(own) for own in read])
        texts = padded([np.arange(end - len(own), end) for own, end in zip(read, ends, strict=True)])
        return Encoded(tokens=tokens, columns=np.minimum(texts, 0), texts=texts)

    def tokens(self, texts: Sequence[tuple[str, str]], cut: bool) -> tuple[Ints, ...]:
        """The tokens of each (id, text), truncated only if `cut`; otherwise a text that is too long is a UserError."""
        most = self.longest
        cut = cut and most is not None
        options = {"add_special_tokens": True, "padding": False, "truncation": cut, "return_attention_mask": False}
        limit = {"max_length": most} if cut else {}
        encoded = self.tokenizer([text for _, text in texts], **options, **limit)["input_ids"]
        for (id, _), ids in zip(texts, encoded, strict=True):
            if most is not None and len(ids) > most:
                raise UserError(
                    f"example {id!r} has {len(ids)} tokens, the model reads {most}: "
                    "lower the task's `max_chars` or `plies`"
                )
            if not ids:
                raise UserError(f"example {id!r} has an empty prompt")
        return tuple(np.array(ids, dtype=np.int64) for ids in encoded)

    def too_long(self, texts: Sequence[str]) -> int:
        """How many of these texts have more tokens than the model reads."""
        if self.longest is None or not texts:
            return 0
        encoded = self.tokenizer(list(texts), truncation=False, return_attention_mask=False, verbose=False)
        return sum(len(ids) > self.longest for ids in encoded["input_ids"])

    def _columns(self, choices: set[str]) -> dict[str, int]:
        """The one token that each choice is."""
        found = {}
        for choice in sorted(choices):
            if (token := single_token(self.tokenizer, choice)) is None:
                raise UserError(f"the choice {choice!r} is not one token of the model: rename it or use a head")
            found[choice] = token
        return found

    def choice_logits(self, batch: Batch) -> torch.Tensor:
        """The logit of each choice, float32 [rows, choices], -inf where an example has no such choice."""
        logits = self.outputs(batch).float()
        chosen: torch.Tensor
        chosen = logits.gather(1, batch.columns) if batch.texts is None else logits[batch.texts, batch.columns]
        return chosen if batch.choice_mask is None else chosen.masked_fill(~batch.choice_mask, -float("inf"))

    def outputs(self, batch: Batch) -> torch.Tensor:
        """The logits of each text, [texts, outputs]: next-token logits, or those of the classes."""
        return self._unpadded(batch, self._last_logits if self.readout == "tokens" else self._class_logits)

    def hidden(self, batch: Batch, layer: int = -1) -> torch.Tensor:
        """The hidden states of a layer, [texts, length, width]: 0 the embeddings, -1 the last as the head sees it."""
        return self._unpadded(batch, lambda part: self._hidden(part, layer))

    def _hidden(self, batch: Batch, layer: int) -> torch.Tensor:
        base, length = self.module.base_model, batch.tokens.shape[1]
        if layer == -1:
            chosen: torch.Tensor = self._through(base, batch).last_hidden_state
        else:
            states = self._through(base, batch, packed=False, output_hidden_states=True).hidden_states
            if not -len(states) <= layer < len(states):
                raise UserError(
                    f"the model has layers 0 to {len(states) - 1}, 0 being the embeddings: no layer {layer}"
                )
            chosen = states[layer]
        if chosen.shape[:2] != batch.tokens.shape:
            raise UserError(f"layer {layer} of the model has no state for each of {length} tokens: read another layer")
        return chosen

    def _unpadded(self, batch: Batch, read: Callable[[Batch], torch.Tensor]) -> torch.Tensor:
        """`read` of a batch. If the model sees padding, texts of each length go through it separately."""
        import torch

        if batch.mask is None or not self.sees_padding:
            return read(batch)
        found: list[tuple[torch.Tensor, torch.Tensor]] = []
        for last in sorted(set(batch.last.tolist())):
            texts = (batch.last == last).nonzero()[:, 0]
            part = replace(batch, tokens=batch.tokens[texts, : last + 1], mask=None, real=None, last=batch.last[texts])
            states = read(part)
            if states.ndim == 3:  # hidden states: as wide as the whole batch again
                states = torch.nn.functional.pad(states, (0, 0, 0, batch.tokens.shape[1] - last - 1))
            found.append((texts, states))
        order = torch.cat([texts for texts, _ in found]).argsort()
        return torch.cat([states for _, states in found])[order]

    def _through(self, module: Any, batch: Batch, packed: bool = True, **options: Any) -> Any:
        """What the module makes of a batch. A causal model needs no mask: no token sees the padding on its right."""
        if self.packing:
            self.packing.read(batch if packed else None)
        mask = None if self.causal else batch.mask
        if self.causal:
            options["use_cache"] = False
        with no_lookups():
            return module(input_ids=batch.tokens, attention_mask=mask, **options)

    def _class_logits(self, batch: Batch) -> Any:
        """[texts, classes]. Transformers' causal classifiers look for the last token by comparing ids with the padding
        token's. Its position is known here: a hook gives the head the last token's state at every position."""
        if not self.causal:
            return self._through(self.module, batch).logits

        def show_last(_module: Any, _args: Any, output: Any) -> None:
            states = output.last_hidden_state
            output.last_hidden_state = at(states, batch.last)[:, None].expand(states.shape)

        hook = self.module.base_model.register_forward_hook(show_last)
        try:
            return self._through(self.module, batch).logits
        finally:
            hook.remove()

    def _last_logits(self, batch: Batch) -> Any:
        """Next-token logits where each prompt ends, [texts, vocabulary]; elsewhere they are not computed. What a model
        does after its output embedding (scaling, soft caps) still happens."""
        embedding = self.module.get_output_embeddings()
        hook = embedding.register_forward_pre_hook(lambda _, args: (at(args[0], batch.last)[:, None],))
        try:
            return self._through(self.module, batch).logits[:, 0]
        finally:
            hook.remove()

    def save(self, folder: Path) -> None:
        """Write an ordinary checkpoint: config.json, model.safetensors and the tokenizer's files."""
        folder.mkdir(parents=True, exist_ok=True)
        make_ordinary(self.tokenizer, self.module, self.longest, classifier=self.readout != "tokens")
        with quiet():
            self.module.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)


def open_network(
    folder: Path,
    readout: Readout,
    settings: Settings,
    *,
    classes: tuple[str, ...] | None = None,
    seed: int = 0,
    trained_in: Precision | None = None,
) -> Network:
    """The checkpoint in `folder` with fp32 weights on the settings' device.

    `classes` asks for a head with these classes, drawn from `seed` where the checkpoint has none of that size. Without
    it every weight must be there. trained_in: the precision that it will be trained in, if it will. Raises UserError
    for a folder that is not a whole checkpoint, and for an architecture whose answers cannot be right.
    """
    prepare(settings)
    kind: Kind = "language model" if readout == "tokens" else "classifier"
    implementation = attention(settings.device, trained_in) if trained_in else None
    module = load_module(kind, folder, settings, classes=classes, seed=seed, attention=implementation)
    if trained_in and settings.shards == 1:
        from outgrow.training.embedding import sum_in_place

        sum_in_place(module)
    if trained_in and settings.gradient_checkpointing:
        _compute_twice(module, folder)
    return _opened(module, folder, readout, settings, trained=trained_in is not None)


def _compute_twice(module: Any, folder: Path) -> None:
    """Keep the inputs of layers only, and compute the rest again in the backward pass."""
    if not module.supports_gradient_checkpointing:
        raise UserError(f"{folder} has no gradient checkpointing: leave it out, or lower --microbatch")
    module.gradient_checkpointing_enable({"use_reentrant": False})


def spread(network: Network) -> Network:
    """The network with its weights spread over the ranks, where there are several."""
    module = sharded.spread(network.module)
    return replace(network, module=module, device=sharded.rank().device or network.device)


def open_encoder(folder: Path, settings: Settings, *, trained_in: Precision | None = None) -> Network:
    """The checkpoint in `folder` without a head, for `hidden`. trained_in: as in `open_network`."""
    prepare(settings)
    how = attention(settings.device, trained_in) if trained_in else None
    module = load_module("encoder", folder, settings, attention=how)
    if trained_in and settings.gradient_checkpointing:
        _compute_twice(module, folder)
    return _opened(module, folder, "head", settings, trained=trained_in is not None)


def _opened(module: Any, folder: Path, readout: Readout, settings: Settings, *, trained: bool) -> Network:
    tokenizer = load_tokenizer(folder, settings)
    encoder = module.base_model is module
    causal = is_causal(module, folder)
    device = settings.device if sharded.rank().world == 1 else "cpu"  # until it is spread
    if readout == "tokens" and not causal:
        raise UserError(NOT_CAUSAL.format(folder=folder))
    fit_tokenizer(tokenizer, module, folder, pooled=causal and readout != "tokens" and not encoder)
    network = Network(
        module=module.to(device),
        tokenizer=tokenizer,
        readout=readout,
        device=device,
        causal=causal,
        longest=read_header(folder).longest,
        sees_padding=False,
    )
    network = replace(network, sees_padding=sees_padding(network, folder))
    return _packing(network) if trained and settings.shards == 1 else network


def _packing(network: Network) -> Network:
    """The network with its batches packed where that changes no answer. Ranks that share the micro-batches of an update
    need several of them, and do not pack."""
    from outgrow.training.packing import packing_of

    if network.sees_padding or (packing := packing_of(network.module)) is None:
        return network
    packed = replace(network, packing=packing)
    if can_pack(packed, network):
        return packed
    packing.remove()
    return network


def check_network(kind: Kind, folder: Path, settings: Settings, *, drawn: bool) -> None:
    """Raises UserError for what opening a checkpoint would refuse, as far as it shows without weights."""
    described = check_loadable(kind, folder, settings, drawn=drawn)
    tokenizer = load_tokenizer(folder, settings)
    if described is not None:
        require_embeddings(tokenizer, described, folder)


def prepare(settings: Settings) -> None:
    """Set the number of threads. Raises UserError if the device is not available."""
    import torch

    torch.set_num_threads(settings.threads)
    try:
        torch.empty(0, device=settings.device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"no device {settings.device!r} here ({first_line(error)}): use --device cpu") from error


def check_device(settings: Settings) -> None:
    """Raises UserError if the device is not available. For "cpu", torch is not imported."""
    if settings.device != "cpu":
        prepare(settings)


def head_of(readout: Readout, examples: Examples) -> tuple[str, ...] | None:
    """The names of a head's outputs: the choices, one score, or None where next tokens answer."""
    if readout == "head":
        return same_choices(examples)
    return ("score",) if readout == "pair" else None
