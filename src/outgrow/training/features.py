"""Frozen features: hidden states of a model without training, pooled over each prompt."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from outgrow.graph import Context
from outgrow.notes import read_notes, write_notes
from outgrow.ranges import check_ranges, one_of, whole
from outgrow.store.rows import DIGEST, Digests, Rows, as_digests
from outgrow.tasks.base import Readout
from outgrow.training.precision import IN_FP32, NOT_FINITE, NotFiniteError, Precision, autocast, check_precision
from outgrow.types import Examples, Floats, Ints, UserError

if TYPE_CHECKING:
    import torch

    from outgrow.training.batches import Encoded
    from outgrow.training.network import Network

PADDING = 8  # tokens: a multiple of it is what a text is padded to
PARTS = 8  # of the digests, that several processes share among them

NamedText = tuple[str, str]  # the example's id, for messages, and the text
Notes = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """Which hidden states are used.

    pooling: the mean over the prompt or its last token; `auto` is the mean for encoders, the last token for causal
    models. layer: 0 for the embeddings, 1 for the first layer, ..., -1 for the last, normed as the head sees it.
    precision: that of the model; the features are fp32.
    """

    kind: ClassVar[str] = "features/spec"

    pooling: Literal["auto", "mean", "last"] = "auto"
    layer: int = -1
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        check_ranges(self, pooling=one_of("auto", "mean", "last"), layer=whole(-1000, 1000))
        check_precision(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureIndex:
    """Which texts the features of each example come from.

    texts: the digest of each text, [n, 1]; for pairs [n, 2]: the features of a pair are those of its first text less
    those of its second. The features themselves are rows of the store, one for each text.
    """

    ids: tuple[str, ...]
    texts: Digests
    notes: tuple[str, ...] = ()

    def of(self, ids: tuple[str, ...]) -> Digests:
        """The digests of these examples, [len(ids), texts]."""
        where = {id: i for i, id in enumerate(self.ids)}
        return self.texts[[where[id] for id in ids]]

    def save(self, folder: Path) -> None:
        digests = [[digest.hex() for digest in row] for row in self.texts.tolist()]
        (folder / "texts.json").write_text(json.dumps([self.ids, digests]))
        write_notes(folder, self.notes)

    @classmethod
    def load(cls, folder: Path) -> Self:
        ids, digests = json.loads((folder / "texts.json").read_text())
        flat = as_digests([bytes.fromhex(digest).ljust(DIGEST, b"\0") for row in digests for digest in row])
        return cls(ids=tuple(ids), texts=flat.reshape(len(ids), -1), notes=read_notes(folder))


def texts_of(examples: Examples, readout: Readout) -> list[tuple[str, ...]]:
    """The texts that the features of each example come from: its prompt; for pairs the prompt with each choice.

    Raises UserError for pairs of more than two texts.
    """
    if readout != "pair":
        return [(row.prompt,) for row in examples.rows]
    if any(len(row.choices) != 2 for row in examples.rows):
        raise UserError("features compare two texts: this task has examples with more, use finetune for it")
    return [tuple(row.prompt + choice for choice in row.choices) for row in examples.rows]


def fill(
    rows: Rows, folder: Path, texts: Mapping[bytes, NamedText], spec: FeatureSpec, cut: bool, ctx: Context
) -> Notes:
    """Compute the features of those texts, by digest, that `rows` do not have, and add them. Returns notes.

    Processes that fill the same rows at the same time share the work: each part of the digests is done by one of them,
    and what another has added meanwhile is not computed again. What is done is kept when the process is killed.
    """
    from outgrow.training.network import open_encoder

    digests = as_digests(list(texts))
    missing = ~rows.read(digests)[1]
    named, part_of = list(texts.values()), np.array([digest[0] % PARTS for digest in texts], dtype=np.int64)
    parts = [part for part in range(PARTS) if (missing & (part_of == part)).any()]
    network = open_encoder(folder, ctx.settings) if parts else None
    done, total, notes = int((~missing).sum()), max(len(texts), 1), dict[str, None]()
    for part in random.Random(os.getpid()).sample(parts, len(parts)):
        with rows.filling(part, partial(_waiting, ctx, done / total)):
            mine = np.flatnonzero(missing & (part_of == part))
            todo = mine[~rows.read(digests[mine])[1]]
            done += len(mine) - len(todo)
            started, found = time.monotonic(), list[tuple[Ints, Floats]]()
            for chosen, values, warnings in pooled(
                network, [named[i] for i in todo], spec, ctx.settings.microbatch, cut=cut
            ):
                found.append((todo[chosen], values))
                notes |= dict.fromkeys(warnings)
                done += len(chosen)
                ctx.progress(done / total)
                if ctx.checkpoint_due():
                    started, found = _added(rows, digests, found, started, ctx), []
            _added(rows, digests, found, started, ctx)
    return tuple(notes)


def _waiting(ctx: Context, fraction: float, owner: str) -> None:
    ctx.progress(fraction, f"{owner} reads the same texts")


def _added(rows: Rows, digests: Digests, found: Sequence[tuple[Ints, Floats]], started: float, ctx: Context) -> float:
    """Store what was found since `started`; returns the time."""
    if found:
        which, values = (np.concatenate(each) for each in zip(*found, strict=True))
        rows.add(digests[which], values, time.monotonic() - started)
        ctx.saved()
    return time.monotonic()


def pooled(
    network: Network | None, texts: Sequence[NamedText], spec: FeatureSpec, microbatch: int | None, *, cut: bool = False
) -> Iterator[tuple[Ints, Floats, tuple[str, ...]]]:
    """The features of texts, in batches: which texts, [rows]; the pooled hidden states of an encoder,
    float32 [rows, width]; and notes.

    The features of a text do not depend on the others, to the byte on one machine: a text is padded to the next
    multiple of `PADDING` tokens, whatever its batch. cut: read texts that are too long as far as the model reads, which
    is otherwise a UserError. Raises NotFiniteError for features that are not finite in fp32 either.
    """
    import torch

    from outgrow.training.batches import MOST_TOKENS

    if network is None or not texts:
        return
    encoded = encode_texts(network, texts, cut)
    last_token = spec.pooling == "last" or (spec.pooling == "auto" and network.causal)
    padded = -(-encoded.lengths // PADDING) * PADDING
    padded = np.minimum(padded, network.longest) if network.longest else padded
    shape = 2 * padded + (encoded.lengths == padded)  # full texts go alone: a batch without padding needs no mask
    for each in np.unique(shape):
        rows, length = np.flatnonzero(shape == each), int(each) // 2
        most = max(1, min(MOST_TOKENS // length, microbatch or len(rows)))
        for start in range(0, len(rows), most):
            part = rows[start : start + most]
            compute = partial(_pooled, network, encoded, part, length, spec.layer, last_token)
            with torch.inference_mode(), autocast(network.device, spec.precision):
                values, notes = compute(), tuple[str, ...]()
            fine = np.isfinite(values).all(axis=1, keepdims=True)
            if not fine.all() and spec.precision == "bf16":
                with torch.inference_mode():
                    values, notes = np.where(fine, values, compute()), (IN_FP32,)
            if not np.isfinite(values).all():
                raise NotFiniteError(NOT_FINITE)
            yield part, values, notes


def encode_texts(network: Network, texts: Sequence[NamedText], cut: bool) -> Encoded:
    """The tokens of texts, for what reads hidden states alone."""
    from outgrow.training.batches import Encoded

    tokens = network.tokens(texts, cut)
    return Encoded(tokens=tokens, columns=np.zeros((len(tokens), 1), dtype=np.int64))


def read_all(
    network: Network,
    texts: Sequence[NamedText],
    spec: FeatureSpec,
    microbatch: int | None,
    *,
    cut: bool,
    progress: Callable[[float], None] = lambda done: None,
) -> Floats:
    """The features of texts in their order, float32 [n, width], computed without a store and not kept."""
    which, found, done = list[Ints](), list[Floats](), 0
    for rows, values, _ in pooled(network, texts, spec, microbatch, cut=cut):
        which.append(rows)
        found.append(values)
        done += len(rows)
        progress(done / len(texts))
    in_order: Floats = np.concatenate(found)[np.argsort(np.concatenate(which))]
    return in_order


def _pooled(network: Network, encoded: Encoded, rows: Ints, length: int, layer: int, last_token: bool) -> Floats:
    """The pooled hidden states of some texts, padded to a length, float32 [rows, width]."""
    from outgrow.training.batches import collate

    batch = collate(encoded, rows, 1, network.device, length)
    states = states_of(network.hidden(batch, layer), batch.last, last_token=last_token)
    found: Floats = states.float().cpu().numpy()
    return found


def states_of(hidden: torch.Tensor, last: torch.Tensor, *, last_token: bool) -> torch.Tensor:
    """The pooled states of each text, [texts, width], of [texts, length, width]: those of its last token, or the mean.
    last: where the last real token is, [texts]."""
    import torch

    from outgrow.training.batches import at

    if last_token:
        return at(hidden, last)
    real = torch.arange(hidden.shape[1], device=hidden.device) <= last[:, None]
    mean: torch.Tensor = (hidden * real[..., None]).sum(1) / real.sum(1, keepdim=True)
    return mean
