"""Learning to continue: the objective of pretraining, the next move of every line of a corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from outgrow.chess.corpus import Corpus
from outgrow.training.batches import MOST_TOKENS
from outgrow.types import Ints

if TYPE_CHECKING:
    import torch

HELD_OUT = 1024  # lines that a validation reads


class Continuing:
    """Lowers the mean cross-entropy of the moves of a batch; watches it, and accuracy, on held-out lines."""

    def __init__(self, module: Any, corpus: Corpus, held_out: Corpus, most_rows: int | None = None) -> None:
        self.size = len(corpus)
        self._module, self._corpus, self._held_out, self._most_rows = module, corpus, held_out, most_rows

    def pieces(self, rows: Ints) -> list[Ints]:
        longest = int(np.diff(self._corpus.offsets).max())
        most = self._most_rows or max(1, MOST_TOKENS // longest)
        return [rows[start : start + most] for start in range(0, len(rows), most)]

    def targets(self, pieces: list[Ints], progress: float) -> list[float]:
        """What a line's summed loss is multiplied by, so that every move of the whole batch counts the same."""
        moves = sum(int(_moves(self._corpus, piece).sum()) for piece in pieces)
        return [sum(map(len, pieces)) / moves] * len(pieces)

    def value(self, piece: Ints, target: float) -> torch.Tensor:
        import torch

        losses, _ = self._losses(self._corpus, piece)
        line = torch.from_numpy(np.repeat(np.arange(len(piece)), _moves(self._corpus, piece))).to(losses.device)
        return target * torch.zeros(len(piece), device=losses.device).index_add(0, line, losses)

    def validate(self) -> dict[str, float]:
        """Over all moves, and over the first after the position."""
        rows = np.arange(min(HELD_OUT, len(self._held_out)))
        losses, right = self._losses(self._held_out, rows)
        first = np.cumsum(_moves(self._held_out, rows)) - _moves(self._held_out, rows)
        return {
            "validation_loss": losses.mean().item(),
            "validation_accuracy": right.mean().item(),
            "validation_first_move": right[first].mean().item(),
        }

    def _losses(self, corpus: Corpus, rows: Ints) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of each move of these lines and whether it was the likeliest token, [moves], line after line.

        Padding on the right needs no mask in a causal model, and the output embedding is used where a move follows.
        """
        import torch

        begins, ends, starts = corpus.offsets[rows], corpus.offsets[rows + 1], corpus.starts[rows]
        columns = np.arange((ends - begins).max())
        inside = columns < (ends - begins)[:, None]
        tokens = np.where(inside, corpus.tokens[np.minimum(begins[:, None] + columns, ends[:, None] - 1)], 0)
        predicts = inside & (columns >= (starts - begins)[:, None])
        ids = torch.from_numpy(tokens.astype(np.int64)).to(self._module.device)
        where = torch.from_numpy(predicts[:, 1:]).to(self._module.device)
        hidden = self._module.base_model(ids[:, :-1]).last_hidden_state[where]
        logits = self._module.get_output_embeddings()(hidden)
        moves = ids[:, 1:][where]
        losses = torch.nn.functional.cross_entropy(logits, moves, reduction="none")
        return losses, (logits.argmax(-1) == moves).float()


def _moves(corpus: Corpus, rows: Ints) -> Ints:
    """How many moves each line has."""
    return corpus.offsets[rows + 1] - corpus.starts[rows]
