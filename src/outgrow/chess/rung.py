"""The rungs of the ladder, its bundled models, and a rung as a player of its most probable legal move."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from outgrow.chess import board as chess

LADDER = Path(str(files("outgrow") / "chess" / "ladder"))


def rungs() -> tuple[str, ...]:
    """The bundled rungs, smallest first."""
    folders = [folder for folder in LADDER.iterdir() if (folder / "model.safetensors").exists()]
    return tuple(folder.name for folder in sorted(folders, key=lambda f: (f / "model.safetensors").stat().st_size))


class Rung:
    """A pretrained rung as a player, in float32. folder: its checkpoint. Limits torch to one thread in this process."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging

        torch.set_num_threads(1)
        quiet: Any = logging
        quiet.disable_progress_bar()
        self._torch, self._ids = torch, {token: i for i, token in enumerate(chess.vocabulary())}
        auto: Any = AutoModelForCausalLM
        self._model = auto.from_pretrained(folder, dtype=torch.float32).eval()

    def move(self, board: chess.Board) -> str:
        """The most probable legal move. The position must have a legal move."""
        logits = self._logits(board)
        return max(chess.legal_moves(board), key=lambda move: float(logits[self._ids[move]]))

    def legal_unaided(self, board: chess.Board) -> bool:
        """Whether the most probable token is a legal move."""
        return chess.vocabulary()[int(self._logits(board).argmax())] in chess.legal_moves(board)

    def _logits(self, board: chess.Board) -> Any:
        ids = [self._ids[word] for word in chess.position_text(board).split()]
        with self._torch.inference_mode():
            return self._model(self._torch.tensor([ids])).logits[0, -1]
