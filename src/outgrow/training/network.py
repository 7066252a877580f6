"""An ordinary Hugging Face checkpoint, made ready to answer: a head of k classes, the choices as next tokens, or a head
of one output that scores each choice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outgrow.graph import Settings
from outgrow.models.base import first_line, quiet
from outgrow.models.hf import check
from outgrow.tasks.base import Readout
from outgrow.training.batches import Batch, Encoded, padded
from outgrow.types import Examples, Ints, UserError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A module with its tokenizer. `causal` was measured: no token of it sees a later one."""

    module: Any
    tokenizer: Any
    readout: Readout
    device: str
    causal: bool

    def encode(self, examples: Examples) -> Encoded:
        """Token ids and output columns of every example. An example that is too long is a UserError."""
        if self.readout == "pair":
            if self.module.config.num_labels != 1:
                raise UserError(
                    f"the model has {self.module.config.num_labels} classes: scoring texts needs one output"
                )
            return self.texts(examples, "pair")
        tokens = self._tokens([(row.id, row.prompt) for row in examples.rows])
        if self.readout == "head":
            k = len(same_choices(examples))
            if k != self.module.config.num_labels:
                raise UserError(f"the model has {self.module.config.num_labels} classes, the examples have {k} choices")
            return Encoded(tokens=tokens, columns=np.tile(np.arange(k, dtype=np.int64), (len(tokens), 1)))
        column = self._columns({choice for row in examples.rows for choice in row.choices})
        rows = [np.array([column[choice] for choice in row.choices], dtype=np.int64) for row in examples.rows]
        return Encoded(tokens=tokens, columns=padded(rows))

    def texts(self, examples: Examples, readout: Readout) -> Encoded:
        """What is read of each example, one output a text: its prompt, or for pairs the prompt with each choice."""
        read = [
            [row.prompt + choice for choice in (row.choices if readout == "pair" else ("",))] for row in examples.rows
        ]
        tokens = self._tokens([(row.id, text) for row, own in zip(examples.rows, read, strict=True) for text in own])
        ends = np.cumsum([len(own) for own in read])
        texts = padded([np.arange(end - len(own), end) for own, end in zip(read, ends, strict=True)])
        return Encoded(tokens=tokens, columns=np.minimum(texts, 0), texts=texts)

    def _tokens(self, texts: list[tuple[str, str]]) -> tuple[Ints, ...]:
        """The tokens of each example's text, whole: truncation would make models of one experiment read different
        examples."""
        asked = {"add_special_tokens": True, "padding": False, "truncation": False, "return_attention_mask": False}
        encoded = self.tokenizer([text for _, text in texts], **asked)["input_ids"]
        most = self.longest
        for (id, _), ids in zip(texts, encoded, strict=True):
            if len(ids) > most:
                raise UserError(
                    f"example {id!r} has {len(ids)} tokens, the model reads {most}: "
                    "lower the task's `max_chars` or `plies`"
                )
            if not ids:
                raise UserError(f"example {id!r} has an empty prompt")
        return tuple(np.array(ids, dtype=np.int64) for ids in encoded)

    @property
    def longest(self) -> int:
        """How many tokens the model reads."""
        positions = getattr(self.module.config, "max_position_embeddings", None) or self.tokenizer.model_max_length
        return int(min(positions, self.tokenizer.model_max_length))

    def _columns(self, choices: set[str]) -> dict[str, int]:
        """The one token that each choice is."""
        found = {}
        for choice in sorted(choices):
            ids = self.tokenizer(choice, add_special_tokens=False)["input_ids"]
            if len(ids) != 1 or ids[0] == self.tokenizer.unk_token_id:
                raise UserError(f"the choice {choice!r} is not one token of the model: rename it or use a head")
            found[choice] = ids[0]
        return found

    def choice_logits(self, batch: Batch) -> torch.Tensor:
        """The logit of each choice, float32 [rows, choices], -inf where an example has no such choice."""
        logits = (self._last_logits(batch) if self.readout == "tokens" else self._class_logits(batch)).float()
        chosen: torch.Tensor
        chosen = logits.gather(1, batch.columns) if batch.texts is None else logits[batch.texts, batch.columns]
        return chosen if batch.choice_mask is None else chosen.masked_fill(~batch.choice_mask, -float("inf"))

    def hidden(self, batch: Batch, layer: int = -1) -> torch.Tensor:
        """The hidden states of a layer, [rows, length, width]: 0 the embeddings, -1 the last, as the head sees them."""
        if layer == -1:
            last: torch.Tensor = self.module.base_model(**self._inputs(batch)).last_hidden_state
            return last
        states = self.module.base_model(**self._inputs(batch), output_hidden_states=True).hidden_states
        if not -len(states) <= layer < len(states):
            raise UserError(f"the model has layers 0 to {len(states) - 1}, 0 being the embeddings: no layer {layer}")
        chosen: torch.Tensor = states[layer]
        return chosen

    def _inputs(self, batch: Batch) -> dict[str, Any]:
        """Where no token sees a later one, padding on the right is seen by nobody: the mask can go."""
        mask = None if self.causal else batch.mask
        asked = {"use_cache": False} if self.causal else {}
        return {"input_ids": batch.tokens, "attention_mask": mask, **asked}

    def _class_logits(self, batch: Batch) -> Any:
        """[rows, classes]. Transformers' causal classifiers look for the last token by comparing ids with the padding
        token's; here its place is known, so their head is applied there."""
        if hasattr(self.module, "score"):
            return self.module.score(at(self.hidden(batch), batch.last))
        return self.module(**self._inputs(batch)).logits

    def _last_logits(self, batch: Batch) -> Any:
        """Next-token logits where each prompt ends, [rows, vocabulary]; elsewhere they are not computed. What a model
        does after its output embedding (scaling, soft caps) still happens."""
        embedding = self.module.get_output_embeddings()
        hook = embedding.register_forward_pre_hook(lambda _, args: (at(args[0], batch.last)[:, None],))
        try:
            return self.module(**self._inputs(batch)).logits[:, 0]
        finally:
            hook.remove()

    def save(self, folder: Path) -> None:
        """Write an ordinary checkpoint: config.json, model.safetensors and the tokenizer's files."""
        folder.mkdir(parents=True, exist_ok=True)
        with quiet():
            self.module.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)


