"""Positions and moves as text: one token for each piece, then side to move, castling, en passant; moves in UCI.

For example `Ke1 Qd1 ... pe7 ke8 w KQkq -` followed by `e2e4 e7e5`: about 20 tokens in a middlegame position. Upper case
is White, as in FEN. The vocabulary is fixed: 768 piece-squares, 2 sides, 16 castling rights, 17 en passant fields, and
the 1,968 moves that a piece can make on an empty board.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache

import rust_chess

from outgrow.types import UserError

FILES, RANKS, PIECES = "abcdefgh", "12345678", "PNBRQKpnbrqk"
SQUARES = tuple(f + r for r in RANKS for f in FILES)
START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"

Board = rust_chess.Board


def parse(fen: str) -> Board:
    """The board of a FEN with four to six fields. Raises UserError for an invalid FEN or an impossible position.

    The clocks are reset and repetitions are not counted: the library refuses moves after a fivefold repetition, and a
    clock larger than the number of moves that it has seen aborts the process.
    """
    fields = fen.split()
    if not 4 <= len(fields) <= 6:
        raise UserError(f"{fen!r} is not a FEN: it needs four to six fields (pieces, side, castling, en passant, ...)")
    try:
        return Board.from_fen(" ".join([*fields[:4], "0", "1"]), rust_chess.RepetitionDetectionMode.NONE)
    except ValueError as error:
        raise UserError(f"{fen!r} is not a possible position: {error}") from None


def fen(board: Board) -> str:
    """The FEN of a board, with an en passant square only if a pawn can capture there."""
    fields = board.get_fen().split()
    fields[3] = str(board.en_passant) if board.en_passant is not None else "-"
    return " ".join(fields)


def position_key(position: str) -> str:
    """A FEN without its clocks. Positions with the same legal continuations have the same key."""
    return " ".join(position.split()[:4])


def identifier(position: str) -> str:
    """The id of a position key, 16 hex digits. It does not depend on the game."""
    return hashlib.blake2b(position.encode(), digest_size=8).hexdigest()


def legal_moves(board: Board) -> tuple[str, ...]:
    """The legal moves in UCI, sorted, so that their order does not depend on the answer."""
    board.reset_move_generator()
    moves = sorted(move.get_uci() for move in board.generate_legal_moves() if move is not None)
    board.reset_move_generator()
    return tuple(moves)


def play(board: Board, move: str) -> Board:
    """The board after a UCI move. Raises UserError for an illegal move."""
    try:
        return board.make_move_new(rust_chess.Move.from_uci(move))
    except ValueError:
        raise UserError(f"{move!r} is not a legal move in {fen(board)!r}") from None


def is_mate(board: Board) -> bool:
    """Whether the side to move is checkmated."""
    return board.is_checkmate()


def position_text(board: Board) -> str:
    """The tokens of a position, separated by spaces."""
    pieces, side, castling, en_passant = position_key(fen(board)).split()
    tokens = []
    for rank, row in zip(reversed(RANKS), pieces.split("/"), strict=True):
        column = 0
        for letter in row:
            if letter.isdigit():
                column += int(letter)
            else:
                tokens.append(letter + FILES[column] + rank)
                column += 1
    return " ".join([*tokens, side, f"castle:{castling}", f"ep:{en_passant}"])


def read_position(text: str) -> Board:
    """The board of a `position_text`."""
    *pieces, side, castling, en_passant = text.split()
    piece_on = {word[1:]: word[0] for word in pieces}
    rows = ["".join(piece_on.get(f + rank, "1") for f in FILES) for rank in reversed(RANKS)]
    rights = [word.partition(":")[2] for word in (castling, en_passant)]
    return parse(" ".join(["/".join(rows), side, *rights]))


def _moves_on_empty_board() -> Iterator[str]:
    for source in SQUARES:
        column, row = FILES.index(source[0]), RANKS.index(source[1])
        for target in SQUARES:
            across, up = FILES.index(target[0]) - column, RANKS.index(target[1]) - row
            line = across == 0 or up == 0 or abs(across) == abs(up)
            knight = {abs(across), abs(up)} == {1, 2}
            if source != target and (line or knight):
                yield source + target
            if abs(across) <= 1 and (source[1], target[1]) in {("7", "8"), ("2", "1")}:
                yield from (source + target + piece for piece in "bnqr")


@cache
def vocabulary() -> tuple[str, ...]:
    """All tokens in the order of their ids, special tokens first."""
    castling = ["".join(c for c, bit in zip("KQkq", f"{i:04b}", strict=True) if bit == "1") or "-" for i in range(16)]
    passants = ["-"] + [f + r for r in "36" for f in FILES]
    return (
        "<pad>",
        "<unk>",
        *(piece + square for piece in PIECES for square in SQUARES),
        "w",
        "b",
        *(f"castle:{rights}" for rights in castling),
        *(f"ep:{square}" for square in passants),
        *_moves_on_empty_board(),
    )
