"""Min-K%++: how much a causal model knows a text, as if it had read it (Zhang et al. 2024)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from outgrow.tasks.base import Passage
from outgrow.training.batches import MOST_TOKENS
from outgrow.training.language_model import learnt, next_tokens, tokenised
from outgrow.training.network import Network
from outgrow.types import Doubles, Ints, UserError

if TYPE_CHECKING:
    import torch

LEAST_DEVIATION = 1e-6  # of a distribution that is certain: its own token is then as expected


def membership(
    network: Network, passages: Sequence[Passage], share: float, progress: Callable[[float], Any]
) -> tuple[Doubles, Ints]:
    """The Min-K%++ score of each passage, float64 [n], and its number of tokens, int64 [n].

    The score is the mean standardised log-probability of the `share` of its tokens that are least expected, of one
    token at least (Zhang et al. 2024, "Min-K%++"). Only the text of a passage counts, not what is given.
    Raises UserError for a passage that is longer than the model reads.
    """
    import torch

    lines = tokenised(network, passages)
    if len(lines.starts) < len(passages):
        raise UserError("an example with its answer has no token that the model predicts: shorten the prompts")
    most = max(1, MOST_TOKENS // int(np.diff(lines.offsets).max()))
    scores: list[float] = []
    network.module.eval()
    for start in range(0, len(passages), most):
        rows = np.arange(start, min(start + most, len(passages)))
        with torch.inference_mode():
            values = standardised(*next_tokens(network.module, lines, rows)).double().cpu().numpy()
        for own in np.split(values, np.cumsum(learnt(lines, rows))[:-1]):
            scores.append(float(np.sort(own)[: max(1, math.floor(share * len(own)))].mean()))
        progress(len(scores) / len(passages))
    return np.array(scores), np.diff(lines.offsets)


def standardised(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """The log-probability of each token, minus the mean and divided by the deviation of that of a token drawn from the
    same distribution. logits: [n, vocabulary]. tokens: [n]. Returns [n]."""
    log_probs = logits.log_softmax(-1)
    probs = log_probs.exp()
    mean = (probs * log_probs).sum(-1)
    deviation = (probs * (log_probs - mean[:, None]).square()).sum(-1).sqrt().clamp_min(LEAST_DEVIATION)
    own = log_probs.gather(-1, tokens[:, None])[:, 0]
    return (own - mean) / deviation
