"""From tokenised examples to padded tensors: epoch order, micro-batches by length, collation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from outgrow.types import Floats, Ints, Labels

if TYPE_CHECKING:
    import torch

PASS_TOKENS = 192  # cost of one more forward pass, in tokens: 64 to 256 is best for MiniLM, more for smaller models
ATTENTION = 2000  # tokens at which attention takes as long as the rest of a layer: six times the width of small models
MOST_TOKENS = 4096  # padded tokens in one micro-batch: bounds the memory


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """Tokenised examples.

    tokens: arrays of token ids, one a text. columns: int64 [n, most choices], which outputs of the model are an
    example's choices, -1 where it has no more of them. texts: of the same shape, the text that each choice's output
    comes from; None where every example has one text, for all its choices.
    """

    tokens: tuple[Ints, ...]
    columns: Ints
    texts: Ints | None = None

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def lengths(self) -> Ints:
        """The tokens that each example takes in a batch, int64 [n]: its longest text times its number of texts."""
        lengths = np.array([len(tokens) for tokens in self.tokens], dtype=np.int64)
        if self.texts is None:
            return lengths
        own = self.texts >= 0
        taken: Ints = np.where(own, lengths[self.texts], 0).max(1) * own.sum(1)
        return taken


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """A micro-batch, padded on the right.

    rows: which examples, [rows]. tokens: int64 [texts, length]. mask: int64, 1 at real tokens, None where no text is
    padded. real: where the mask is 1, in the flattened tokens; None likewise. last: where the last real token is, int64
    [texts]. columns: int64 [rows, choices], 0 where there is no choice; choice_mask: bool [rows, choices], None where
    no row lacks one. texts: int64 [rows, choices], which of the texts a choice's output comes from, None where every
    row has its own text.
    """

    rows: Ints
    tokens: torch.Tensor
    mask: torch.Tensor | None
    real: torch.Tensor | None
    last: torch.Tensor
    columns: torch.Tensor
    choice_mask: torch.Tensor | None
    texts: torch.Tensor | None


def order(n: int, seed: int, epoch: int) -> Ints:
    """A permutation of n examples for each seed and epoch, int64 [n]."""
    return np.random.default_rng([seed, epoch]).permutation(n)


def cut(
    rows: Ints, lengths: Ints, most_rows: int | None = None, most_tokens: int = MOST_TOKENS, *, packed: bool = False
) -> list[Ints]:
    """Split `rows`, sorted by length, into micro-batches of least total cost: padded tokens, plus a cost per pass.
    packed: padded tokens cost a model that packs its batches only what attention does with them.

    No run has more than `most_rows` rows or `most_tokens` padded tokens (one row always goes).
    """
    rows = rows[np.argsort(lengths[rows], kind="stable")]
    sizes = lengths[rows]
    n = len(rows)
    best = np.zeros(n + 1)  # the lowest cost of the first i rows
    start = np.zeros(n + 1, dtype=np.int64)  # where the last micro-batch of that split starts
    for end in range(1, n + 1):
        width = int(sizes[end - 1])
        first = end - max(1, min(most_tokens // max(width, 1), most_rows or n))
        starts = np.arange(max(first, 0), end)
        costs = best[starts] + (end - starts) * width * (width / ATTENTION if packed else 1.0) + PASS_TOKENS
        best[end], start[end] = costs.min(), starts[costs.argmin()]
    runs: list[Ints] = []
    while n:
        runs.append(rows[start[n] : n])
        n = int(start[n])
    return runs[::-1]


def collate(data: Encoded, rows: Ints, choices: int, device: str = "cpu", length: int = 0) -> Batch:
    """Pad some examples into tensors, with room for `choices` choices each, to a length of at least `length` tokens."""
    columns = data.columns[rows, :choices]
    exists = columns >= 0
    read, texts = rows, None
    if data.texts is not None:
        read = data.texts[rows, :choices][exists]
        texts = np.zeros_like(columns)
        texts[exists] = np.arange(len(read))
    lengths = np.array([len(data.tokens[i]) for i in read], dtype=np.int64)
    real = np.arange(max(length, lengths.max())) < lengths[:, None]
    tokens = np.repeat(
        [data.tokens[i][-1:] for i in read], real.shape[1], axis=1
    )  # any id may pad: the mask says what is real
    tokens[real] = np.concatenate([data.tokens[i] for i in read])

    return Batch(
        rows=rows,
        tokens=sent(tokens, device),
        mask=None if real.all() else sent(real.astype(np.int64), device),
        real=None if real.all() else sent(np.flatnonzero(real), device),
        last=sent(lengths - 1, device),
        columns=sent(np.maximum(columns, 0), device),
        choice_mask=None if exists.all() else sent(exists, device),
        texts=None if texts is None else sent(texts, device),
    )


def sent(array: npt.NDArray[Any], device: str | torch.device) -> torch.Tensor:
    """An array as a tensor on a device. A GPU copies it out of pinned memory while the process goes on: it prepares the
    next batches meanwhile."""
    import torch

    tensor = torch.from_numpy(array)
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def widest(data: Encoded, rows: Ints) -> int:
    """The largest number of choices of these examples."""
    return int((data.columns[rows] >= 0).sum(1).max())


def padded(rows: Sequence[Ints], filler: int = -1) -> Ints:
    """Rows of any length as one array, int64 [n, longest]."""
    array = np.full((len(rows), max(map(len, rows), default=0)), filler, dtype=np.int64)
    for i, row in enumerate(rows):
        array[i, : len(row)] = row
    return array


def dense(labels: Labels) -> Floats:
    """Probabilities as one array, float32 [n, most choices], 0 where an example has no such choice."""
    counts = np.diff(labels.offsets)
    array = np.zeros((len(labels), int(counts.max(initial=0))), dtype=np.float32)
    array[np.arange(array.shape[1]) < counts[:, None]] = labels.probs
    return array


def at(hidden: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
    """Gather one position of each text: [texts, length, width] to [texts, width]."""
    import torch

    return hidden[torch.arange(len(hidden), device=hidden.device), last]
