"""Puzzles as files hold them: rows of the Lichess puzzle database, or of the tables that `outgrow collect` writes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outgrow.chess import board as chess
from outgrow.chess.collect import solutions
from outgrow.text import tables
from outgrow.types import UserError

LICHESS = ("FEN", "Moves")
COLLECTED = ("id", "fen", "solutions", "game", "moves", "difficulty")

_LICHESS_GAME = re.compile(r"(?:https?:)?(?://)?(?:[\w-]+\.)?lichess\.org/+([^/?#]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Puzzle:
    """A position with its `legal` and its `right` moves. `position` is its FEN without clocks, `start` the FEN that
    `moves`, which led to it, began from."""

    board: chess.Board
    position: str
    legal: tuple[str, ...]
    right: tuple[str, ...]
    id: str
    game: str  # nothing where it is not known
    start: str
    moves: tuple[str, ...]


def length_limit(path: Path, columns: Collection[str]) -> tuple[Callable[[dict[str, Any]], Puzzle], str]:
    """What makes a puzzle of a row with these columns, and the column that says how hard it is."""
    if set(COLLECTED) <= set(columns):
        return of_collected, "difficulty"
    if missing := next((name for name in LICHESS if name not in columns), None):
        raise UserError(f"{path} has no column {missing!r}: the Lichess puzzle database has FEN and Moves")
    return of_lichess, "Rating"


def of_lichess(row: dict[str, Any]) -> Puzzle:
    """The first of `Moves` leads to the position, the second is the answer. UserError for a bad row."""
    start, moves = _cell(row, "FEN"), _moves(row, "Moves")
    if len(moves) < 2:
        raise UserError("Moves needs the opponent's move and the answer")
    board = chess.play(chess.parse(start), moves[0])
    # Older copies name a game in a web address only, and some not at all.
    game = _cell(row, "GameId") or game_of(_cell(row, "GameUrl"))
    return _puzzle(board, solutions(board, moves[1]), game=game, start=start, moves=moves[:1])


def of_collected(row: dict[str, Any]) -> Puzzle:
    """A row of `puzzles.parquet`. UserError for a bad row."""
    board, right = chess.parse(_cell(row, "fen")), _moves(row, "solutions")
    if not right:
        raise UserError("solutions is empty")
    return _puzzle(board, right, game=_cell(row, "game"), start=chess.START, moves=_moves(row, "moves"))


def number_in(row: dict[str, Any], name: str) -> float | None:
    """A finite number, or None where the cell is empty or not there. UserError for anything else."""
    if not (text := _cell(row, name)):
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise UserError(f"the {name} {text!r} is not a number: leave it empty")
    return found


def game_of(address: str) -> str:
    """The game that a web address names: `787zsVup` for `https://lichess.org/787zsVup/black#48`.

    Of another site it is all of the address but its query and its anchor."""
    if found := _LICHESS_GAME.match(address):
        return found[1]
    return re.split("[?#]", address, maxsplit=1)[0].rstrip("/")


def _puzzle(board: chess.Board, right: tuple[str, ...], **known: Any) -> Puzzle:
    legal = chess.legal_moves(board)
    if wrong := set(right) - set(legal):
        raise UserError(f"{min(wrong)!r} is not a legal move in {chess.fen(board)!r}")
    position = chess.position_key(chess.fen(board))
    return Puzzle(board=board, position=position, id=chess.identifier(position), legal=legal, right=right, **known)


def _cell(row: dict[str, Any], name: str) -> str:
    try:
        return tables.cell(row.get(name))
    except TypeError as error:
        raise UserError(f"{name} {error}") from None


def _moves(row: dict[str, Any], name: str) -> tuple[str, ...]:
    """Moves in UCI, from a text or a list of texts; some copies write a promotion in upper case."""
    value = row.get(name)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = " ".join(value)
    return tuple(_cell({name: value}, name).lower().split())
