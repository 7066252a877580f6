"""Pairs of moves of which one is better by the engine's evaluation: the data of the task chess-preferences."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

from outgrow.chess import board as chess
from outgrow.chess.engine import win_probability

MARGIN = 0.05  # the smallest difference in win probability; less is within the noise of a short search
PAIRS_A_GAME = 1


def preferences(games: Iterable[dict[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    """Pairs from mined games, at most `PAIRS_A_GAME` from each game and one for each position.

    Columns: `id`, `fen`, `better` and `worse` (UCI), `margin` (the difference in win probability for the side to move),
    `game`. The better move is the engine's best. The worse one is its second best, or the move that was played, with
    the evaluation of the position after it.
    """
    rows: dict[str, dict[str, Any]] = {}
    for game in games:
        rng = random.Random(f"{seed}/{game['game']}")
        pairs = [(number, *pair) for number, pair in _pairs(game)]
        rng.shuffle(pairs)
        chosen = {number: (worse, margin) for number, worse, margin in pairs[:PAIRS_A_GAME]}
        board = chess.parse(chess.START)
        for number, move in enumerate(game["moves"]):
            if number in chosen:
                position = chess.position_key(chess.fen(board))
                worse, margin = chosen[number]
                row = {"id": chess.identifier(position), "fen": position, "better": _best(game, number), "worse": worse}
                rows.setdefault(position, {**row, "margin": round(margin, 3), "game": game["game"]})
            board = chess.play(board, move)
    return sorted(rows.values(), key=lambda row: str(row["id"]))


def _pairs(game: dict[str, Any]) -> Iterator[tuple[int, tuple[str, float]]]:
    """The ply, the worse move and the margin of all pairs of a game with at least `MARGIN`."""
    plies = game["plies"]
    for n, verdict in enumerate(plies):
        number = game["opening"] + n
        chance, played = win_probability(verdict["score"]), game["moves"][number]
        worse = [(verdict["second_move"], verdict["second"])] if verdict["second"] is not None else []
        if n + 1 < len(plies):
            worse.append((played, -plies[n + 1]["score"]))
        for move, score in worse:
            margin = chance - win_probability(score)
            if move != verdict["line"][0] and margin >= MARGIN:
                yield number, (move, margin)


def _best(game: dict[str, Any], number: int) -> str:
    best: str = game["plies"][number - game["opening"]]["line"][0]
    return best
