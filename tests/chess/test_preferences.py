"""Pairs of moves from a game, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from outgrow.chess import board as chess
from outgrow.chess import preferences as module
from outgrow.chess.engine import win_probability
from outgrow.chess.preferences import preferences


def ply(best: str, score: int, second: str | None, second_score: int | None) -> dict[str, Any]:
    return {"line": [best], "score": score, "second_move": second, "second": second_score, "effort": 1}


def game(**changes: Any) -> dict[str, Any]:
    """1. e4 (random), then e5, and Qh5 where Nf3 was best."""
    plies = [ply("e7e5", -20, "c7c5", -30), ply("g1f3", 40, "b1c3", 30), ply("b8c6", 160, "g8f6", 150)]
    return {"game": "g", "opening": 1, "moves": ["e2e4", "e7e5", "d1h5", "b8c6"], "plies": plies, **changes}


def test_a_played_move_is_judged_by_the_verdict_after_it() -> None:
    # e5 was the best, c5 only 10 centipawns worse. Qh5 is worth -160, Nf3 40; Nc3, at 30, is too near. Nc6 was best.
    (row,) = preferences([game()])
    assert (row["better"], row["worse"], row["game"]) == ("g1f3", "d1h5", "g")
    assert row["fen"] == chess.position_key("rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 1")
    # 1 / (1 + exp(-0.00368208 * 40)) = 0.5368; 1 / (1 + exp(0.00368208 * 160)) = 0.3568.
    assert row["margin"] == pytest.approx(0.180, abs=1e-3)


def test_the_second_move_counts_too() -> None:
    plies = [ply("e7e5", -20, "c7c5", -400), ply("g1f3", 20, None, None), ply("b8c6", 0, None, None)]
    rows = preferences([game(plies=plies)])
    assert [(row["better"], row["worse"]) for row in rows] == [("e7e5", "c7c5")]
    assert rows[0]["margin"] == pytest.approx(win_probability(-20) - win_probability(-400), abs=1e-3)


def test_a_game_gives_few_pairs_and_a_position_one(monkeypatch: pytest.MonkeyPatch) -> None:
    plies = [ply("e7e5", 0, "c7c5", -400), ply("g1f3", 0, "b1c3", -400), ply("g8f6", 0, "d7d6", -400)]
    assert len(preferences([game(plies=plies)])) == module.PAIRS_A_GAME
    assert len({row["id"] for row in preferences([game(plies=plies), game(plies=plies)])}) == module.PAIRS_A_GAME
    monkeypatch.setattr(module, "PAIRS_A_GAME", 9)
    assert len(preferences([game(plies=plies)])) == 3
