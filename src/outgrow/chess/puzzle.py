"""Reads puzzles from rows of the Lichess puzzle database, or of the tables that `outgrow collect` writes."""

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
    """A position with its legal moves and its solutions.

    position: FEN without clocks. legal, right: all legal moves and the solutions, in UCI. game: the game's id, empty if
    unknown. start, moves: a FEN, and the moves that lead from there to the position.
    """

    board: chess.Board
    position: str
    legal: tuple[str, ...]
    right: tuple[str, ...]
    id: str
    game: str
    start: str
    moves: tuple[str, ...]


def row_format(path: Path, columns: Collection[str]) -> tuple[Callable[[dict[str, Any]], Puzzle], str]:
    """The function that reads a row with these columns, and the name of the difficulty column.

    Raises UserError if the columns are those of neither format.
    """
    if set(COLLECTED) <= set(columns):
        return of_collected, "difficulty"
    if missing := next((name for name in LICHESS if name not in columns), None):
        raise UserError(f"{path} has no column {missing!r}: the Lichess puzzle database has FEN and Moves")
    return of_lichess, "Rating"


def of_lichess(row: dict[str, Any]) -> Puzzle:
    """A row of the Lichess database: the first of `Moves` leads to the position, the second is the answer.

    Raises UserError for a bad row.
    """
    start, moves = _cell(row, "FEN"), _moves(row, "Moves")
    if len(moves) < 2:
        raise UserError("Moves needs the opponent's move and the answer")
    board = chess.play(chess.parse(start), moves[0])
    # Older copies give the game only as a URL, and some not at all.
    game = _cell(row, "GameId") or game_of(_cell(row, "GameUrl"))
    return _puzzle(board, solutions(board, moves[1]), game=game, start=start, moves=moves[:1])


def of_collected(row: dict[str, Any]) -> Puzzle:
    """A row of the `puzzles.parquet` of `outgrow collect`. Raises UserError for a bad row."""
    board, right = chess.parse(_cell(row, "fen")), _moves(row, "solutions")
    if not right:
        raise UserError("solutions is empty")
    return _puzzle(board, right, game=_cell(row, "game"), start=chess.START, moves=_moves(row, "moves"))


def number_in(row: dict[str, Any], name: str) -> float | None:
    """A finite number, or None if the cell is empty or missing. Raises UserError for anything else."""
    if not (text := _cell(row, name)):
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"the {name} {text!r} is not a number: leave it empty")
    return number


def game_of(url: str) -> str:
    """The game id in a URL: `787zsVup` for `https://lichess.org/787zsVup/black#48`.

    For other sites, the URL without query and fragment.
    """
    if match := _LICHESS_GAME.match(url):
        return match[1]
    return re.split("[?#]", url, maxsplit=1)[0].rstrip("/")


def _puzzle(board: chess.Board, right: tuple[str, ...], **fields: Any) -> Puzzle:
    legal = chess.legal_moves(board)
    if illegal := set(right) - set(legal):
        raise UserError(f"{min(illegal)!r} is not a legal move in {chess.fen(board)!r}")
    position = chess.position_key(chess.fen(board))
    return Puzzle(board=board, position=position, id=chess.identifier(position), legal=legal, right=right, **fields)


def _cell(row: dict[str, Any], name: str) -> str:
    try:
        return tables.cell(row.get(name))
    except TypeError as error:
        raise UserError(f"{name} {error}") from None


def _moves(row: dict[str, Any], name: str) -> tuple[str, ...]:
    """Moves in UCI, from a string or a list of strings, in lower case: some copies have upper-case promotions."""
    value = row.get(name)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = " ".join(value)
    return tuple(_cell({name: value}, name).lower().split())
