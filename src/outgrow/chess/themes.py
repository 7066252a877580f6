"""What a puzzle is about, as far as the board alone tells: themes of its solutions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce

import rust_chess

from outgrow.chess import board as chess
from outgrow.chess.collect import WORTH

THEMES = ("mate", "check", "capture", "promotion", "fork", "quiet")

Pieces = dict[tuple[int, int], str]  # by file and rank from 0; upper case is White

_STRAIGHT = ((1, 0), (-1, 0), (0, 1), (0, -1))
_DIAGONAL = ((1, 1), (1, -1), (-1, 1), (-1, -1))
_KNIGHT = tuple((x * a, y * b) for x, y in ((1, 2), (2, 1)) for a in (1, -1) for b in (1, -1))
_STEPS = {"n": _KNIGHT, "k": _STRAIGHT + _DIAGONAL}
_RAYS = {"b": _DIAGONAL, "r": _STRAIGHT, "q": _STRAIGHT + _DIAGONAL}


def themes(board: chess.Board, solutions: Sequence[str]) -> tuple[str, ...]:
    """The themes that every right move has, in the order of `THEMES`. UserError where one of them is not legal."""
    shared = reduce(frozenset.__and__, (_themes(board, move) for move in solutions))
    return tuple(theme for theme in THEMES if theme in shared)


def _themes(board: chess.Board, move: str) -> frozenset[str]:
    after, said = chess.play(board, move), rust_chess.Move.from_uci(move)
    found = {
        "mate": chess.is_mate(after),
        "check": after.is_check(),
        "capture": board.is_capture(said) or board.is_en_passant(said),
        "promotion": said.promotion is not None,
    }
    found["fork"] = not found["mate"] and is_fork(pieces(after), _square(move[2:4]))
    found["quiet"] = not (found["check"] or found["capture"] or found["promotion"])
    return frozenset(theme for theme, holds in found.items() if holds)


def pieces(board: chess.Board) -> Pieces:
    """What stands where."""
    words = chess.position_text(board).split()[:-3]
    return {_square(word[1:]): word[0] for word in words}


def is_fork(there: Pieces, square: tuple[int, int]) -> bool:
    """Whether the piece on `square` attacks two or more enemies worth taking: the king, what is worth more than the
    piece itself, or what nobody defends. Pawns are not worth it; pins are not looked at."""
    return sum(_worth_taking(there, square, target) for target in _enemies(there, square)) >= 2


def _worth_taking(there: Pieces, square: tuple[int, int], target: tuple[int, int]) -> bool:
    attacker, victim = there[square].lower(), there[target].lower()
    if victim == "p":
        return False
    if victim == "k" or (attacker != "k" and WORTH[victim] > WORTH[attacker]):
        return True
    friends = (at for at, piece in there.items() if piece.isupper() == there[target].isupper() and at != target)
    return not any(target in attacked(there, friend) for friend in friends)


def _enemies(there: Pieces, square: tuple[int, int]) -> list[tuple[int, int]]:
    own = there[square].isupper()
    return [target for target in attacked(there, square) if target in there and there[target].isupper() != own]


def attacked(there: Pieces, square: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The squares that the piece on `square` attacks, whoever stands there."""
    piece, (x, y) = there[square], square
    up = 1 if piece.isupper() else -1
    for across, ahead in ((1, up), (-1, up)) if piece.lower() == "p" else _STEPS.get(piece.lower(), ()):
        if _on_board(x + across, y + ahead):
            yield x + across, y + ahead
    for across, ahead in _RAYS.get(piece.lower(), ()):
        at = x + across, y + ahead
        while _on_board(*at):
            yield at
            if at in there:
                break
            at = at[0] + across, at[1] + ahead


def _on_board(x: int, y: int) -> bool:
    return 0 <= x < 8 and 0 <= y < 8


def _square(name: str) -> tuple[int, int]:
    return chess.FILES.index(name[0]), chess.RANKS.index(name[1])
