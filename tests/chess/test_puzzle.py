"""Rows of puzzles: what names a game, and which rows are bad."""

from __future__ import annotations

from typing import Any

import pytest

from outgrow.chess.puzzle import game_of, number_in, of_collected, of_lichess
from outgrow.types import UserError

PROMOTES = {"FEN": "8/2P1k3/8/8/8/8/6K1/q7 b - - 0 1", "Moves": "a1a7 c7c8q"}
COLLECTED = {"id": "x", "fen": "4k3/8/8/8/8/8/8/4K2R w K -", "solutions": "h1h8", "game": "7", "moves": "e2e4 e7e5"}


@pytest.mark.parametrize(
    ("address", "game"),
    [
        ("https://lichess.org/787zsVup/black#48", "787zsVup"),
        ("https://lichess.org/F8M8OS71#53", "F8M8OS71"),
        ("https://lichess.org/787zsVup/", "787zsVup"),
        ("https://lichess.org/787zsVup/black/?theme=dark#48", "787zsVup"),
        ("http://en.lichess.org//787zsVup", "787zsVup"),
        ("lichess.org/787zsVup/white", "787zsVup"),
        ("787zsVup", "787zsVup"),
        ("787zsVup#48", "787zsVup"),
        ("https://chess.example/game/live/1?tab=2", "https://chess.example/game/live/1"),
        ("https://chess.example/game/live/2/", "https://chess.example/game/live/2"),
        ("https://lichess.org", "https://lichess.org"),
        ("", ""),
    ],
)
def test_a_game_is_the_first_part_of_its_address(address: str, game: str) -> None:
    assert game_of(address) == game


def test_a_game_may_have_a_column_of_its_own() -> None:
    assert of_lichess(PROMOTES | {"GameId": "abc", "GameUrl": "https://lichess.org/787zsVup"}).game == "abc"
    assert of_lichess(PROMOTES | {"GameId": None, "GameUrl": "https://lichess.org/787zsVup"}).game == "787zsVup"
    assert of_lichess(PROMOTES).game == ""


@pytest.mark.parametrize("moves", ["a1a7 c7c8Q", " A1A7\u00a0 C7C8q ", ["a1a7", "c7c8q"], ["a1a7", "c7c8Q", "a7b7"]])
def test_moves_are_read_in_any_case_and_from_a_list(moves: Any) -> None:
    assert of_lichess(PROMOTES | {"Moves": moves}) == of_lichess(PROMOTES)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"Moves": moves} for moves in (None, "", [], "a1a7", "a1a7 c7c8k", "a1a7 0000", "a1a7 c7c8", ["a1a7", 3], 7)),
        *({"Moves": moves} for moves in ("a1a8 c7c8q", "e2e4 e7e5", "a1a7 c7c9q", {"a": 1}, "a1a7 é")),
        *({"FEN": fen} for fen in (None, "", "8/8 w", 3, ["8/8"], "8/2P1k3/8/8/8/8/6K1/q7 b - - x y" * 9)),
    ],
)
def test_a_bad_row_is_an_error_in_one_line(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError) as error:
        of_lichess(PROMOTES | wrong)
    assert "\n" not in str(error.value)


def test_a_collected_row_has_its_game_from_the_first_move() -> None:
    puzzle = of_collected(COLLECTED)
    assert (puzzle.game, puzzle.right, puzzle.moves) == ("7", ("h1h8",), ("e2e4", "e7e5"))
    for wrong in ({"solutions": ""}, {"solutions": "h1h9"}, {"fen": None}, {"moves": [3]}):
        with pytest.raises(UserError):
            of_collected(COLLECTED | wrong)


@pytest.mark.parametrize(("cell", "rating"), [("600", 600), (600, 600), (6e2, 600), ("", None), (None, None)])
def test_a_rating_is_a_number_or_not_there(cell: Any, rating: float | None) -> None:
    assert number_in({"Rating": cell}, "Rating") == rating
    assert number_in({"Rating": float("nan")}, "Rating") is None


@pytest.mark.parametrize("cell", ["high", "nan", "inf", float("inf"), True, [600], {"a": 1}])
def test_any_other_rating_is_an_error(cell: Any) -> None:
    with pytest.raises(UserError, match="Rating"):
        number_in({"Rating": cell}, "Rating")
