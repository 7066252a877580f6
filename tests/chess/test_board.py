"""Positions and moves as text."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.chess import board as chess
from outgrow.types import UserError


def test_the_start_position_reads_as_its_pieces_then_side_castling_and_en_passant() -> None:
    words = chess.position_text(chess.parse(chess.START)).split()
    assert words[:8] == ["ra8", "nb8", "bc8", "qd8", "ke8", "bf8", "ng8", "rh8"]
    assert len(words) == 32 + 3
    assert words[-3:] == ["w", "castle:KQkq", "ep:-"]


def test_en_passant_is_named_by_the_square_behind_the_pawn_and_only_where_it_can_be_taken() -> None:
    board = chess.parse(chess.START)
    for move in ("e2e4", "a7a6", "e4e5", "d7d5"):
        board = chess.play(board, move)
    assert chess.fen(board).split()[3] == "d6"
    assert "e5d6" in chess.legal_moves(board)
    assert chess.fen(chess.play(chess.parse(chess.START), "e2e4")).split()[3] == "-"


def test_the_vocabulary_holds_every_move_of_the_game_once() -> None:
    # 64 squares: 1,456 queen moves and 336 knight moves on an empty board, and 2 * 22 pawn moves to the last rank
    # (6 files with three targets, 2 with two: 22 a side), each with four promotions: 1,456 + 336 + 176 = 1,968.
    words = chess.vocabulary()
    assert len(set(words)) == len(words) == 2 + 768 + 2 + 16 + 17 + 1968


@given(st.integers(0, 10_000))
def test_every_position_and_move_of_a_random_game_is_in_the_vocabulary(seed: int) -> None:
    known, rng, board = set(chess.vocabulary()), random.Random(seed), chess.parse(chess.START)
    for _ in range(60):
        moves = chess.legal_moves(board)
        assert known.issuperset(chess.position_text(board).split())
        assert known.issuperset(moves)
        assert list(moves) == sorted(moves)
        assert chess.fen(chess.read_position(chess.position_text(board))).split()[:4] == chess.fen(board).split()[:4]
        if not moves:
            break
        board = chess.play(board, rng.choice(moves))
        assert chess.position_key(chess.fen(chess.parse(chess.fen(board)))) == chess.position_key(chess.fen(board))


def test_a_game_may_repeat_and_a_clock_may_be_old() -> None:
    board = chess.parse("5k2/r7/1p2R3/pq1pN3/2p4Q/2P4P/1KP2P2/2B5 w - - 99 120")
    assert chess.play(board, "b2a3")
    board = chess.parse(chess.START)
    for number in range(40):
        board = chess.play(board, ("g1f3", "b8c6", "f3g1", "c6b8")[number % 4])


@pytest.mark.parametrize("fen", ["", "nonsense", "8/8/8/8/8/8/8/8 w - - 0 1", "rnbqkbnr/pppppppp/8/8 w KQkq - 0 1"])
def test_an_impossible_position_is_named(fen: str) -> None:
    with pytest.raises(UserError, match="is not a"):
        chess.parse(fen)


@pytest.mark.parametrize("move", ["e2e5", "zz", "e7e8q", ""])
def test_an_illegal_move_is_named(move: str) -> None:
    with pytest.raises(UserError, match="not a legal move"):
        chess.play(chess.parse(chess.START), move)
