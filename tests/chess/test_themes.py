"""Themes of hand-made positions: each is read off the board."""

from __future__ import annotations

import pytest

from outgrow.chess import board as chess
from outgrow.chess.themes import THEMES, themes
from outgrow.types import UserError

POSITIONS = {
    # Back rank: the rook mates on a8; nothing is taken.
    ("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1", "a1a8"): "mate check",
    # Scholar's mate takes f7. The king and the rook behind are attacked, but what mates is not a fork.
    ("r1bqkb1r/1ppp1ppp/p1n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 0 5", "h5f7"): "mate check capture",
    # The knight comes to c7: king e8 and rook a8.
    ("r3k3/8/8/1N6/8/8/8/6K1 w q - 0 1", "b5c7"): "check fork",
    # A pawn steps between two rooks worth more than it: no check.
    ("6k1/8/2r1r3/8/3P4/8/8/6K1 w - - 0 1", "d4d5"): "fork quiet",
    # A rook between two bishops that nobody defends.
    ("6k1/8/8/1b3b2/8/8/8/3R2K1 w - - 0 1", "d1d5"): "fork quiet",
    # The same, with pawns that defend both bishops (a6 and c6 defend b5, e6 and g6 defend f5).
    ("6k1/8/p3p3/1b3b2/8/8/8/3R2K1 w - - 0 1", "d1d5"): "quiet",
    # Two pawns in place of the bishops are not worth it.
    ("6k1/8/8/1p3p2/8/8/8/3R2K1 w - - 0 1", "d1d5"): "quiet",
    # A king between two knights that nobody defends.
    ("6k1/8/8/8/2n1n3/8/3K4/8 w - - 0 1", "d2d3"): "fork quiet",
    # A new queen: on e8 it checks the king on g8 along the rank, which may go to g7.
    ("6k1/4P2p/8/8/8/8/8/6K1 w - - 0 1", "e7e8q"): "check promotion",
    # A new knight takes d8 and attacks the queen b7 and the king f7.
    ("3r4/1qP2k2/8/8/8/8/8/6K1 w - - 0 1", "c7d8n"): "check capture promotion fork",
    # En passant takes, though the square it goes to is empty.
    ("6k1/8/8/3pP3/8/8/8/6K1 w - d6 0 1", "e5d6"): "capture",
    # Black's pieces fork as White's do: the pawn on d4 attacks c3 and e3.
    ("6k1/8/8/3p4/8/2R1R3/8/6K1 b - - 0 1", "d5d4"): "fork quiet",
    # Castling moves a king.
    ("6k1/8/8/8/8/8/8/4K2R w K - 0 1", "e1g1"): "quiet",
}


@pytest.mark.parametrize(("position", "move"), POSITIONS)
def test_a_solution_has_the_themes_that_stand_on_the_board(position: str, move: str) -> None:
    assert " ".join(themes(chess.parse(position), [move])) == POSITIONS[position, move]


def test_every_theme_is_tested() -> None:
    assert set(" ".join(POSITIONS.values()).split()) == set(THEMES)


def test_several_solutions_have_what_they_share() -> None:
    """Rb8 mates by taking a knight, Rc8 without: what the puzzle is about is the mate."""
    board = chess.parse("1n5k/r4ppp/8/8/8/8/8/1RR3K1 w - - 0 1")
    assert themes(board, ["b1b8"]) == ("mate", "check", "capture")
    assert themes(board, ["b1b8", "c1c8"]) == ("mate", "check")


def test_an_illegal_solution_is_refused() -> None:
    with pytest.raises(UserError, match="not a legal move"):
        themes(chess.parse(chess.START), ["e2e5"])