def open_network(
    folder: Path, readout: Readout, settings: Settings, *, classes: tuple[str, ...] | None = None, seed: int = 0
) -> Network:
    """The checkpoint in `folder` with fp32 weights on the settings' device.

    Attention is the library's default, SDPA. Measured in fp32 on one core, eager against SDPA: 0.95-0.98 times the
    examples/s for GPT-2 of 0.7M and 1.0M parameters, 0.93 for MiniLM-L6.

    `classes` asks for a head with these classes, drawn from `seed` where the checkpoint has none of that size. Without
    it every weight must be there. Raises UserError for a folder that is not a whole checkpoint.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    prepare(settings)
    tokenizer = open_tokenizer(folder, settings)
    named = {"id2label": dict(enumerate(classes)), "label2id": {c: i for i, c in enumerate(classes)}} if classes else {}
    auto = AutoModelForCausalLM if readout == "tokens" else AutoModelForSequenceClassification
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module, info = open_module(auto, folder, settings, ignore_mismatched_sizes=bool(classes), **named)
    missing = {key for key in info["missing_keys"] if not classes or pretrained(module, key)}
    if missing:
        what = "language model" if readout == "tokens" else "classifier" if not classes else "whole model"
        raise UserError(f"{folder} is not a {what}: it lacks {sorted(missing)[0]}")
    return _network(module, tokenizer, readout, settings)


def open_encoder(folder: Path, settings: Settings) -> Network:
    """The checkpoint in `folder` without any head: `hidden` is what it gives."""
    from transformers import AutoModel

    prepare(settings)
    tokenizer = open_tokenizer(folder, settings)
    module, _ = open_module(AutoModel, folder, settings)
    return _network(module, tokenizer, "head", settings)


def _network(module: Any, tokenizer: Any, readout: Readout, settings: Settings) -> Network:
    if module.config.pad_token_id is None:
        module.config.pad_token_id = tokenizer.pad_token_id
    _fast_gelu(module)
    module = module.to(settings.device).eval()
    return Network(
        module=module, tokenizer=tokenizer, readout=readout, device=settings.device, causal=_is_causal(module)
    )


def open_module(auto: Any, folder: Path, settings: Settings, **options: Any) -> tuple[Any, dict[str, Any]]:
    """`auto.from_pretrained` without surprises, and what it says of the keys it missed."""
    import torch

    try:
        with quiet():
            module, info = auto.from_pretrained(
                folder,
                dtype=torch.float32,
                use_safetensors=None if settings.trust_pickle else True,
                trust_remote_code=settings.trust_remote_code,
                output_loading_info=True,
                **options,
            )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise UserError(f"{folder} cannot be loaded: {first_line(error)}") from error
    return module, info


def open_tokenizer(folder: Path, settings: Settings) -> Any:
    """The tokenizer in `folder`, with a padding token. The folder is seen to be a whole checkpoint first."""
    from transformers import AutoTokenizer

    check(folder, settings)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise UserError(f"the tokenizer in {folder} cannot be loaded: {first_line(error)}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def prepare(settings: Settings) -> None:
    """Set the threads, and see that the device is there."""
    import torch

    torch.set_num_threads(settings.threads)
    try:
        torch.empty(0, device=settings.device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"no device {settings.device!r} here ({first_line(error)}): use --device cpu") from error


def head_of(readout: Readout, examples: Examples) -> tuple[str, ...] | None:
    """The names of a head's outputs: the choices, one score, or None where next tokens answer."""
    if readout == "head":
        return same_choices(examples)
    return ("score",) if readout == "pair" else None


def same_choices(examples: Examples) -> tuple[str, ...]:
    """The choices that all examples share: a head has one output for each."""
    choices = examples.rows[0].choices
    for row in examples.rows:
        if row.choices != choices:
            raise UserError(f"example {row.id!r} has other choices than {examples.rows[0].id!r}: a head needs the same")
    return choices


def pretrained(module: Any, key: str) -> bool:
    """Whether a weight belongs to what was pretrained: not to the head, nor to a pooler, which some leave out."""
    return key.startswith(f"{module.base_model_prefix}.") and ".pooler." not in key


def at(hidden: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """[rows, length, width] at one position a row: [rows, width]."""
    import torch

    return hidden[torch.arange(len(hidden), device=hidden.device), last]


def _is_causal(module: Any) -> bool:
    """Whether the first token's state is blind to the second."""
    import torch

    tokens = torch.tensor([[1, 2], [1, 3]], device=module.device)
    with torch.inference_mode(), quiet():
        first = module.base_model(input_ids=tokens).last_hidden_state[:, 0]
    return bool(torch.allclose(first[0], first[1], atol=1e-6))


def _fast_gelu(module: Any) -> None:
    """GPT-2's `gelu_new` is written out op by op; PyTorch's kernel computes the same function: 9 % of a step."""
    from transformers.activations import ACT2FN, NewGELUActivation

    for part in module.modules():
        for name, child in part.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(part, name, ACT2FN["gelu_pytorch_tanh"])
