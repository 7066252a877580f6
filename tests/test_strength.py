"""How strong the rungs play, `python -m bench.strength`."""

from __future__ import annotations

import importlib
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from outgrow.chess import board as chess


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    return importlib.import_module("bench.strength")


def test_ten_points_of_eleven_are_four_hundred_elo(bench: ModuleType) -> None:
    found = bench.elo({("weak", "strong"): [0.0] * 9 + [0.5]})  # and the drawn game that every pair counts more
    assert found == pytest.approx({"weak": 0.0, "strong": 400.0}, abs=0.1)


def test_ratings_add_up_over_who_never_met(bench: ModuleType) -> None:
    won = [1.0] * 9 + [0.5]
    found = bench.elo({("a", "b"): [0.5] * 4, ("c", "b"): won, ("d", "c"): won})
    # Of four players each pair counts a third of a drawn game: (9.5 + 1/6) of (10 + 1/3) points are 401 and a half.
    step = 400 * math.log10((9.5 + 1 / 6) / (0.5 + 1 / 6))
    assert found == pytest.approx({"a": 0.0, "b": 0.0, "c": step, "d": 2 * step}, abs=0.2)


def test_ratings_come_weakest_first_with_intervals_around_them(bench: ModuleType) -> None:
    games = {("a", "b"): [1.0, 0.0, 0.5, 1.0, 1.0, 0.0, 1.0, 1.0], ("b", "c"): [1.0, 0.5, 0.5, 1.0, 0.0, 1.0]}
    found = bench.ratings(games, resamples=50)
    assert [each.name for each in found] == ["c", "b", "a"]
    assert all(each.low <= each.elo <= each.high for each in found)
    assert found[2].low == found[2].high == 0.0


def test_a_position_that_stands_for_the_third_time_is_a_draw(bench: ModuleType) -> None:
    there = {"w": ("g1f3", "f3g1"), "b": ("g8f6", "f6g8")}

    def shuffle(board: chess.Board) -> str:
        side = chess.fen(board).split()[1]
        return next(move for move in there[side] if move in chess.legal_moves(board))

    moves, points = bench.play(shuffle, shuffle, random.Random(0), opening=0)
    assert (len(moves), points) == (8, 0.5)


def test_points_are_those_of_the_first_whatever_its_colour(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """White walks into the fool's mate, Black gives it: who has Black wins."""
    ways = {"w": ("f2f3", "g2g4"), "b": ("e7e5", "d8h4")}

    @contextmanager
    def player(name: str, rng: random.Random) -> Iterator[Any]:
        def move(board: chess.Board) -> str:
            return next(move for move in ways[chess.fen(board).split()[1]] if move in chess.legal_moves(board))

        yield move

    monkeypatch.setattr(bench, "player", player)
    monkeypatch.setattr(bench, "play", partial(bench.play, opening=0))
    assert bench.meet("one", "other", 4) == [0.0, 1.0, 0.0, 1.0]


def test_a_game_without_end_is_a_draw(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PLIES", 6)
    moves, points = bench.play(lambda board: chess.legal_moves(board)[0], lambda board: chess.legal_moves(board)[0],
                               random.Random(0), opening=0)  # fmt: skip
    assert (len(moves), points) == (6, 0.5)


def test_who_mates_has_the_point(bench: ModuleType) -> None:
    fools = {"w": iter(("f2f3", "g2g4")), "b": iter(("e7e5", "d8h4"))}

    def move(board: chess.Board) -> str:
        return next(fools[chess.fen(board).split()[1]])

    moves, points = bench.play(move, move, random.Random(0), opening=0)
    assert (len(moves), points) == (4, 0.0)
