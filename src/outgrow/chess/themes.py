"""Tactical themes of a puzzle, derived from the board and its solutions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce

import rust_chess

from outgrow.chess import board as chess
from outgrow.chess.collect import PIECE_VALUES

THEMES = ("mate", "check", "capture", "promotion", "fork", "quiet")

Pieces = dict[tuple[int, int], str]  # by file and rank from 0; upper case is White

_STRAIGHT = ((1, 0), (-1, 0), (0, 1), (0, -1))
_DIAGONAL = ((1, 1), (1, -1), (-1, 1), (-1, -1))
_KNIGHT = tuple((x * a, y * b) for x, y in ((1, 2), (2, 1)) for a in (1, -1) for b in (1, -1))
_STEPS = {"n": _KNIGHT, "k": _STRAIGHT + _DIAGONAL}
_RAYS = {"b": _DIAGONAL, "r": _STRAIGHT, "q": _STRAIGHT + _DIAGONAL}


def themes(board: chess.Board, solutions: Sequence[str]) -> tuple[str, ...]:
    """The themes that all solutions share, in the order of `THEMES`. Raises UserError for an illegal move."""
    shared = reduce(frozenset.__and__, (_themes(board, move) for move in solutions))
    return tuple(theme for theme in THEMES if theme in shared)


def _themes(board: chess.Board, move: str) -> frozenset[str]:
    after, parsed = chess.play(board, move), rust_chess.Move.from_uci(move)
    has = {
        "mate": chess.is_mate(after),
        "check": after.is_check(),
        "capture": board.is_capture(parsed) or board.is_en_passant(parsed),
        "promotion": parsed.promotion is not None,
    }
    has["fork"] = not has["mate"] and is_fork(pieces(after), _square(move[2:4]))
    has["quiet"] = not (has["check"] or has["capture"] or has["promotion"])
    return frozenset(theme for theme, applies in has.items() if applies)


def pieces(board: chess.Board) -> Pieces:
    """The pieces of a board by square."""
    words = chess.position_text(board).split()[:-3]
    return {_square(word[1:]): word[0] for word in words}


def is_fork(placed: Pieces, square: tuple[int, int]) -> bool:
    """Whether the piece on `square` attacks at least two targets: the king, a more valuable piece, or an undefended
    piece. Pawns do not count as targets, and pins are ignored."""
    return sum(_is_target(placed, square, target) for target in _attacked_enemies(placed, square)) >= 2


def _is_target(placed: Pieces, square: tuple[int, int], target: tuple[int, int]) -> bool:
    attacker, victim = placed[square].lower(), placed[target].lower()
    if victim == "p":
        return False
    if victim == "k" or (attacker != "k" and PIECE_VALUES[victim] > PIECE_VALUES[attacker]):
        return True
    defenders = (at for at, piece in placed.items() if piece.isupper() == placed[target].isupper() and at != target)
    return not any(target in attacked(placed, defender) for defender in defenders)


def _attacked_enemies(placed: Pieces, square: tuple[int, int]) -> list[tuple[int, int]]:
    color = placed[square].isupper()
    return [target for target in attacked(placed, square) if target in placed and placed[target].isupper() != color]


def attacked(placed: Pieces, square: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The squares that the piece on `square` attacks, empty or occupied."""
    piece, (x, y) = placed[square], square
    up = 1 if piece.isupper() else -1
    for across, ahead in ((1, up), (-1, up)) if piece.lower() == "p" else _STEPS.get(piece.lower(), ()):
        if _on_board(x + across, y + ahead):
            yield x + across, y + ahead
    for across, ahead in _RAYS.get(piece.lower(), ()):
        at = x + across, y + ahead
        while _on_board(*at):
            yield at
            if at in placed:
                break
            at = at[0] + across, at[1] + ahead


def _on_board(x: int, y: int) -> bool:
    return 0 <= x < 8 and 0 <= y < 8


def _square(name: str) -> tuple[int, int]:
    return chess.FILES.index(name[0]), chess.RANKS.index(name[1])
