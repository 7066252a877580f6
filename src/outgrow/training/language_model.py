"""Language modelling: next-token prediction after the given part of a line. Used by pretraining, and by generative
supervision (Burns et al. 2023, section 5.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from outgrow.graph import Context
from outgrow.tasks.base import Passage
from outgrow.training.batches import MOST_TOKENS, sent
from outgrow.training.loop import TrainingConfig, TrainingResult, train
from outgrow.training.network import Network
from outgrow.training.waiting import no_lookups
from outgrow.types import Ints, UserError

if TYPE_CHECKING:
    import torch

VALIDATION_LINES = 1024  # lines of a validation


@dataclass(frozen=True, kw_only=True)
class Generative(TrainingConfig):
    """Generative supervision: language modelling on the task's inputs, without labels. The fields are those of
    `TrainingConfig`."""

    kind: ClassVar[str] = "method/generative"
    version: ClassVar[int] = 1


class Lines(Protocol):
    """Token ids of all lines, concatenated, [total]. Line i is tokens[offsets[i]:offsets[i + 1]]; its loss is over the
    tokens from starts[i] on, which is after its first token."""

    @property
    def tokens(self) -> Any: ...
    @property
    def offsets(self) -> Ints: ...
    @property
    def starts(self) -> Ints: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Tokenised:
    """The tokens of passages, one after the other.

    offsets: [n + 1], where each passage begins in `tokens`. starts: [n], where what is learnt of it begins.
    """

    tokens: Ints
    offsets: Ints
    starts: Ints


def adapt(
    network: Network,
    train_on: Sequence[Passage],
    validation_lines: Sequence[Passage],
    config: TrainingConfig,
    seed: int,
    ctx: Context,
) -> TrainingResult:
    """Train a causal model on passages, in place."""
    read, validation = tokenised(network, train_on), tokenised(network, validation_lines)
    return train(
        network.module,
        LanguageModelObjective(network.module, read, validation, ctx.settings.microbatch),
        config,
        seed,
        ctx,
    )


def tokenised(network: Network, passages: Sequence[Passage]) -> Tokenised:
    """Tokenise passages; those without a token to predict are left out. Raises UserError if none is left."""
    tokens: list[int] = []
    offsets, starts = [0], []
    for passage in passages:
        given = network.tokenizer(passage.given)["input_ids"]
        ids = [*given, *network.tokenizer(passage.text, add_special_tokens=False)["input_ids"]]
        ids = ids[: network.longest]  # truncated to the length that the model reads
        if len(ids) > max(1, len(given)):
            starts.append(len(tokens) + max(1, len(given)))
            tokens += ids
            offsets.append(len(tokens))
    if not starts:
        raise UserError("the task has no text to read without labels: leave out adapt")
    arrays = (np.array(each, dtype=np.int64) for each in (tokens, offsets, starts))
    return Tokenised(**dict(zip(("tokens", "offsets", "starts"), arrays, strict=True)))


class LanguageModelObjective:
    """Minimises the mean next-token cross-entropy; validates on other lines."""

    def __init__(self, module: Any, lines: Lines, validation_lines: Lines, most_rows: int | None = None) -> None:
        self.size = len(lines.starts)
        self._module, self._lines, self._validation_lines, self._most_rows = module, lines, validation_lines, most_rows

    def micro_batches(self, rows: Ints) -> list[Ints]:
        return list(self._micro_batches(self._lines, rows))

    def _micro_batches(self, lines: Lines, rows: Ints) -> Iterator[Ints]:
        most = self._most_rows or max(1, MOST_TOKENS // int(np.diff(lines.offsets).max()))
        for start in range(0, len(rows), most):
            yield rows[start : start + most]

    def targets(self, micro_batches: list[Ints], progress: float) -> list[float]:
        """The factor of each line's summed loss, so that every token of the whole batch has the same weight."""
        total = sum(int(learnt(self._lines, micro_batch).sum()) for micro_batch in micro_batches)
        return [sum(map(len, micro_batches)) / total] * len(micro_batches)

    def per_example(self, micro_batch: Ints, target: float) -> torch.Tensor:
        import torch

        losses, _ = self._losses(self._lines, micro_batch)
        line = sent(np.repeat(np.arange(len(micro_batch)), learnt(self._lines, micro_batch)), losses.device)
        return target * torch.zeros(len(micro_batch), device=losses.device).index_add(0, line, losses)

    def validate(self) -> dict[str, float]:
        """Loss and accuracy over all predicted tokens, and accuracy on the first of each line (the first move)."""
        import torch

        rows = np.arange(min(VALIDATION_LINES, len(self._validation_lines.starts)))
        found = [
            self._losses(self._validation_lines, micro_batch)
            for micro_batch in self._micro_batches(self._validation_lines, rows)
        ]
        losses, right = (torch.cat(each) for each in zip(*found, strict=True))
        first = np.cumsum(learnt(self._validation_lines, rows)) - learnt(self._validation_lines, rows)
        return {
            "validation_loss": losses.mean().item(),
            "validation_accuracy": right.mean().item(),
            "validation_first_move": right[first].mean().item(),
        }

    def _losses(self, lines: Lines, rows: Ints) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of each predicted token, and whether it was the most probable one, each [tokens]."""
        import torch

        logits, wanted = next_tokens(self._module, lines, rows)
        losses = torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
        return losses, (logits.argmax(-1) == wanted).float()


def next_tokens(module: Any, lines: Lines, rows: Ints) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits of each predicted token of some lines, float32 [tokens, vocabulary], and that token, [tokens], line
    after line.

    Padding on the right needs no mask in a causal model. The output embedding is used only where something is to be
    learnt; what a model does after it (scaling, soft caps) still happens.
    """
    begins, ends, starts = lines.offsets[rows], lines.offsets[rows + 1], lines.starts[rows]
    columns = np.arange((ends - begins).max())
    inside = columns < (ends - begins)[:, None]
    tokens = lines.tokens[np.minimum(begins[:, None] + columns, ends[:, None] - 1)]  # no id means padding
    predicts = inside & (columns >= (starts - begins)[:, None])
    ids, wanted = tokens.astype(np.int64), predicts[:, 1:]
    where = sent(np.flatnonzero(wanted), module.device)  # a mask on a GPU would be waited for
    embedding = module.get_output_embeddings()
    hook = embedding.register_forward_pre_hook(lambda _, args: (args[0].flatten(0, 1).index_select(0, where)[None],))
    try:
        with no_lookups():
            logits = module(input_ids=sent(ids[:, :-1], module.device), use_cache=False).logits[0].float()
    finally:
        hook.remove()
    return logits, sent(ids[:, 1:][wanted], module.device)


def learnt(lines: Lines, rows: Ints) -> Ints:
    """How many tokens of each line are predicted, int64 [rows]."""
    count: Ints = lines.offsets[rows + 1] - lines.starts[rows]
    return count
